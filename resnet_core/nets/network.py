"""From images to logits: the stem, the stages, the head."""

from resnet_core.nets.blocks import ORDERS, residual_block
from resnet_core.nets.interpreter import Interpreter, Value


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
            strides = 2 if stage > 1 and block == 1 else 1
            x = residual_block(inside, x, width, strides, stage=stage, block=block, index=index)
    return head(at.within("head"), x)


def stem(at: Interpreter, x: Value) -> Value:
    """relu BN conv, and a max-pool if the stem is not that for CIFAR; less what the first block begins with."""
    spec, end = at.spec, ORDERS[at.spec.order].stem
    width = spec.stem_width or spec.widths[0]
    match spec.stem:
        case "cifar":
            x = at.conv(x, width, 3, name="conv")
        case "imagenet":
            x = at.conv(x, width, 7, 2, name="conv")
        case "deep":
            for i, (filters, strides) in enumerate(((width // 2, 2), (width // 2, 1)), start=1):
                x = at.norm_act(
                    at.conv(x, filters, 3, strides, name=f"conv{i}"), ("norm", "act"), norm=f"bn{i}", act=f"act{i}"
                )
            x = at.conv(x, width, 3, name="conv")
    x = at.norm_act(x, end, norm="bn", act="act")
    if spec.stem != "cifar":
        x = at.pool(x, "max", 3, 2, name="pool")
    return at.identity(x, name="out")


def head(at: Interpreter, x: Value) -> Value:
    """Global average pooling and the classifier, after what a next block would begin with."""
    x = at.norm_act(x, ORDERS[at.spec.order].head, norm="bn", act="act")
    gain = 0.0 if at.spec.branch_scale == "fixup" else 1.0
    return at.dense(at.global_average_pool(x, name="pool"), at.spec.classes, gain=gain, name="logits")
