"""Which combinations of a `NetSpec`'s fields are illegal: for each, the rule and what was received."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from resnet_core.errors import UserError

if TYPE_CHECKING:
    from resnet_core.nets.spec import NetSpec

MOST_BLOCKS = 10_000
Test = Callable[["NetSpec"], bool]

READ: dict[str, tuple[Test, str]] = {
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


def check(spec: "NetSpec") -> None:
    """Check the rules.

    Raises:
        UserError: One is broken; it is named.
    """
    for message in _broken(spec):
        raise UserError(message)


def _broken(spec: "NetSpec") -> Iterator[str]:
    from resnet_core.nets.blocks import BLOCKS

    if len(spec.depths) != len(spec.widths):
        yield (
            "`depths` and `widths` must have one entry a stage each, "
            f"but got depths={spec.depths} and widths={spec.widths}"
        )
    if sum(spec.depths) > MOST_BLOCKS:
        yield f"`depths` must be {MOST_BLOCKS} blocks at most, but got {sum(spec.depths)}"
    yield from spec.unread()
    if spec.block in BLOCKS:  # else it is a user's, and read from a record: `build` and `cost` look it up
        yield from _broken_skip(spec)
        yield from _broken_branch(spec)


def _broken_skip(spec: "NetSpec") -> Iterator[str]:
    channels = (spec.stem_width or spec.widths[0], *(width * spec.growth for width in spec.widths))
    if spec.skip == "A" and any(after < before for before, after in pairwise(channels)):
        yield (
            "`widths` must not fall with skip='A', which can only add channels, "
            f"but got {channels[0]} from the stem and {channels[1:]} from the stages; take skip='B'"
        )
    shape = tuple(len(word) for word in spec.skip_mask)
    if spec.skip_mask and (shape != spec.depths or set("".join(spec.skip_mask)) - {"0", "1"}):
        yield (
            "`skip_mask` must have a word a stage and in it a 1 or 0 a block, "
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


def _broken_branch(spec: "NetSpec") -> Iterator[str]:
    from resnet_core.nets.blocks import ORDERS

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
    if spec.norm == "group":
        from resnet_core.nets.cost import normalised_channels

        odd = [channels for channels in normalised_channels(spec) if channels % spec.norm_groups]
        if odd:
            yield f"`norm_groups` must divide the channels of every map, but got {spec.norm_groups} for {odd[0]}"
