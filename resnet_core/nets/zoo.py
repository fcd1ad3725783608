"""Published networks by name.

`resnet56-cifar-A` is a member of a family. Every legal depth, width or cardinality of a family has a name;
`list_networks` returns only some of them. The plain twin of a network is `network(name).replace(skip="none")`.
"""

import re
from collections.abc import Callable
from typing import Any

from resnet_core.arguments import checked
from resnet_core.errors import UserError
from resnet_core.nets.spec import NetSpec, cifar

BASIC_DEPTHS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
BOTTLENECK_DEPTHS = {
    14: (1, 1, 1, 1), 26: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 200: (3, 24, 36, 3),
    269: (3, 30, 48, 8),
}  # fmt: skip
RS_DEPTHS = {
    **{depth: BOTTLENECK_DEPTHS[depth] for depth in (50, 101, 152, 200)},
    270: (4, 29, 53, 4), 350: (4, 36, 72, 4), 420: (4, 44, 87, 4),
}  # fmt: skip
IMAGENET_DEPTHS = BASIC_DEPTHS | BOTTLENECK_DEPTHS

LISTED = (
    "resnet20-cifar-A", "plain20-cifar", "resnet20-cifar-B", "resnet20-cifar-C", "resnet32-cifar-A",
    "resnet44-cifar-A", "resnet56-cifar-A", "resnet56-cifar-B", "resnet110-cifar-A", "resnet1202-cifar-A",
    "preact20-cifar-B", "preact110-cifar-A", "preact164-cifar-B", "preact1001-cifar-B",
    "wrn16-4", "wrn40-4", "wrn28-10", "resnext29-8x64d", "resnext29-16x64d",
    "resnet18", "plain18", "resnet34", "plain34", "resnet50-v1", "resnet101-v1", "resnet152-v1",
    "resnet50", "resnet101", "resnet152", "resnetv2-50", "resnext50-32x4d", "resnext101-32x8d",
    "wide-resnet50-2", "se-resnet50", "resnet50-d", "resnet50-t", "resnet50-gn", "eca-resnet50-d",
    "resnetblur50", "resnetaa50-d", "resnetrs50", "resnetv2-50x1-bit",
    "keras-resnet50", "keras-resnet101", "keras-resnet152",
    "keras-resnet50v2", "keras-resnet101v2", "keras-resnet152v2",
)  # fmt: skip


def list_networks() -> list[str]:
    """Return the names of the published networks."""
    return list(LISTED)


@checked
def network(name: str) -> NetSpec:
    """Return the published network of this name.

    Names are those of `list_networks` or of timm. A tag of timm's weights is ignored: `resnet50.a1_in1k` is `resnet50`.
    The networks of `keras.applications` are called `keras-resnet50`, `keras-resnet50v2` and so on.

    Raises:
        UserError: The name or the depth is unknown, or a `NetSpec` cannot describe the network.
    """
    architecture, tag = _parted(name)
    for pattern, make in FAMILIES.items():
        match = re.fullmatch(pattern, architecture)
        if match:
            spec = make(*(int(group) if group and group.isdecimal() else group for group in match.groups()))
            classes = next((count for end, count in CLASSES.items() if tag.endswith(end)), spec.classes)
            return spec.replace(classes=classes)
    reason = reason_against(name)
    if reason:
        raise UserError(f"a network must be one that a NetSpec describes, but '{name}' {reason}")
    of_keras = re.fullmatch(r"(?:keras-)?(ResNet(?:50|101|152)(?:V2)?)", architecture)
    near = f"keras-{of_keras[1].lower()}" if of_keras else _one_slip_from(architecture)
    hint = f"; did you mean '{near}'?" if near else "; list_networks() and `resnet-ablate show --help` name them"
    raise UserError(f"`name` must be that of a published network, but got '{name}'{hint}")


def reason_against(name: str) -> str | None:
    """Return why a `NetSpec` cannot describe a published network, or `None` if no reason is known."""
    architecture = _parted(name)[0]
    return next((reason for pattern, reason in OTHERS.items() if re.search(pattern, architecture)), None)


