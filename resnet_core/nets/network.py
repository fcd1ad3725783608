"""From images to logits: the stem, the stages, the head."""

from resnet_core.nets.blocks import antialiased, residual_block
from resnet_core.nets.interpreter import Interpreter, Value
from resnet_core.nets.registry import ORDERS


def network(at: Interpreter, images: Value) -> Value:
    """Return the logits of the network that `at.spec` describes.

    Layers are named `stem_…`, `stage{i}_block{j}_…` (i and j from 1) and `head_…`; the values
    between blocks are those of `stem_out` and of every `stage{i}_block{j}_out`.
    """
    x = stem(at.within("stem"), images)
    index = 0
    for stage, (depth, width) in enumerate(zip(at.spec.depths, at.spec.widths), start=1):
        for block in range(1, depth + 1):
            index += 1
            inside = at.within(f"stage{stage}_block{block}")
            strides = at.spec.strides_of(stage, block)
            x = residual_block(inside, x, width, strides, stage=stage, block=block, index=index)
    return head(at.within("head"), x)


def stem(at: Interpreter, x: Value) -> Value:
    """Apply conv, BN, relu and, except in the CIFAR stem, pooling; without what the first block begins with."""
    spec, end = at.spec, ORDERS[at.spec.order].stem
    width = spec.stem_width or spec.widths[0]
    normalised = "norm" in end
    match spec.stem:
        case "cifar":
            x = at.conv(x, width, 3, normalised=normalised, name="conv")
        case "imagenet":
            x = at.conv(x, width, 7, 2, normalised=normalised, name="conv")
        case "deep" | "tiered":
            first = width // 2 if spec.stem == "deep" else 3 * width // 8
            for i, (filters, strides) in enumerate(((first, 2), (width // 2, 1)), start=1):
                x = at.norm_act(
                    at.conv(x, filters, 3, strides, name=f"conv{i}"), ("norm", "act"), norm=f"bn{i}", act=f"act{i}"
                )
            x = at.conv(x, width, 3, normalised=normalised, name="conv")
    x = at.norm_act(x, end, norm="bn", act="act")
    return at.identity(x if spec.stem == "cifar" else stem_pool(at, x), name="out")


def stem_pool(at: Interpreter, x: Value) -> Value:
    """Halve the stem's map by 3x3 max-pooling, or as in `spec.stem_pool`."""
    spec, channels = at.spec, at.shape(x)[2]
    if spec.stem_pool == "conv":
        x = at.conv(x, channels, 3, 2 if spec.antialias == "none" else 1, name="pool_conv")
        return at.norm_act(antialiased(at, x, 2, name="pool_aa"), ("norm", "act"), norm="pool_bn", act="pool_act")
    match spec.antialias:
        case "none":
            return at.pool(x, "max", 3, 2, name="pool")
        case "average":
            return at.pool(x, "average", 2, 2, name="pool")
        case "blur":
            return at.blur(at.pool(x, "max", 3, 1, name="pool"), 2, name="pool_aa")


def head(at: Interpreter, x: Value) -> Value:
    """Apply the order's last normalisation and activation, global average pooling and the classifier."""
    x = at.norm_act(x, ORDERS[at.spec.order].head, norm="bn", act="act")
    gain = 0.0 if at.spec.branch_scale == "fixup" else 1.0
    return at.dense(at.global_average_pool(x, name="pool"), at.spec.classes, gain=gain, name="logits")
