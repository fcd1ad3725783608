"""The residual block, y = post(S(x) + scale · F(pre(x))), and its plain twin, y = post(scale · F(pre(x))).

The branch F is looked up by `spec.block`, pre and post by `spec.order`, and the skip S by `spec.skip` (`skips`). A
network without the skip keeps all other parts.
"""

from math import log2

from resnet_core.errors import UserError
from resnet_core.nets.interpreter import Interpreter, Value
from resnet_core.nets.registry import BLOCKS, ORDERS, Order, register_block, registered
from resnet_core.nets.skips import join

__all__ = [
    "BLOCKS",
    "ORDERS",
    "Order",
    "antialiased",
    "attend_to_channels",
    "basic",
    "bottleneck",
    "convolutions",
    "dropped",
    "fixup_gain",
    "register_block",
    "registered",
    "residual_block",
    "scaled",
    "squeeze_and_excite",
]  # fmt: skip


@register_block("basic")
def basic(at: Interpreter, x: Value, width: int, strides: int) -> Value:
    """F = conv relu BN conv, all of the block's width (He et al. 2015, figure 5 left; wide, Zagoruyko 2016)."""
    return convolutions(at, x, [width * at.spec.growth] * len(at.spec.convolutions), strides)


@register_block("bottleneck", kernels=(1, 3, 1), expansion=4)
def bottleneck(at: Interpreter, x: Value, width: int, strides: int) -> Value:
    """F = conv1x1 relu BN conv3x3 relu BN conv1x1, narrow inside (He et al. 2015, figure 5 right; Xie et al. 2017)."""
    inner = int(width * at.spec.group_width / 64) * at.spec.cardinality
    channels = [inner] * (len(at.spec.convolutions) - 1) + [width * at.spec.growth]
    return convolutions(at, x, channels, strides, groups=at.spec.cardinality)


def convolutions(at: Interpreter, x: Value, channels: list[int], strides: int, groups: int = 1) -> Value:
    """Return conv (relu BN conv)…, with a dropout before the last if the spec has one.

    Args:
        at: The block's interpreter.
        x: Input of the first convolution.
        channels: Number of output channels of each convolution.
        strides: Stride of the convolution that `spec.stride_in` selects.
        groups: Number of groups of the convolutions with kernels larger than 1x1.
    """
    spec, last, end = at.spec, len(channels), ORDERS[at.spec.order].tail
    spatial = next((i for i, kernel in enumerate(spec.convolutions, 1) if kernel > 1), 1)
    strided = 1 if spec.stride_in == "first" else spatial
    fixup = spec.branch_scale == "fixup"
    for i, (kernel, filters) in enumerate(zip(spec.convolutions, channels, strict=True), start=1):
        if i > 1:
            x = at.norm_act(x, ("norm", "act"), norm=f"bn{i - 1}", act=f"act{i - 1}")
        if strides > 1 and i == strided + 1:
            x = antialiased(at, x, strides, name="aa")
        if i == last and spec.dropout:
            x = at.dropout(x, spec.dropout, name="dropout")
        if fixup:
            x = at.shift(x, name=f"shift{i}")
        gain = (0.0 if i == last else fixup_gain(sum(spec.depths), last)) if fixup else 1.0
        halved_after = spec.antialias != "none" and strides > 1 and i == strided
        x = at.conv(
            x, filters, kernel, strides if i == strided and not halved_after else 1,
            groups=groups if kernel > 1 else 1, gain=gain, normalised=i < last or end[:1] == ("norm",),
            name=f"conv{i}",
        )  # fmt: skip
        if halved_after and i == last:
            x = antialiased(at, x, strides, name="aa")
    return x


def antialiased(at: Interpreter, x: Value, strides: int, *, name: str) -> Value:
    """Return `x` downsampled as in `spec.antialias`. With `none`, return `x`; the convolution has the stride."""
    match at.spec.antialias:
        case "blur":
            return at.blur(x, strides, name=name)
        case "average":
            return at.pool(x, "average", strides, strides, name=name)
    return x