def _parted(name: str) -> tuple[str, str]:
    """Split a name into the current name of the architecture and the tag of the weights."""
    architecture, _, tag = name.replace("_", "-").partition(".")
    for pattern, now in FORMERLY.items():
        architecture = re.sub(pattern, now, architecture)
    return architecture, tag


def _one_slip_from(name: str) -> str | None:
    """Return the listed name that differs by one missing, wrong or swapped character.

    A surplus character is not counted as a slip, since the names of variants have one.
    """
    name = name.lower()
    for known in LISTED:
        word = known.lower()
        wrong = len(word) == len(name) and sum(a != b for a, b in zip(word, name, strict=True)) <= 1
        too_few = any(word[:i] + word[i + 1 :] == name for i in range(len(word)))
        exchanged = any(word[:i] + word[i : i + 2][::-1] + word[i + 2 :] == name for i in range(len(word) - 1))
        if wrong or too_few or exchanged:
            return known
    return None


def imagenet(depth: int, width: int = 64, **fields: Any) -> NetSpec:
    """Return the ImageNet network of He et al. 2015, table 1: basic blocks to 34 layers, then bottlenecks.

    Depth 200 is from He et al. 2016; other depths that are not in the table are timm's.

    Args:
        depth: One of `IMAGENET_DEPTHS`.
        width: Channels of the first stage; each later stage has twice as many.
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
        depth: See `cifar`.
        width: See `cifar`.
        fields: Further fields of `NetSpec`.

    Raises:
        UserError: No network has this depth, or a field is illegal.
    """
    deep: dict[str, Any] = {"block": "bottleneck", "stride_in": "first", "skip": "B"} if depth >= 164 else {}
    return cifar(depth, width, **{"order": "full_preactivation", **deep, **fields})


def wide(depth: int, width: int, **fields: Any) -> NetSpec:
    """Return a wide network of Zagoruyko and Komodakis 2016, depth = 6N + 4.

    Args:
        depth: Number of layers; a stage has N blocks.
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
    attention: str | None, kind: str, aliasing: str | None, depth: int, variant: str | None,
    first: int | None, group_width: int | None, norm: str | None,
) -> NetSpec:  # fmt: skip
    """Return the ImageNet network of a name such as `se-resnet50-d`, `resnext50-32x4d` or `wide-resnet50-2`."""
    attentions: dict[str | None, dict[str, Any]] = {
        None: {}, "se": {"se_reduction": 16, "se_divisor": 8}, "eca": {"eca": True},
    }  # fmt: skip
    variants: dict[str | None, dict[str, Any]] = {
        None: {}, "c": {"stem": "deep"}, "d": {"stem": "deep", "skip": "D"}, "v1": {"stride_in": "first"},
        "s": {"stem": "deep", "stem_width": 128}, "t": {"stem": "tiered", "skip": "D"},
    }  # fmt: skip
    aliasings: dict[str | None, dict[str, Any]] = {
        None: {}, "blur": {"antialias": "blur"}, "aa": {"antialias": "average"},
    }  # fmt: skip
    kinds: dict[tuple[str, bool, bool], dict[str, Any]] = {  # numbers after the depth
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
    norms: dict[str, Any] = {"norm": "group"} if norm else {}
    return imagenet(depth, **attentions[attention], **aliasings[aliasing], **variants[variant], **fields, **norms)


def _first_split(depth: int) -> dict[str, Any]:
    """Return `first_split` of timm's pre-activation networks; with basic blocks it differs from He et al. 2016."""
    return {"first_split": "before_activation"} if depth in BASIC_DEPTHS else {}


def _rescaled(depth: int) -> NetSpec:
    """Return a ResNet-RS of Bello et al. 2021, table 7."""
    if depth not in RS_DEPTHS:
        raise UserError(f"a ResNet-RS must have {', '.join(map(str, RS_DEPTHS))} layers, but got {depth}")
    return imagenet(
        50, depths=RS_DEPTHS[depth], stem="deep", stem_pool="conv", skip="D", se_reduction=4, se_divisor=8
    )  # fmt: skip


def _big_transfer(depth: int, times: int) -> NetSpec:
    """Return a network of BiT, Kolesnikov et al. 2020."""
    return imagenet(
        depth, 64 * times, order="full_preactivation", norm="group", standardize_weights=True, weight_epsilon=1e-8,
        pool_padding="zeros",
    )  # fmt: skip


