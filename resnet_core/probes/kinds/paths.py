"""The gradient by the number of branches that it flows through (Veit, Wilber, Belongie 2016, section 4.3)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from resnet_core.errors import UserError
from resnet_core.probes.registry import Passes, Row, Sized, register_probe, row
from resnet_core.seeds import generator

if TYPE_CHECKING:
    from resnet_core.probes.subject import Subject


def _passes(net: Sized) -> Passes:
    return Passes(forward=2, backward=net.block_count + 2.5 * net.block_count)


@register_probe("paths", passes=_passes, half=False)
def paths(
    net: "Subject", images: Any, labels: Any, draws: int = 5, seed: int = 0, training: bool = False
) -> Iterator[Row]:
    """Gradient that flows through exactly k branches, and the distribution of path lengths (Veit 2016, figure 6).

    A residual network of n blocks has 2^n paths from its first place to its last, C(n, k) of which go through k
    branches. At fixed values, the gradient by the first place is exactly the sum of the gradients through all paths.
    They are summed for each k. If an activation follows the addition, its slope is a factor of every path.

    Args:
        net: The network; all of its blocks must have a residual join.
        images: (n, height, width, channels), one batch.
        labels: (n,), integers.
        draws: Number of single paths that are drawn for each length.
        seed: Seed of the draws.
        training: Whether normalisation is in training mode.

    Yields:
        A row of the first place for each length: `length`, k; `value`, the L2 norm over the batch of the gradient
        through all paths of this length; `share_of_paths`; `single`, the mean norm of the gradient through one path;
        `share`, the number of paths times `single`, divided by the sum of these products over all lengths.
    """
    from scipy.special import comb

    if not net.blocks or any(block.join is None for block in net.blocks):
        raise UserError(f"a network must have a skip in every block, but '{net.model.name}' has blocks without a skip")
    values = net.at_places(images, training=training)
    by_length = by_path_length(net, values, labels, training=training)
    end, singles = _at_the_end(net, values, labels, training), []
    for length in by_length:
        drawn = [_single(net, values, end, length, generator(seed, "paths", length, i), training) for i in range(draws)]
        singles.append(float(np.mean(drawn)) if drawn else np.nan)
    shares = share_of_paths(len(net.blocks))
    counts = comb(len(net.blocks), np.arange(len(by_length)))
    weights = counts * np.asarray(singles)
    for length, gradient in by_length.items():
        yield row(
            net.places[0], value=_norm(gradient), length=length, share_of_paths=float(shares[length]),
            single=singles[length], share=float(weights[length] / weights.sum()),
        )  # fmt: skip


def share_of_paths(blocks: int) -> npt.NDArray[np.float64]:
    """Return the fractions of all paths of n blocks that go through 0, 1, …, n branches."""
    from scipy.stats import binom

    return np.asarray(binom.pmf(np.arange(blocks + 1), blocks, 0.5))


def by_path_length(net: "Subject", values: list[Any], labels: Any, *, training: bool = False) -> dict[int, Any]:
    """Return the gradient of the mean cross-entropy by the first place that flows through 0, 1, …, n branches.

    Args:
        net: The network.
        values: Values at its places.
        labels: Labels of the batch.
        training: Whether normalisation is in training mode.
    """
    gradients = {0: _at_the_end(net, values, labels, training)}
    for block in reversed(net.blocks):
        x, nearer = values[block.index], dict[int, Any]()
        for side, more in (("skip", 0), ("branch", 1)):
            part = net.back_through(block, side)
            for length, gradient in gradients.items():
                passed = part.vjp(x, gradient, training=training)
                nearer[length + more] = nearer[length + more] + passed if length + more in nearer else passed
        gradients = nearer
    return gradients


def _single(
    net: "Subject", values: list[Any], end: Any, length: int, random: np.random.Generator, training: bool
) -> float:
    """Return the norm of the gradient by the first place through one random path, from the gradient `end` by the last.

    The path goes through `length` branches.
    """
    through = set(random.choice(len(net.blocks), length, replace=False).tolist())
    gradient = end
    for block in reversed(net.blocks):
        part = net.back_through(block, "branch" if block.index in through else "skip")
        gradient = part.vjp(values[block.index], gradient, training=training)
    return _norm(gradient)


def _at_the_end(net: "Subject", values: list[Any], labels: Any, training: bool) -> Any:
    """Return the gradient of the mean cross-entropy by the last place."""
    head = net.parts[-1]
    upstream = net.loss_gradient(head(values[-1], training=training), labels)
    return head.vjp(values[-1], upstream, training=training)


def _norm(gradient: Any) -> float:
    return float(np.linalg.norm(np.asarray(gradient, np.float64).ravel()))
