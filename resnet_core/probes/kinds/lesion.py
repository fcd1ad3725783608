"""The error of a trained network after blocks are removed or exchanged (Veit, Wilber, Belongie 2016, section 4)."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from resnet_core.errors import UserError
from resnet_core.probes.registry import Passes, Row, register_probe, row, whole
from resnet_core.probes.score import Score
from resnet_core.seeds import generator

if TYPE_CHECKING:
    from resnet_core.probes.anatomy import Block
    from resnet_core.probes.part import NetworkPart
    from resnet_core.probes.subject import Subject


@register_probe("lesion", passes=lambda net: Passes(forward=1 + net.block_count / 2), best=0.0, worst=1.0)
def lesion(net: "Subject", images: Any, labels: Any, taken_out: Literal["branch", "skip"] = "branch") -> Iterator[Row]:
    """Error with one block's branch taken out: y = S(x) in place of y = S(x) + F(x) (Veit et al. 2016, figure 3).

    A block of a plain network is removed as a whole, if it keeps the shape. The network is in inference mode.

    Args:
        net: The network.
        images: (n, height, width, channels).
        labels: (n,), integers.
        taken_out: Side that is removed, `branch` or `skip`.

    Yields:
        A row for each block: `value`, the error without its branch or skip, as a fraction; `intact`, the error of the
        intact network; `loss` and `intact_loss`, the mean cross-entropies; `changes_shape`.
    """
    blocks = [block for block in removable(net) if taken_out == "branch" or block.join is not None]
    intact, cut = Score(), {block: Score() for block in blocks}
    for x, y in net.batches(images, labels):
        values = net.at_places(x)
        intact.add(net.score(net.onward(values[-1], len(values) - 1), y))
        for block in blocks:
            outputs = net.onward(net.without(block, taken_out)(values[block.index]), block.index + 1)
            cut[block].add(net.score(outputs, y))
    for block, score in cut.items():
        yield row(
            block, value=score.error, intact=intact.error, loss=score.loss, intact_loss=intact.loss,
            changes_shape=block.changes_shape,
        )  # fmt: skip


@register_probe("lesions", passes=lambda net: Passes(forward=20 * min(net.block_count, 10)), best=0.0, worst=1.0)
def lesions(
    net: "Subject", images: Any, labels: Any, counts: Sequence[int] = (), draws: int = 20, seed: int = 0
) -> Iterator[Row]:
    """Error with k blocks' branches taken out at once, the blocks drawn (Veit et al. 2016, figure 5a).

    Blocks that change the shape stay, as in the paper.

    Args:
        net: The network.
        images: (n, height, width, channels).
        labels: (n,), integers.
        counts: Values of k; by default ten values from 1 to the number of blocks that can be removed.
        draws: Number of sets of blocks for each k. All sets are used if there are no more than that.
        seed: Seed of the draws.

    Yields:
        A row for each set: `value`, the error; `count`, k; `draw`; `taken_out`, the names of the blocks.
    """
    blocks = [block for block in removable(net) if not block.changes_shape]
    counts = counts or sorted({round(k) for k in np.linspace(1, len(blocks), min(10, len(blocks)))})
    for count in counts:
        if not 0 < count <= len(blocks):
            raise UserError(f"`counts` must be between 1 and {len(blocks)}, the blocks of one shape, but got {count}")
        for draw, taken in enumerate(_sets(blocks, count, draws, seed)):
            score = _scored(net, images, labels, [None if block in taken else block for block in net.blocks])
            yield whole(value=score.error, count=count, draw=draw, taken_out=" ".join(block.block for block in taken))


@register_probe("shuffle", passes=lambda net: Passes(forward=50), best=0.0, worst=1.0)
def shuffle(net: "Subject", images: Any, labels: Any, swaps: Sequence[int] = (1, 2, 4, 8, 16), draws: int = 10,
            seed: int = 0) -> Iterator[Row]:  # fmt: skip
    """Error with blocks exchanged, against how far the order is from the trained one (Veit et al. 2016, figure 5b).

    Two blocks are exchanged only if all their inputs and outputs have the same shape.

    Args:
        net: The network.
        images: (n, height, width, channels).
        labels: (n,), integers.
        swaps: Numbers of exchanges of two blocks by which an order is made.
        draws: Number of orders for each number of exchanges.
        seed: Seed of the draws.

    Yields:
        A row for each order: `value`, the error; `tau`, Kendall's rank correlation with the trained order; `swaps`;
        `draw`.
    """
    from scipy.stats import kendalltau

    pairs = [(a.index, b.index) for a, b in combinations(net.blocks, 2) if _alike(a, b)]
    if not pairs:
        raise UserError("a network must have two blocks with inputs and outputs of one shape, but this one has none")
    for count in swaps:
        for draw in range(draws):
            random = generator(seed, "shuffle", count, draw)
            order = list(range(len(net.blocks)))
            for i in random.integers(len(pairs), size=count):
                a, b = pairs[i]
                order[a], order[b] = order[b], order[a]
            score = _scored(net, images, labels, [net.blocks[i] for i in order])
            tau = float(kendalltau(range(len(order)), order).statistic)
            yield whole(value=score.error, tau=tau, swaps=count, draw=draw)


def removable(net: "Subject") -> list["Block"]:
    """Return the blocks that can be removed.

    Raises:
        UserError: No block can be removed.
    """
    blocks = [block for block in net.blocks if net.can_lose(block)]
    if not blocks:
        raise UserError(
            "a network to remove blocks from must have residual joins, or layers that keep the shape, but "
            f"'{net.model.name}' has neither"
        )
    return blocks


def _alike(a: "Block", b: "Block") -> bool:
    shapes = [tuple(place.call.tensor.shape) for block in (a, b) for place in (block.start, block.end)]
    return len(set(shapes)) == 1


def _sets(blocks: list["Block"], count: int, draws: int, seed: int) -> list[tuple["Block", ...]]:
    """Return sets of `count` blocks: all sets if there are at most `draws`, otherwise `draws` different random ones."""
    if comb(len(blocks), count) <= draws:
        return list(combinations(blocks, count))
    random, drawn = generator(seed, "lesions", count), dict[tuple[int, ...], None]()
    while len(drawn) < draws:
        drawn[tuple(sorted(random.choice(len(blocks), count, replace=False).tolist()))] = None
    return [tuple(blocks[i] for i in chosen) for chosen in drawn]


def _scored(net: "Subject", images: Any, labels: Any, chain: "Sequence[Block | None]") -> Score:
    """Return the score of a network with the blocks of `chain`, in order; `None` is a block without its branch."""
    score = Score()
    parts: list[NetworkPart] = [
        net.part_of(block) if block else net.without(net.blocks[i], "branch") for i, block in enumerate(chain)
    ]
    for x, y in net.batches(images, labels):
        for part in (net.parts[0], *parts, net.parts[-1]):
            x = part(x)
        score.add(net.score(x, y))
    return score
