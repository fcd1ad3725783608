"""Stitching: the first part of one network followed by the last part of another (Bansal, Nakkiran, Barak 2021)."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from resnet_core.errors import UserError
from resnet_core.probes.registry import Passes, Row, register_probe, row
from resnet_core.probes.score import Score
from resnet_core.seeds import generator

if TYPE_CHECKING:
    from resnet_core.probes.subject import Subject


Array = npt.NDArray[np.float64]


@register_probe(
    "stitching",
    passes=lambda net: Passes(forward=4 * net.block_count, backward=2 * net.block_count),
    best=0.0,
    worst=1.0,
    half=False,
)
def stitching(
    net: "Subject",
    images: Any,
    labels: Any,
    other: Any,
    train_images: Any,
    train_labels: Any,
    places: Sequence[int] = (),
    epochs: int = 2,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> Iterator[Row]:
    """Error of the bottom of another network with the top of this one, through a 1x1 convolution that is trained.

    The convolution has a bias. It starts at the least squares fit of this network's values by those of the other one on
    the training images (Csiszárik et al. 2021), so that a network stitched to itself loses nothing. Then it is trained
    by Adam on the cross-entropy, while both networks are fixed and in inference mode (Bansal et al. 2021, section 3).
    The control is the same with newly drawn weights in the bottom, since the top alone may do well, above all after the
    first blocks.

    Args:
        net: The network whose top is used.
        images: (n, height, width, channels), on which errors are measured.
        labels: (n,), integers.
        other: The network whose bottom is used.
        train_images: Images on which the convolution is trained.
        train_labels: Their labels.
        places: Indices of the places, the same in both networks; by default all.
        epochs: Passes over the training images.
        learning_rate: Learning rate of Adam.
        seed: Seed of the order of the images and of the control.

    Yields:
        A row for each place: `value`, the error; `penalty`, the error minus that of this network; `control`, the error
        with a bottom of random weights; `control_penalty`.
    """
    from resnet_core.probes.subject import subject_of

    below = subject_of(other).in_float32()
    random_below = below.with_weights(below.redrawn(seed))
    intact = net.scored(images, labels).error
    both = min(len(net.places), len(below.places))
    for index in places:
        if not 0 <= index < both:
            raise UserError(f"`places` must be indices below {both}, the places of both networks, but got {index}")
    for index in places or range(both):
        errors = []
        for bottom in (below, random_below):
            stitch = Stitch(bottom, net, index)
            stitch.fit(train_images, train_labels, epochs, learning_rate, generator(seed, "stitching", index))
            errors.append(stitch.scored(images, labels).error)
        error, control = errors
        yield row(
            net.places[index], value=error, penalty=error - intact, control=control, control_penalty=control - intact
        )  # fmt: skip


class Stitch:
    """The bottom of one network, an affine map of the channels, and the top of another.

    Args:
        bottom: Network whose parts up to the place are used.
        top: Network whose parts after the place are used.
        place: Index of the place in both.

    Raises:
        UserError: The maps at the two places differ in height or width.
    """

    def __init__(self, bottom: "Subject", top: "Subject", place: int) -> None:
        import tensorflow as tf

        from resnet_core.probes.part import compiled

        below, above = (tuple(net.places[place].call.tensor.shape[1:]) for net in (bottom, top))
        if below[:-1] != above[:-1]:
            raise UserError(f"two places to be stitched must have maps of one size, but got {below} and {above}")
        self._bottom, self._top, self._place = bottom, top, place
        self._kernel = tf.Variable(tf.zeros((below[-1], above[-1])))
        self._bias = tf.Variable(tf.zeros(above[-1:]))
        self._step = compiled(self._gradients)

    def fit(self, images: Any, labels: Any, epochs: int, learning_rate: float, random: np.random.Generator) -> None:
        """Set the map to the least squares fit, then train it by Adam on the cross-entropy."""
        import keras

        values = np.concatenate([np.asarray(self._below(x)) for (x,) in self._bottom.batches(images)])
        targets = np.concatenate(
            [np.asarray(self._top.at_places(x)[self._place]) for (x,) in self._top.batches(images)]
        )
        kernel, bias = least_squares(_flat(values), _flat(targets))
        self._kernel.assign(kernel)
        self._bias.assign(bias)
        optimizer = keras.optimizers.Adam(learning_rate)
        optimizer.build([self._kernel, self._bias])
        size = min(128, len(values))
        for _ in range(epochs):
            order = random.permutation(len(values))
            for start in range(0, len(order) - size + 1, size):
                chosen = order[start : start + size]
                optimizer.apply(self._step(values[chosen], np.asarray(labels)[chosen]))

    def scored(self, images: Any, labels: Any) -> Score:
        """Return the score of all images."""
        total = Score()
        for x, y in self._bottom.batches(images, labels):
            total.add(self._top.score(self._above(self._below(x)), y))
        return total

    def _below(self, x: Any) -> Any:
        for part in self._bottom.parts[: self._place + 1]:
            x = part(x)
        return x

    def _above(self, value: Any) -> Any:
        return self._top.onward(value @ self._kernel + self._bias, self._place)

    def _gradients(self, values: Any, labels: Any) -> Any:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self._top.losses(self._above(values), labels))
        return tape.gradient(loss, [self._kernel, self._bias])


def least_squares(x: Array, y: Array) -> tuple[Array, Array]:
    """Return the kernel and the bias of the affine map from x, (n, p), to y, (n, q), by least squares."""
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    kernel = np.linalg.lstsq(x - mean_x, y - mean_y, rcond=None)[0]
    return kernel, mean_y - mean_x @ kernel


def _flat(values: Array) -> Array:
    return values.reshape(-1, values.shape[-1]).astype(np.float64)
