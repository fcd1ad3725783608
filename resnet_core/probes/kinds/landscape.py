"""The loss along directions in the space of weights (Li et al. 2018, "Visualizing the Loss Landscape")."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from resnet_core.probes.registry import Passes, Row, register_probe, whole
from resnet_core.seeds import generator

if TYPE_CHECKING:
    from resnet_core.probes.part import Weights
    from resnet_core.probes.subject import Subject


Array = npt.NDArray[np.float64]


@register_probe("landscape", passes=lambda net: Passes(forward=21))
def landscape(
    net: "Subject",
    images: Any,
    labels: Any,
    other: Any = None,
    dimensions: int = 1,
    points: int = 21,
    reach: float = 1.0,
    statistics: Literal["moving", "recomputed"] = "moving",
    seed: int = 0,
) -> Iterator[Row]:
    """Loss along one or two random directions with filter normalisation, or on the line to another network.

    A direction is Gaussian. Each of its filters, along the last axis of a kernel, is scaled to the norm of the
    network's filter. Biases and normalisation do not change (Li et al. 2018, section 4). On the line to `other`, 0 is
    this network and 1 the other one, and all weights change. The network is in inference mode.

    Args:
        net: The network.
        images: (n, height, width, channels).
        labels: (n,), integers.
        other: A second network of the same layers, a model or its weights.
        dimensions: Number of directions, 1 or 2; ignored with `other`.
        points: Number of points of each axis, from -`reach` to `reach`; with `other` from -0.5 to 1.5.
        reach: End of the axes, in units of the directions.
        statistics: Statistics of batch normalisation. `moving`: the moving statistics of the network, which are
            interpolated on the line to `other`. `recomputed`: those of the images, recomputed at every point, as a line
            between two networks needs.
        seed: Seed of the directions.

    Yields:
        A row for each point: `value`, the mean cross-entropy; `error`; `x`, and `y` with two dimensions.
    """
    start = {variable.path: np.asarray(variable.value, np.float64) for variable in net.model.weights}
    if other is None:
        directions = [direction(net, generator(seed, "landscape", i)) for i in range(dimensions)]
        axis = np.linspace(-reach, reach, points)
    else:
        end = net.weights_of(other)
        directions = [{path: np.asarray(end[path], np.float64) - value for path, value in start.items()}]
        axis = np.linspace(-0.5, 1.5, points)
    for place in np.stack(np.meshgrid(*[axis] * len(directions), indexing="ij"), axis=-1).reshape(-1, len(directions)):
        weights = _moved(start, directions, place)
        if statistics == "recomputed":
            weights = {**weights, **net.batch_statistics(images, weights)}
        score = net.scored(images, labels, weights)
        yield whole(value=score.loss, error=score.error, **dict(zip("xy", place.tolist())))


def direction(net: "Subject", random: np.random.Generator) -> dict[str, Array]:
    """Return a Gaussian direction whose filters have the norms of the network's filters, by path of the kernel."""
    values = {}
    for variable in net.model.trainable_weights:
        value = np.asarray(variable.value, np.float64)
        if value.ndim > 1:
            drawn = random.normal(size=value.shape)
            axes = tuple(range(value.ndim - 1))
            norms, drawn_norms = (np.sqrt((x**2).sum(axis=axes, keepdims=True)) for x in (value, drawn))
            values[variable.path] = drawn * norms / drawn_norms
    return values


def _moved(start: dict[str, Array], directions: list[dict[str, Array]], place: Array) -> "Weights":
    """Return the changed weights at a point, given by its coordinates along the directions."""
    moved = {}
    for path in directions[0]:
        value = start[path] + sum(x * axis[path] for x, axis in zip(place, directions, strict=True))
        moved[path] = value.astype(np.float32)
    return moved
