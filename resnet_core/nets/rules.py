"""Rules for combinations of a `NetSpec`'s fields. Each error states the rule and the value received."""

from collections.abc import Callable, Iterator
from itertools import pairwise

from resnet_core.errors import UserError
from resnet_core.nets.counting import normalised_channels
from resnet_core.nets.fields import NetFields
from resnet_core.nets.registry import BLOCKS, ORDERS

MOST_BLOCKS = 10_000
Test = Callable[[NetFields], bool]


def _has_max_pool(spec: NetFields) -> bool:
    return spec.stem != "cifar" and spec.stem_pool == "max" and spec.antialias != "average"


def _halves(spec: NetFields) -> bool:
    return spec.stem != "cifar" or len(spec.depths) > 1


READ: dict[str, tuple[Test, str]] = {
    "stem_pool": (lambda s: s.stem != "cifar", "a stem other than 'cifar'"),
    "pool_padding": (lambda s: _has_max_pool(s) and s.padding == "explicit", "a max-pool and padding='explicit'"),
    "stride_block": (lambda s: len(s.depths) > 1, "two stages or more"),
    "antialias": (_halves, "a stem or a stage that halves"),
    "weight_epsilon": (lambda s: s.standardize_weights, "standardize_weights"),
    "se_divisor": (lambda s: s.se_reduction > 0, "se_reduction"),
    "first_split": (lambda s: s.skip != "none" and s.order.endswith("preactivation"), "a pre-activation and a skip"),
    "skip_mask": (lambda s: s.skip != "none", "a skip"),
    "zero_padding": (lambda s: s.skip == "A", "skip='A'"),
    "zero_pooling": (lambda s: s.skip == "A", "skip='A'"),
    "skip_transform": (lambda s: s.skip != "none", "a skip"),
    "skip_factor": (lambda s: s.skip_transform == "scale", "skip_transform='scale'"),
    "branch_factor": (lambda s: s.skip_transform == "scale", "skip_transform='scale'"),
    "gate_bias": (lambda s: s.skip_transform.endswith("gate"), "a skip_transform with a gate"),
    "skip_dropout": (lambda s: s.skip_transform == "dropout", "skip_transform='dropout'"),
    "layer_scale": (lambda s: s.branch_scale == "layerscale", "branch_scale='layerscale'"),
    "survival_decay": (lambda s: s.survival < 1, "survival below 1"),
    "drop_unit": (lambda s: s.survival < 1, "survival below 1"),
    "norm_groups": (lambda s: s.norm == "group", "norm='group'"),
    "norm_epsilon": (lambda s: s.norm != "none", "a norm"),
    "bn_momentum": (lambda s: s.norm == "batch", "norm='batch'"),
    "cardinality": (lambda s: s.block != "basic", "a block with groups"),
    "group_width": (lambda s: s.block != "basic", "a block with groups"),
    "stride_in": (lambda s: s.block != "basic" or s.kernels[:1] == (1,), "a branch that begins with a 1x1 convolution"),
}
"""See `Spec.readers`."""


def check(spec: NetFields) -> None:
    """Check the rules.

    Raises:
        UserError: A rule is broken.
    """
    for message in _broken(spec):
        raise UserError(message)


def _broken(spec: NetFields) -> Iterator[str]:
    if len(spec.depths) != len(spec.widths):
        yield (
            "`depths` and `widths` must each have one entry for each stage, "
            f"but got depths={spec.depths} and widths={spec.widths}"
        )
    if sum(spec.depths) > MOST_BLOCKS:
        yield f"`depths` must be {MOST_BLOCKS} blocks at most, but got {sum(spec.depths)}"
    yield from spec.unread()
    if spec.block in BLOCKS:  # an unregistered block comes from a record; `build` and `cost` refuse it
        yield from _broken_stem(spec)
        yield from _broken_skip(spec)
        yield from _broken_kernels(spec)
        yield from _broken_branch(spec)
        yield from _broken_norm(spec)


def _broken_stem(spec: NetFields) -> Iterator[str]:
    width, least = spec.stem_width or spec.widths[0], {"deep": 2, "tiered": 3}.get(spec.stem, 1)
    if width < least:
        yield (
            f"stem={spec.stem!r} needs {least} channels or more, but got {width}; "
            "take a greater `stem_width`, or another stem"
        )
    small = _blurred_sides(spec)
    if spec.antialias == "blur" and small and min(small) < 2:
        yield (
            "antialias='blur' reflects the borders and needs maps of 2x2 pixels or more, "
            f"but got a side of 1 with input_shape={spec.input_shape}; take antialias='average', or larger images"
        )


