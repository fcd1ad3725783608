"""A trained network that takes images without preprocessing, with its record and its data."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from resnet_core.errors import UserError
from resnet_core.runs.data.arrays import Dataset, split_stratified
from resnet_core.runs.data.stored import Array, Rows, chunks
from resnet_core.runs.description import DataInfo
from resnet_core.runs.exports.frozen import IMAGES
from resnet_core.runs.records.record import Record

if TYPE_CHECKING:
    import keras

CALIBRATION = 200
"""Maximum number of training images on which a format is calibrated."""
WHOLE = {"uint8": (0.0, 255.0), "uint16": (0.0, 65535.0)}
"""Ranges of the values of pictures, by type."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained network.

    Attributes:
        model: The network, from images as in the data set to logits.
        record: Record of the run.
        data: Data set of the run.
    """

    model: "keras.Model"
    record: Record
    data: Dataset

    @property
    def info(self) -> DataInfo:
        """Description of the data set.

        Raises:
            UserError: The record is from a version that did not store it.
        """
        info = self.record.data or self.data.info
        if info is None:
            raise UserError(f"an export needs the classes of the data, but the record {self.record.run.id} has none")
        return info

    def output(self, softmax: bool) -> "keras.Model":
        """Return the network with its output named: `logits`, or `probabilities` after a softmax."""
        import keras

        images = keras.Input(self.model.input_shape[1:], name=IMAGES)
        layer = keras.layers.Softmax(name="probabilities") if softmax else keras.layers.Identity(name="logits")
        return keras.Model(images, layer(self.model(images)), name="network")

    def images(self, most: int | None = None) -> tuple[str, Rows, Array]:
        """Return the images on which exports are checked: the part, the images and their classes.

        They are the test images if the run was tested on them, otherwise its validation images.

        Args:
            most: Maximum number of images. They are chosen by a fixed seed, with stratification.

        Raises:
            UserError: There are no such images.
        """
        data, tested = self.data, self.record.run.train.test and len(self.data.y_test) > 0
        kind, x, y = ("test", data.x_test, data.y_test) if tested else ("validation", data.x_val, data.y_val)
        if not len(y):
            raise UserError(
                f"exports are checked on test or validation images, but the run {self.record.run.id} has neither"
            )
        if most is not None and most < len(y):
            chosen, _ = split_stratified(y, most, 0)
            x, y = x[chosen], y[chosen]
        return kind, x, y

    def calibration(self) -> Array:
        """Return the training images for calibration, chosen by a fixed seed, with stratification."""
        labels = self.data.y_train
        chosen, _ = split_stratified(labels, min(CALIBRATION, len(labels)), 0)
        return np.concatenate([part.astype(np.float32) for part in chunks(self.data.x_train[chosen])])

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest value of the pixels: of pictures those of their type, otherwise of the training images."""
        if self.info.values in WHOLE:
            return WHOLE[self.info.values]
        ends = [(float(part.min()), float(part.max())) for part in chunks(self.data.x_train)]
        return min(low for low, _ in ends), max(high for _, high in ends)


def with_preprocessing(model: "keras.Model", data: Dataset, name: str) -> "keras.Model":
    """Return a network that begins with the preprocessing of its run, so that it takes images as in the data set."""
    import keras

    inputs = keras.Input(model.input_shape[1:], name=IMAGES)
    shift, scale = np.broadcast_arrays(data.shift, data.scale)
    axes = (1, 2, 3) if shift.ndim == 3 else -1
    scaled = keras.layers.Normalization(axis=axes, mean=shift, variance=1.0 / scale**2)(inputs)
    return keras.Model(inputs, model(scaled), name=name)