def _of_keras(depth: int, second: str | None) -> NetSpec:
    """Return a network of `keras.applications`, v1 or v2; v2 has its strides in other blocks than He et al. 2016."""
    if depth not in (50, 101, 152):
        raise UserError(f"a ResNet of Keras must have 50, 101 or 152 layers, but got {depth}")
    v2: dict[str, Any] = {
        "order": "full_preactivation", "stride_block": "last", "pool_padding": "zeros", "conv_bias": "unnormalised",
    }  # fmt: skip
    return imagenet(depth, norm_epsilon=1.001e-5, **(v2 if second else {"stride_in": "first"}))


FAMILIES: dict[str, Callable[..., NetSpec]] = {
    r"resnet(\d+)-cifar-([ABC])": lambda depth, option: cifar(depth, skip=option),
    r"plain(\d+)-cifar": lambda depth: cifar(depth, skip="none"),
    r"preact(\d+)-cifar-([ABC])": lambda depth, option: preactivation(depth, skip=option),
    r"wrn(\d+)-(\d+)": lambda depth, k: wide(depth, 16 * k),
    r"resnext(29|38|47|56|65|83|101)-(\d+)x(64)d": _resnext_cifar,
    r"keras-resnet(\d+)(v2)?": _of_keras,
    r"resnetrs(\d+)": _rescaled,
    r"resnetv2-(\d+)x(\d+)-bit": _big_transfer,
    r"ecaresnetlight": lambda: imagenet(50, depths=(1, 1, 11, 3), skip="D", eca=True),
    r"seresnextaa201d-32x8d": lambda: imagenet(
        200, depths=(3, 24, 36, 4), stem="deep", stem_width=128, skip="D", antialias="average",
        cardinality=32, group_width=8, se_reduction=16, se_divisor=8,
    ),
    r"(?:(se|eca)-?)?(plain|resnet|resnetv2-|resnext|wide-resnet)(aa|blur)?(\d+)-?(c|d|s|t|v1)?(?:-(\d+))?(?:x(\d+)d)?"
    r"(-gn)?": _imagenet_variant,
}  # fmt: skip
"""Families by the pattern of their names; the first match counts."""

FORMERLY = {
    r"^(?:tv|ssl|swsl|ig|gluon)-(?=\w*(?:resne|senet))": "",
    r"^(\w*res\w+?)-v1b$": r"\1",
    r"^(\w*res\w+?)-v1([cds])$": r"\1\2",
    r"-bit(m|m-in21k|-teacher|-teacher-384|-distilled)$": "-bit",
}
"""Patterns in former names of timm, and their replacements in current names."""

CLASSES = {"in12k": 11_821, "in21k": 21_843}
"""Number of classes by the end of timm's tag, if it is not 1,000."""

OTHERS = {
    r"res2ne[xt]": "splits its convolutions (Res2Net)",
    r"resnest": "has split attention (ResNeSt)",
    r"^sk-?res": "has selective kernels (SK-Net)",
    r"cspres": "has cross stage partial blocks",
    r"^nf-": "is free of normalisers, with scaled weight standardisation (NF-ResNet)",
    r"legacy|^senet": "is a network of the authors of SE-Net, with another pooling and other blocks",
    r"tresnet": "has blocks and a stem of its own (TResNet)",
    r"-(evos|frn)$": "has another normalisation (EvoNorm or FRN)",
    r"-pruned$": "has the widths that a pruning left",
    r"clip|\dx\d+-clip": "ends with attention pooling or has CLIP's stem",
    r"^(gc|bat|lambda|halo|sehalo|bot)": "has another attention (GC, BAT, lambda, halo)",
    r"\d(ts|q|mlp)$|-mlp$": "is one of timm's byobnet",
    r"inception|^dla|^vit|^hrnet|^regnet|^xresnet": "is of another family",
    r"^test-resnet$": "mixes basic blocks and bottlenecks",
    r"cbam|ibn": "has blocks with an attention or a normalisation that no axis has",
}
"""Patterns of names that no `NetSpec` describes, with the reasons. For these names, no similar name is suggested."""
