"""Whether a block moves its input down the gradient of the loss (Jastrzębski et al. 2018)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from resnet_core.errors import UserError
from resnet_core.probes.registry import Passes, Row, register_probe, row

if TYPE_CHECKING:
    from resnet_core.probes.subject import Subject


@register_probe("iterative", passes=lambda net: Passes(forward=2, backward=1), half=False)
def iterative(net: "Subject", images: Any, labels: Any) -> Iterator[Row]:
    """Cosine of F(x) with ∂L/∂x by block: below 0 where a block lowers the loss (Jastrzębski et al. 2018, section 3).

    F(x) is the output of the branch, x the input of the block, L the cross-entropy of an image. Blocks that change the
    shape have no such cosine. The network is in inference mode.

    Args:
        net: The network.
        images: (n, height, width, channels), one batch.
        labels: (n,), integers.

    Yields:
        A row for each block that keeps the shape: `value`, the mean of the cosine over the images; `spread`, its
        standard deviation; `length`, the mean over the images of the L2 norm of F(x) divided by that of x.
    """
    blocks = [block for block in net.blocks if block.join is not None and not block.changes_shape]
    if not blocks:
        raise UserError(f"a residual block that keeps the shape is needed, but '{net.model.name}' has none")
    values, gradients = net.gradients(images, labels)
    for block in blocks:
        x, gradient = _by_image(values[block.index]), _by_image(gradients[block.index])
        branch = _by_image(net.branch(block)(values[block.index]))
        sizes = np.linalg.norm(branch, axis=1) * np.linalg.norm(gradient, axis=1)
        products = (branch * gradient).sum(axis=1)
        # A branch or a gradient that is 0 has no direction.
        cosines = np.divide(products, sizes, out=np.full(len(sizes), np.nan), where=sizes > 0)
        lengths = np.linalg.norm(branch, axis=1) / np.linalg.norm(x, axis=1)
        known = cosines[~np.isnan(cosines)]
        mean, spread = (float(known.mean()), float(known.std())) if len(known) else (np.nan, np.nan)
        yield row(block, value=mean, spread=spread, length=float(np.mean(lengths)))


def _by_image(values: Any) -> Any:
    return np.asarray(values, np.float64).reshape(len(values), -1)
