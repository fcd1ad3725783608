"""The error of a trained network with some layers at untrained weights (Zhang, Bengio, Singer 2022)."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from resnet_core.probes.registry import Passes, Row, Sized, register_probe, row
from resnet_core.probes.score import Score

if TYPE_CHECKING:
    from resnet_core.probes.anatomy import Block, Layer
    from resnet_core.probes.part import Weights
    from resnet_core.probes.subject import Subject


def _passes(net: Sized) -> Passes:
    return Passes(forward=1 + (net.layer_count + net.block_count) / 2)


@register_probe("reset", passes=_passes, best=0.0, worst=1.0)
def reset(net: "Subject", images: Any, labels: Any, initial: Any) -> Iterator[Row]:
    """Error with one layer, or one block, back at its initial weights (Zhang et al. 2022, section 3).

    Of a layer, the kernel and the bias are reset; of a block, all trainable variables. Moving statistics stay those of
    the trained network. The network is in inference mode.

    Args:
        net: The network.
        images: (n, height, width, channels).
        labels: (n,), integers.
        initial: The network at its initial weights: a model of the same layers, or the list of its weights in the order
            of `get_weights`.

    Yields:
        A row for each layer with a kernel, and for each block: `unit`, which is `layer` or `block`; `value`, the error,
        as a fraction; `intact`, the error of the trained network; `loss`, `intact_loss`.
    """
    yield from _replaced(net, images, labels, net.weights_of(initial))


@register_probe("randomise", passes=_passes, best=0.0, worst=1.0)
def randomise(net: "Subject", images: Any, labels: Any, seed: int = 0) -> Iterator[Row]:
    """Error with one layer, or one block, at weights drawn anew from its initialisers (Zhang et al. 2022, section 3).

    Args:
        net: The network.
        images: (n, height, width, channels).
        labels: (n,), integers.
        seed: Seed of the draw.

    Yields:
        Rows as those of `reset`.
    """
    yield from _replaced(net, images, labels, net.redrawn(seed))


def _replaced(net: "Subject", images: Any, labels: Any, values: "Weights") -> Iterator[Row]:
    by_name = {layer.name: layer for layer in net.model.layers}
    units: list[tuple[str, Layer | Block, Weights]] = [
        ("layer", layer, _some(values, [by_name[layer.layer]])) for layer in net.layers
    ]
    units += [("block", block, _some(values, net.part_of(block).model.layers)) for block in net.blocks]
    begins = [_first_part(net, weights) for _, _, weights in units]  # a layer may be in several parts
    intact, scores = Score(), [Score() for _ in units]
    for x, y in net.batches(images, labels):
        before = [x, *net.at_places(x)]
        intact.add(net.score(net.onward(before[-1], len(before) - 2), y))
        for score, (_, _, weights), index in zip(scores, units, begins, strict=True):
            score.add(net.score(net.onward(before[index], index - 1, weights), y))
    for score, (unit, place, _) in zip(scores, units, strict=True):
        yield row(
            place, value=score.error, intact=intact.error, loss=score.loss, intact_loss=intact.loss, unit=unit
        )  # fmt: skip


def _first_part(net: "Subject", weights: "Weights") -> int:
    """Return the index of the first part that has one of these weights; the last one, if there are none."""
    paths = ({variable.path for variable in part.model.variables} for part in net.parts)
    return next((i for i, paths_of_part in enumerate(paths) if paths_of_part & weights.keys()), len(net.parts) - 1)


def _some(values: "Weights", layers: Sequence[Any]) -> "Weights":
    """Return the trainable variables of some layers."""
    return {variable.path: values[variable.path] for layer in layers for variable in layer.trainable_variables}
