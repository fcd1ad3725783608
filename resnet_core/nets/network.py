"""From images to logits: the stem, the stages, the head."""

from resnet_core.nets.blocks import BLOCKS
from resnet_core.nets.interpreter import Interpreter, Value


def network(at: Interpreter, images: Value) -> Value:
    """Return the logits of the network that `at.spec` describes (He et al. 2015, section 4.2).

    Layers are named `stem_…`, `stage{i}_block{j}_…` (i and j from 1) and `head_…`; the values
    between blocks are those of `stem_out` and of every `stage{i}_block{j}_out`.
    """
    x = stem(at.within("stem"), images)
    block = BLOCKS[at.spec.order]
    for i, (depth, width) in enumerate(zip(at.spec.depths, at.spec.widths), start=1):
        for j in range(1, depth + 1):
            strides = 2 if i > 1 and j == 1 else 1
            x = block(at.within(f"stage{i}_block{j}"), x, width, strides, first=i == j == 1)
    return head(at.within("head"), x)


def stem(at: Interpreter, x: Value) -> Value:
    """relu BN conv; or conv alone, since a pre-activation block brings its own BN and ReLU."""
    x = at.conv(x, at.spec.widths[0], 3, name="conv")
    if at.spec.order == "full_preactivation":
        return at.identity(x, name="out")
    return at.relu(at.norm(x, name="bn"), name="out")


def head(at: Interpreter, x: Value) -> Value:
    """Global average pooling and the classifier; BN and ReLU first where no block ends with them."""
    if at.spec.order == "full_preactivation":
        x = at.relu(at.norm(x, name="bn"), name="relu")
    return at.dense(at.global_average_pool(x, name="pool"), at.spec.classes, name="logits")
