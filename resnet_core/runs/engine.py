"""The compiled training step of one architecture, shared by all runs of it in a process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import keras
import tensorflow as tf

from resnet_core.nets.keras_net import build, initialise
from resnet_core.nets.spec import NetSpec
from resnet_core.probes.gradients import GradientProbe, Row
from resnet_core.runs.data.arrays import Array, Dataset
from resnet_core.runs.order import CROP_PADDING, Batch
from resnet_core.runs.spec import TrainSpec

EVALUATION_BATCH = 512


@dataclass(frozen=True)
class StepSpec:
    """What the compiled step depends on, and nothing else: runs that share it share the step."""

    augmentation: str
    batch_size: int
    momentum: float
    weight_decay: float

    @classmethod
    def of(cls, train: TrainSpec) -> "StepSpec":
        return cls(train.augmentation, train.batch_size, train.momentum, train.weight_decay)


@lru_cache(maxsize=1)
def engine(net: NetSpec, step: StepSpec) -> "Engine":
    """Return the engine of an architecture, the last one's if it is the same."""
    keras.backend.clear_session()
    return Engine(net, step)


class Data:
    """A `Dataset` on the device."""

    def __init__(self, data: Dataset) -> None:
        def on_device(array: Array) -> tf.Tensor:
            return tf.convert_to_tensor(array)

        self.train = on_device(data.x_train), on_device(data.y_train)
        self.val = on_device(data.x_val), on_device(data.y_val)
        self.test = on_device(data.x_test), on_device(data.y_test)
        self.shift, self.scale = on_device(data.shift), on_device(data.scale)


class Engine:
    """A network with its compiled functions. `reset` gives it the state of a fresh one."""

    def __init__(self, net: NetSpec, step: StepSpec) -> None:
        self._net = net
        self._step = step
        self._model = build(net)
        self._weights = [variable.value for variable in self._model.trainable_variables]
        self._velocity = [tf.Variable(tf.zeros_like(weight), trainable=False) for weight in self._weights]
        self._train_step = tf.function(self._update, autograph=False, reduce_retracing=True)
        self._evaluate_batch = tf.function(self._score, autograph=False, reduce_retracing=True)
        self._gradients = GradientProbe(self._model)

    def reset(self, seed: int) -> None:
        """Draw the initial weights from `seed` and forget the velocity."""
        initialise(self._model, seed)
        for velocity in self._velocity:
            velocity.assign(tf.zeros_like(velocity))

    def variables(self) -> list[Array]:
        """Return the values of all that an update changes."""
        return [variable.numpy() for variable in self._changing()]

    def restore(self, values: Sequence[Array]) -> None:
        """Set all that an update changes to what `variables` returned."""
        for variable, value in zip(self._changing(), values, strict=True):
            variable.assign(value)

    def _changing(self) -> list[tf.Variable]:
        return [*(variable.value for variable in self._model.variables), *self._velocity]

    def update(self, data: Data, batch: Batch, learning_rate: float) -> tuple[tf.Tensor, tf.Tensor]:
        """Make one update; return the loss and the share of right answers before it."""
        return self._train_step(  # type: ignore[no-any-return]
            *data.train, data.shift, data.scale,
            tf.constant(batch.indices), tf.constant(batch.offsets), tf.constant(batch.flips),
            tf.constant(learning_rate),
        )  # fmt: skip

    def evaluate(self, data: Data, images: tf.Tensor, labels: tf.Tensor) -> tuple[float, float]:
        """Return loss and accuracy in inference mode."""
        total, loss, right = len(images), 0.0, 0.0
        for start in range(0, total, EVALUATION_BATCH):
            part = slice(start, start + EVALUATION_BATCH)
            sums = self._evaluate_batch(images[part], labels[part], data.shift, data.scale)
            loss, right = loss + float(sums[0]), right + float(sums[1])
        return loss / total, right / total

    def probe(self, data: Data, indices: Array) -> Iterator[Row]:
        """Yield the rows of the gradient probe on these training images, not augmented."""
        images, labels = (tf.gather(part, indices) for part in data.train)
        return self._gradients(_preprocessed(images, data.shift, data.scale), labels)

    def _update(
        self, images: Any, labels: Any, shift: Any, scale: Any, indices: Any, offsets: Any, flips: Any, rate: Any
    ) -> tuple[Any, Any]:
        x = _preprocessed(tf.gather(images, indices), shift, scale)
        if self._step.augmentation == "crop_flip":
            x = crop_and_flip(x, offsets, flips)
        y = tf.gather(labels, indices)
        with tf.GradientTape() as tape:
            logits = self._model(x, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        # v <- m v + g + d w,  w <- w - rate v: the learning rate is no part of the velocity, as in
        # Torch; Keras' SGD folds it in, so that a drop of the rate acts ten steps late.
        for weight, velocity, gradient in zip(
            self._weights, self._velocity, tape.gradient(loss, self._weights), strict=True
        ):
            if self._step.weight_decay and weight.shape.rank > 1:
                gradient += self._step.weight_decay * weight
            tf.raw_ops.ResourceApplyMomentum(
                var=weight.handle, accum=velocity.handle, lr=rate, grad=gradient, momentum=self._step.momentum
            )
        return loss, tf.reduce_mean(tf.cast(tf.argmax(logits, -1) == y, tf.float32))

    def _score(self, images: Any, labels: Any, shift: Any, scale: Any) -> tuple[Any, Any]:
        logits = self._model(_preprocessed(images, shift, scale), training=False)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return tf.reduce_sum(losses), tf.reduce_sum(tf.cast(tf.argmax(logits, -1) == labels, tf.float32))


def _preprocessed(images: Any, shift: Any, scale: Any) -> Any:
    return (tf.cast(images, tf.float32) - shift) * scale


def crop_and_flip(images: Any, offsets: Any, flips: Any) -> Any:
    """Return the images padded by zeros, each cropped at its offset and perhaps mirrored.

    Args:
        images: (batch, height, width, channels).
        offsets: Row and column of each crop in its padded image, (batch, 2).
        flips: Which are mirrored left to right, (batch,).
    """
    height, width = images.shape[1:3]
    margin = [CROP_PADDING, CROP_PADDING]
    padded = tf.pad(images, [[0, 0], margin, margin, [0, 0]])
    rows = offsets[:, :1] + tf.range(height, dtype=offsets.dtype)
    columns = tf.range(width, dtype=offsets.dtype)
    columns = offsets[:, 1:] + tf.where(flips[:, None], columns[::-1], columns)
    return tf.gather(tf.gather(padded, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)
