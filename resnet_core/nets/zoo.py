"""Published networks by name.

`resnet56-cifar-A` is a member of a family: any legal depth, width or cardinality has a name, not
only those that `list_networks` lists. The plain twin of a network is `network(name).replace(skip="none")`.
"""

import re
from collections.abc import Callable
from typing import Any

from resnet_core.errors import UserError, nearest
from resnet_core.nets.spec import NetSpec, cifar

BASIC_DEPTHS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
BOTTLENECK_DEPTHS = {
    14: (1, 1, 1, 1), 26: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 200: (3, 24, 36, 3),
}  # fmt: skip
IMAGENET_DEPTHS = BASIC_DEPTHS | BOTTLENECK_DEPTHS

LISTED = (
    "resnet20-cifar-A", "plain20-cifar", "resnet20-cifar-B", "resnet20-cifar-C", "resnet32-cifar-A",
    "resnet44-cifar-A", "resnet56-cifar-A", "resnet56-cifar-B", "resnet110-cifar-A", "resnet1202-cifar-A",
    "preact20-cifar-B", "preact110-cifar-A", "preact164-cifar-B", "preact1001-cifar-B",
    "wrn16-4", "wrn40-4", "wrn28-10", "resnext29-8x64d", "resnext29-16x64d",
    "resnet18", "plain18", "resnet34", "plain34", "resnet50-v1", "resnet101-v1", "resnet152-v1",
    "resnet50", "resnet101", "resnet152", "resnetv2-50", "resnext50-32x4d", "resnext101-32x8d",
    "wide-resnet50-2", "se-resnet50", "resnet50-d",
)  # fmt: skip


def list_networks() -> list[str]:
    """Return the names of the published networks."""
    return list(LISTED)


def network(name: str) -> NetSpec:
    """Return the published network of this name, ours or timm's.

    Raises:
        UserError: There is none, or not of this depth.
    """
    for pattern, make in FAMILIES.items():
        match = re.fullmatch(pattern, name.replace("_", "-"))
        if match:
            return make(*(int(group) if group and group.isdecimal() else group for group in match.groups()))
    raise UserError(f"`name` must be that of a published network, but got '{name}'{nearest(name, LISTED)}")


def imagenet(depth: int, width: int = 64, **fields: Any) -> NetSpec:
    """Return the ImageNet network of He et al. 2015, table 1: basic blocks to 34 layers, then bottlenecks.

    Of the depths that are not in the table, 200 is He et al.'s of 2016, the others are timm's.

    Args:
        depth: One of `IMAGENET_DEPTHS`.
        width: Channels of the first stage; every other has twice as many as the one before it.
        fields: Further fields of `NetSpec`.

    Raises:
        UserError: There is no such depth, or a field is illegal.
    """
    if depth not in IMAGENET_DEPTHS:
        raise UserError(
            f"an ImageNet ResNet must have {', '.join(map(str, sorted(IMAGENET_DEPTHS)))} layers, but got {depth}"
        )
    common: dict[str, Any] = {
        "input_shape": (224, 224, 3), "classes": 1000, "stem": "imagenet", "widths": _doubled(width, 4),
        "depths": IMAGENET_DEPTHS[depth], "block": "basic" if depth in BASIC_DEPTHS else "bottleneck", "skip": "B",
        "init": "he_fan_out",
    }  # fmt: skip
    return NetSpec(**{**common, **fields})


def _doubled(width: int, stages: int) -> tuple[int, ...]:
    return tuple(width * 2**i for i in range(stages))


def preactivation(depth: int, width: int = 16, **fields: Any) -> NetSpec:
    """Return the CIFAR network of He et al. 2016: basic to 110 layers, bottlenecks and option B from 164 on.

    Args:
        depth: As of `cifar`.
        width: As of `cifar`.
        fields: Further fields of `NetSpec`.

    Raises:
        UserError: No network has this depth, or a field is illegal.
    """
    deep: dict[str, Any] = {"block": "bottleneck", "stride_in": "first", "skip": "B"} if depth >= 164 else {}
    return cifar(depth, width, **{"order": "full_preactivation", **deep, **fields})


