"""The options of the skip S(x), its transform, and its addition to the branch."""

from collections.abc import Callable

from resnet_core.nets.interpreter import Interpreter, Shape, Value
from resnet_core.nets.registry import ORDERS

Option = Callable[[Interpreter, Value, Value, Shape, int], Value]


def join(at: Interpreter, x: Value, a: Value, f: Value, strides: int) -> Value:
    """Return S(x) + F, with the transform of the skip (He et al. 2016, section 3.1).

    Args:
        at: The block's interpreter.
        x: The block's input.
        a: The block's input after `pre`, the input of a projection.
        f: The end of the branch.
        strides: Stride of the block.
    """
    spec = at.spec
    s = OPTIONS[spec.skip](at, x, a, at.shape(f), strides)
    match spec.skip_transform:
        case "scale":
            s = at.linear(s, spec.skip_factor, name="skip_scale")
            f = at.linear(f, spec.branch_factor, name="branch_scale")
        case "exclusive_gate" | "shortcut_gate":
            g = at.conv(
                s, at.shape(s)[2], 1, bias=True, gain=0.0, bias_start=spec.gate_bias, standardized=False,
                name="skip_gate_conv",
            )  # fmt: skip
            g = at.activation(g, function="sigmoid", name="skip_gate")
            if spec.skip_transform == "exclusive_gate":
                f = at.multiply(f, g, name="branch_gated")
            s = at.multiply(s, at.linear(g, -1.0, 1.0, name="skip_gate_rest"), name="skip_gated")
        case "conv":
            s = at.conv(s, at.shape(s)[2], 1, normalised=False, name="skip_transform_conv")
        case "dropout":
            s = at.dropout(s, spec.skip_dropout, name="skip_dropout")
    return at.add(s, f, name="add")


def zero_padded(at: Interpreter, x: Value, a: Value, shape: Shape, strides: int) -> Value:
    """S(x) = x, padded with zero channels (option A)."""
    if strides > 1 and at.spec.zero_pooling == "average":
        x = at.pool(x, "average", strides, strides, name="skip_pool")
    elif strides > 1:
        x = at.subsample(x, strides, name="skip_subsample")
    lacking = shape[2] - at.shape(x)[2]
    if lacking:
        before = lacking // 2 if at.spec.zero_padding == "both" else 0
        x = at.pad_channels(x, before, lacking - before, name="skip_pad")
    return x


def projected_where_needed(at: Interpreter, x: Value, a: Value, shape: Shape, strides: int) -> Value:
    """S(x) = x, or W x where the shape changes (option B)."""
    if at.shape(x) == shape:
        return x
    if at.spec.stride_block == "last" and at.shape(x)[2] == shape[2]:
        return at.subsample(x, strides, name="skip_subsample")
    return projected_everywhere(at, x, a, shape, strides)


def projected_everywhere(at: Interpreter, x: Value, a: Value, shape: Shape, strides: int) -> Value:
    """S(x) = BN(W x), W a 1x1 convolution (option C); with a pre-activation order W a, without BN."""
    normalised = not ORDERS[at.spec.order].pre
    w = at.conv(a, shape[2], 1, strides, normalised=normalised, name="skip_conv")
    return at.norm(w, name="skip_bn") if normalised else w


def pooled_and_projected(at: Interpreter, x: Value, a: Value, shape: Shape, strides: int) -> Value:
    """S(x) = x, or BN(W P x) where the shape changes, P an average pooling (ResNet-D, He et al. 2019, figure 2c)."""
    if at.shape(x) == shape:
        return x
    if at.spec.stride_block == "last" and at.shape(x)[2] == shape[2]:
        return at.pool(x, "average", strides, strides, name="skip_pool")
    pooled = at.pool(a, "average", strides, strides, name="skip_pool") if strides > 1 else a
    return projected_everywhere(at, x, pooled, shape, 1)


OPTIONS: dict[str, Option] = {
    "A": zero_padded,
    "B": projected_where_needed,
    "C": projected_everywhere,
    "D": pooled_and_projected,
}
