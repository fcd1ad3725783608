"""Similarity of the gradients of neighbouring inputs (Balduzzi et al. 2017, "The Shattered Gradients Problem")."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from resnet_core.probes.registry import Passes, Row, register_probe, row
from resnet_core.seeds import generator

if TYPE_CHECKING:
    from resnet_core.probes.subject import Subject


Array = npt.NDArray[np.float64]
LAGS = (1, 2, 4, 8, 16, 32)


@register_probe(
    "shattering", passes=lambda net: Passes(forward=2, backward=net.block_count / 2 + 1), when="any", half=False
)
def shattering(
    net: "Subject", images: Any, points: int = 64, lags: Sequence[int] = LAGS, training: bool = True, seed: int = 0
) -> Iterator[Row]:
    """Autocorrelation of the gradient along a line of inputs, at every place (Balduzzi et al. 2017, section 2).

    The line goes from the first image to the second. For a place, a random projection of its value is differentiated by
    the input at every point of the line, and the mean over the line is subtracted from these gradients. The
    autocorrelation at a lag is the sum of products of the gradients at points of this distance, divided by the root of
    the product of the sums of their squares.

    In training mode, a point changes the statistics of all, and its gradient includes that, which takes away a part
    that the gradients have in common; the powers of the depth L that Balduzzi et al. derive, 1/2^L in plain and 1/√L in
    residual networks with normalisation, are of fixed statistics.

    Args:
        net: The network.
        images: (n, height, width, channels). The first two are the ends of the line.
        points: Number of points on the line.
        lags: Distances, in points.
        training: Whether normalisation is in training mode, over the points of the line.
        seed: Seed of the projections.

    Yields:
        A row for each place and lag: `value`, the autocorrelation; `lag`; `white`, two standard deviations of the
        autocorrelation of uncorrelated gradients.
    """
    share = np.linspace(0.0, 1.0, points, dtype=np.float32).reshape(-1, *[1] * (np.ndim(images) - 1))
    line = (1 - share) * np.asarray(images[:1], np.float32) + share * np.asarray(images[1:2], np.float32)
    values = net.at_places(line, training=training)
    for place, gradient in zip(net.places, input_gradients(net, line, values, training=training, seed=seed)):
        flat = gradient.reshape(points, -1)
        centred = flat - flat.mean(axis=0)
        for lag in lags:
            if lag < points:
                white = 2.0 / np.sqrt((points - lag) * centred.shape[1])
                yield row(place, value=autocorrelation(centred, lag), lag=lag, white=float(white))


def input_gradients(net: "Subject", x: Any, values: Sequence[Any], *, training: bool, seed: int) -> Iterator[Array]:
    """Yield the gradient by the input of a random projection of the value at every place.

    Args:
        net: The network.
        x: Input of the network.
        values: Values at its places for this input.
        training: Whether normalisation is in training mode.
        seed: Seed of the projections.
    """
    for index, value in enumerate(values):
        weights = generator(seed, "shattering", index).normal(size=tuple(value.shape[1:]))
        upstream = np.broadcast_to(weights, tuple(value.shape)).astype(value.numpy().dtype)
        for part, below in zip(net.parts[index::-1], [*values[:index][::-1], x]):
            upstream = part.vjp(below, upstream, training=training)
        yield np.asarray(upstream, np.float64)


def autocorrelation(gradients: Array, lag: int) -> float:
    """Return the autocorrelation of gradients, (points, parameters), at a lag; see `shattering`."""
    products = (gradients[lag:] * gradients[:-lag]).sum()
    sizes = np.sqrt((gradients[lag:] ** 2).sum() * (gradients[:-lag] ** 2).sum())
    return float(products / sizes) if sizes > 0 else float("nan")