def wide(depth: int, width: int, **fields: Any) -> NetSpec:
    """Return a wide network of Zagoruyko and Komodakis 2016, depth = 6N + 4.

    Args:
        depth: As said, with N blocks a stage.
        width: Channels of the first stage, 16 k for WRN-depth-k; the second has twice as many, the third four times.
        fields: Further fields of `NetSpec`.

    Raises:
        UserError: No N gives this depth, or a field is illegal.
    """
    n, rest = divmod(depth - 4, 6)
    if rest or n < 1:
        raise UserError(f"`depth` of a wide network must be 6N + 4 with N >= 1, but got {depth}")
    common: dict[str, Any] = {
        "depths": (n, n, n), "widths": _doubled(width, 3), "stem_width": min(16, width), "skip": "B",
        "order": "full_preactivation",
    }  # fmt: skip
    return NetSpec(**{**common, **fields})


def _resnext_cifar(depth: int, cardinality: int, group_width: int) -> NetSpec:
    """Return the CIFAR network of Xie et al. 2017, section 5.3, depth = 9n + 2."""
    n, rest = divmod(depth - 2, 9)
    if rest or n < 1:
        raise UserError(f"`depth` of a ResNeXt for CIFAR must be 9n + 2 with n >= 1, but got {depth}")
    return NetSpec(
        depths=(n, n, n), widths=(64, 128, 256), block="bottleneck", skip="B",
        cardinality=cardinality, group_width=group_width,
    )  # fmt: skip


def _imagenet_variant(
    se: str | None, kind: str, depth: int, variant: str | None, first: int | None, group_width: int | None
) -> NetSpec:
    """Return the ImageNet network of a name such as `se-resnet50-d`, `resnext50-32x4d` or `wide-resnet50-2`."""
    excitation = {"se_reduction": 16, "se_divisor": 8} if se else {}
    variants: dict[str | None, dict[str, Any]] = {
        None: {}, "c": {"stem": "deep"}, "d": {"stem": "deep", "skip": "D"}, "v1": {"stride_in": "first"},
    }  # fmt: skip
    kinds: dict[tuple[str, bool, bool], dict[str, Any]] = {  # with which numbers after the depth
        ("plain", False, False): {"skip": "none"},
        ("resnet", False, False): {},
        ("resnetv2-", False, False): {"order": "full_preactivation", **_first_split(depth)},
        ("resnext", True, True): {"cardinality": first, "group_width": group_width},
        ("wide-resnet", True, False): {"group_width": 64 * (first or 1)},
    }
    fields = kinds.get((kind, first is not None, group_width is not None))
    if fields is None:
        raise UserError(
            "an ImageNet network must be named like resnet50, resnext50-32x4d or wide-resnet50-2, "
            f"but got {kind}{depth} with {'other' if first or group_width else 'no'} numbers"
        )
    return imagenet(depth, **excitation, **variants[variant], **fields)


def _first_split(depth: int) -> dict[str, Any]:
    """Return where timm's pre-activation networks split first: with basic blocks, not where He et al. 2016 do."""
    return {"first_split": "before_activation"} if depth in BASIC_DEPTHS else {}


FAMILIES: dict[str, Callable[..., NetSpec]] = {
    r"resnet(\d+)-cifar-([ABC])": lambda depth, option: cifar(depth, skip=option),
    r"plain(\d+)-cifar": lambda depth: cifar(depth, skip="none"),
    r"preact(\d+)-cifar-([ABC])": lambda depth, option: preactivation(depth, skip=option),
    r"wrn(\d+)-(\d+)": lambda depth, k: wide(depth, 16 * k),
    r"resnext(29|38|47|56|65|83|101)-(\d+)x(64)d": _resnext_cifar,
    r"(se-?)?(plain|resnet|resnetv2-|resnext|wide-resnet)(\d+)-?(c|d|v1)?(?:-(\d+))?(?:x(\d+)d)?": _imagenet_variant,
}
"""Families by the pattern of their names; the first that matches counts."""