def _blurred_sides(spec: NetFields) -> list[int]:
    """Return the sizes of the maps that are blurred."""
    sides, blurred = list(spec.input_shape[:2]), []
    for place in ("conv", "pool") if spec.stem != "cifar" else ():
        blurred += sides if place == "pool" else []
        sides = [-(-side // 2) for side in sides]
    for _ in spec.depths[1:]:
        blurred += sides
        sides = [-(-side // 2) for side in sides]
    return blurred


def _broken_kernels(spec: NetFields) -> Iterator[str]:
    even = [size for size in spec.kernels if size % 2 == 0]
    if even:
        yield f"`kernels` must be odd, since an even one has no centre, but got kernels={spec.kernels}"
    if spec.cardinality > 1:
        before = (spec.stem_width or spec.widths[0], *(width * spec.growth for width in spec.widths))
        read = before if spec.convolutions[0] > 1 else ()
        written = before[1:] if spec.convolutions[-1] > 1 else ()
        odd = [channels for channels in (*read, *written) if channels % spec.cardinality]
        if odd:
            yield (
                "`cardinality` must divide the channels that a convolution with groups reads and writes, "
                f"but got {spec.cardinality} for {odd[0]} with kernels={spec.convolutions}"
            )
    if spec.standardize_weights and spec.branch_scale == "fixup":
        yield (
            "branch_scale='fixup' is a scale of the initial weights, which standardize_weights=True undoes; "
            "but got both; leave one"
        )
    everywhere = spec.norm == "none" or spec.order in ("original", "relu_before_addition")
    if spec.conv_bias == "unnormalised" and everywhere:
        yield (
            "conv_bias='unnormalised' needs convolutions with a normalisation and some without one, "
            f"but got norm={spec.norm!r} and order={spec.order!r}; take {spec.norm == 'none'}"
        )


def _broken_skip(spec: NetFields) -> Iterator[str]:
    channels = (spec.stem_width or spec.widths[0], *(width * spec.growth for width in spec.widths))
    if spec.skip == "A" and any(after < before for before, after in pairwise(channels)):
        yield (
            "`widths` must not fall with skip='A', which can only add channels, "
            f"but got {channels[0]} from the stem and {channels[1:]} from the stages; take skip='B'"
        )
    shape = tuple(len(word) for word in spec.skip_mask)
    if spec.skip_mask and (shape != spec.depths or set("".join(spec.skip_mask)) - {"0", "1"}):
        yield (
            "`skip_mask` must have a string for each stage, with a 1 or 0 for each block, "
            f"but got {spec.skip_mask} with depths={spec.depths}"
        )
    if spec.skip == "C" and spec.skip_transform == "conv":
        yield "skip='C' convolves every skip already, but got skip_transform='conv' with it; take skip='A' or 'B'"
    whole = spec.skip != "none" and "0" not in "".join(spec.skip_mask)
    dead = spec.branch_scale in ("zero_gamma", "skipinit", "rezero")
    if dead and not whole:
        yield (
            f"branch_scale={spec.branch_scale!r} starts every branch at 0 and so needs a skip on every block, "
            f"but got skip={spec.skip!r} and skip_mask={spec.skip_mask}"
        )
    if spec.survival < 1 and not whole:
        yield (
            "`survival` below 1 drops branches and so needs a skip on every block, "
            f"but got skip={spec.skip!r} and skip_mask={spec.skip_mask}"
        )


def _broken_branch(spec: NetFields) -> Iterator[str]:
    ends_with_norm = "norm" in ORDERS[spec.order].tail
    if spec.branch_scale == "zero_gamma" and (spec.norm == "none" or not ends_with_norm):
        yield (
            "branch_scale='zero_gamma' needs a normalisation at the end of the branch, "
            f"but got norm={spec.norm!r} and order={spec.order!r}; take 'skipinit', or another order"
        )
    if spec.branch_scale == "fixup" and (spec.norm != "none" or spec.order != "original"):
        yield (
            "branch_scale='fixup' stands in for normalisation, in the original order, "
            f"but got norm={spec.norm!r} and order={spec.order!r}; take norm='none' and order='original'"
        )
    if spec.branch_scale == "fixup" and len(spec.convolutions) < 2:
        yield f"branch_scale='fixup' needs two convolutions a branch or more, but got kernels={spec.convolutions}"
    if spec.dropout and len(spec.convolutions) < 2:
        yield f"`dropout` stands between convolutions and needs two or more, but got kernels={spec.convolutions}"
    inner = [int(width * spec.group_width / 64) for width in spec.widths]
    if min(inner) < 1:
        yield (
            "`group_width` must give every group a channel, width * group_width / 64 >= 1, "
            f"but got group_width={spec.group_width} with widths={spec.widths}"
        )
    if spec.se_reduction and min(spec.widths) * spec.growth < spec.se_reduction:
        yield (
            "`se_reduction` must be at most a block's channels, "
            f"but got {spec.se_reduction} with {min(spec.widths) * spec.growth} channels"
        )
    if spec.se_reduction and spec.eca:
        yield f"a branch ends with one attention, but got eca=True and se_reduction={spec.se_reduction}; take one"


def _broken_norm(spec: NetFields) -> Iterator[str]:
    if spec.norm == "group":
        odd = [channels for channels in normalised_channels(spec) if channels % spec.norm_groups]
        if odd:
            yield f"`norm_groups` must divide the channels of every map, but got {spec.norm_groups} for {odd[0]}"