def fixup_gain(blocks: int, layers: int) -> float:
    """Return the factor of a branch's initial kernels, L^(-1 / (2m - 2)) (Zhang et al. 2019, section 3)."""
    return float(blocks ** (-1 / (2 * layers - 2)))


def residual_block(at: Interpreter, x: Value, width: int, strides: int, *, stage: int, block: int, index: int) -> Value:
    """Return y = post(S(x) + scale · F(pre(x))).

    Args:
        at: An interpreter within the block's scope.
        x: The block's input.
        width: Width of the stage.
        strides: 2 where the stage halves.
        stage: Counted from 1.
        block: Counted from 1 in its stage.
        index: Counted from 1 in the network.
    """
    spec, order = at.spec, ORDERS[at.spec.order]
    a = at.norm_act(x, order.pre, norm="pre_bn", act="pre_act")
    f = registered(spec.block).branch(at, a, width, strides)
    if at.shape(f)[2] != width * spec.growth:
        raise UserError(
            f"a block must return width * expansion channels, {width * spec.growth} here, "
            f"but '{spec.block}' returned {at.shape(f)[2]}"
        )
    f = scaled(at, f, order, index)
    if spec.has_skip(stage, block):
        split = a if index == 1 and spec.first_split == "after_activation" else x
        f = join(at, split, a, f, strides)
    y = at.norm_act(f, order.post[:-1], norm="post_bn", act="")
    return at.activation(y, name="out") if order.post else at.identity(y, name="out")


def scaled(at: Interpreter, f: Value, order: Order, index: int) -> Value:
    """Return scale · tail(F): the end of the branch, its scale, and stochastic depth."""
    spec, last = at.spec, len(at.spec.convolutions)
    for word in order.tail:
        if word == "norm":
            f = at.norm(f, name=f"bn{last}", gamma_start=0.0 if spec.branch_scale == "zero_gamma" else 1.0)
        else:
            f = at.activation(f, name=f"act{last}")
    if spec.se_reduction:
        f = squeeze_and_excite(at, f)
    if spec.eca:
        f = attend_to_channels(at, f)
    match spec.branch_scale:
        case "skipinit" | "rezero":
            f = at.scale(f, start=0.0, name="scale")
        case "fixup":
            f = at.scale(f, start=1.0, shifted=True, name="scale")
        case "layerscale":
            f = at.scale(f, start=spec.layer_scale, per_channel=True, name="scale")
    return dropped(at, f, spec.survival_of(index))


def dropped(at: Interpreter, f: Value, survival: float) -> Value:
    """Return b · F in training, b = 1 with probability p, else 0; p · F at test (Huang et al. 2016, eqs. 2 and 5)."""
    if survival == 1.0:
        return f
    f = at.dropout(f, 1.0 - survival, unit=at.spec.drop_unit, name="drop")
    return at.linear(f, survival, name="drop_scale") if at.spec.drop_unit == "batch" else f


def squeeze_and_excite(at: Interpreter, f: Value) -> Value:
    """Return F times the sigmoid of two 1x1 convolutions, with biases, of its channel means (Hu et al. 2018, 3)."""
    channels, divisor = at.shape(f)[2], at.spec.se_divisor
    inner = max(1, (channels // at.spec.se_reduction + divisor // 2) // divisor) * divisor
    s = at.global_average_pool(f, keepdims=True, name="se_pool")
    s = at.conv(s, inner, 1, bias=True, standardized=False, name="se_conv1")
    s = at.conv(at.activation(s, name="se_act1"), channels, 1, bias=True, standardized=False, name="se_conv2")
    return at.multiply(f, at.activation(s, function="sigmoid", name="se_gate"), name="se_multiply")


def attend_to_channels(at: Interpreter, f: Value) -> Value:
    """Return F times the sigmoid of a convolution along its channel means (Wang et al. 2020, section 3.2)."""
    reach = int((log2(at.shape(f)[2]) + 1) / 2)
    kernel_size = max(3, reach if reach % 2 else reach + 1)
    s = at.conv_along_channels(at.global_average_pool(f, name="eca_pool"), kernel_size, name="eca_conv")
    return at.multiply(f, at.activation(s, function="sigmoid", name="eca_gate"), name="eca_multiply")
