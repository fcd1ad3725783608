"""The compiled training step of one architecture, shared by all runs of it in a process."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import islice, repeat
from threading import Lock
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from resnet_core.nets.keras_net import build, initialise
from resnet_core.nets.spec import NetSpec
from resnet_core.probes.gradient_norms import GradientProbe, Row, step_rows, weight_sites
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.data.arrays import Dataset
from resnet_core.runs.data.stored import Array, Rows, StoredImages
from resnet_core.runs.spec import TrainSpec
from resnet_core.runs.training.augmentation import crop_and_flip, cut_out, mix_up
from resnet_core.runs.training.optimizers import optimizer
from resnet_core.runs.training.order import Batch
from resnet_core.runs.training.precision import LossScale, dtype_policy

READ_AHEAD = 2  # batches


@dataclass(frozen=True)
class StepSpec:
    """What the compiled step depends on, and nothing else: runs that share it share the step."""

    augmentation: str
    batch_size: int
    momentum: float
    weight_decay: float
    cutout: int = 0
    mixes: bool = False
    label_smoothing: float = 0.0
    optimizer: str = "sgd"
    nesterov: bool = False
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    weight_decay_of: str = "kernels"
    precision: str = "float32"
    measures: bool = False

    @classmethod
    def of(cls, train: TrainSpec, probe: ProbeSpec | None = None) -> "StepSpec":
        named = {field.name: getattr(train, field.name) for field in fields(cls) if hasattr(train, field.name)}
        return cls(**named, mixes=train.mixup > 0, measures=probe is not None and probe.step_gradients > 0)


@lru_cache(maxsize=1)
def engine(net: NetSpec, step: StepSpec, code: str | None) -> "Engine":
    """Return the engine of an architecture whose block has this code, the last one's if it is the same."""
    keras.backend.clear_session()
    return Engine(net, step)


Part = tuple[Any, tf.Tensor]
"""Images and their labels; the images are stored where the data are streamed, else on the device."""


class Data:
    """A `Dataset` on the device."""

    def __init__(self, data: Dataset) -> None:
        self.train: Part = self._kept(data.x_train), tf.convert_to_tensor(data.y_train)
        self.val: Part = self._kept(data.x_val), tf.convert_to_tensor(data.y_val)
        self.test: Part = self._kept(data.x_test), tf.convert_to_tensor(data.y_test)
        self.shift, self.scale = tf.convert_to_tensor(data.shift), tf.convert_to_tensor(data.scale)

    def _kept(self, images: Rows) -> Any:
        return tf.convert_to_tensor(images)

    def batches(self, draws: Iterator[Batch], count: int) -> Iterator[tuple[Batch, Part | None]]:
        """Yield the first `count` of `draws`, each with its images if they are not on the device."""
        yield from zip(islice(draws, count), repeat(None))

    def taken(self, indices: Array) -> Part:
        """Return these training images."""
        images, labels = self.train
        return tf.gather(images, indices), tf.gather(labels, indices)

    def parts(self, images: Any, labels: tf.Tensor, size: int) -> Iterator[Part]:
        """Yield `images` in order, so many at a time."""
        for start in range(0, len(images), size):
            yield images[start : start + size], labels[start : start + size]


class StreamedData(Data):
    """A `Dataset` whose images are stored: they are read while the network computes."""

    def _kept(self, images: Rows) -> Any:
        return images if isinstance(images, StoredImages) else super()._kept(images)

    def batches(self, draws: Iterator[Batch], count: int) -> Iterator[tuple[Batch, Part | None]]:
        """See `Data.batches`; the images of the next steps are read ahead."""
        images, labels = self.train
        drawn: dict[int, Batch] = {}
        ahead, lock = enumerate(draws), Lock()

        def rows(step: int) -> Array:
            with lock:
                while step not in drawn:
                    drawn.update([next(ahead)])
                return drawn[step].indices

        for step, read in enumerate(_read_ahead(images, rows, count)):
            batch = drawn.pop(step)
            yield batch, (read, tf.gather(labels, batch.indices))

    def taken(self, indices: Array) -> Part:
        """See `Data.taken`."""
        images, labels = self.train
        return tf.convert_to_tensor(images[indices].read()), tf.gather(labels, indices)

    def parts(self, images: Any, labels: tf.Tensor, size: int) -> Iterator[Part]:
        """See `Data.parts`; the next images are read ahead."""
        if not isinstance(images, StoredImages):
            yield from super().parts(images, labels, size)
            return
        starts = range(0, len(images), size)
        read = _read_ahead(images, lambda i: slice(starts[i], starts[i] + size), len(starts))
        for start, part in zip(starts, read, strict=True):
            yield part, labels[start : start + size]


def _read_ahead(images: StoredImages, rows: Callable[[int], Any], count: int) -> Iterable[tf.Tensor]:
    """Return the images of `rows(0)` to `rows(count - 1)`, read by a thread of their own while others are in use."""

    def read(i: int) -> Array:
        return images[rows(i)].read()

    def pictures(i: tf.Tensor) -> tf.Tensor:
        # It has no state, as a function of i; what has one is not read ahead where operations are deterministic.
        of = tf.numpy_function(read, [i], images.dtype, stateful=False)
        return tf.ensure_shape(of, (None, *images.shape[1:]))

    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    options.autotune.enabled = False
    return tf.data.Dataset.range(count).map(pictures).prefetch(READ_AHEAD).with_options(options)  # type: ignore[no-any-return]


def on_device(data: Dataset) -> Data:
    """Return the data as an engine takes them, streamed if their training images are stored."""
    return (StreamedData if isinstance(data.x_train, StoredImages) else Data)(data)


class Engine:
    """A network with its compiled functions. `reset` gives it the state of a fresh one."""

    def __init__(self, net: NetSpec, step: StepSpec) -> None:
        self._net = net
        self._step = step
        with dtype_policy(step.precision):
            self._model = build(net)
        self._weights = [variable.value for variable in self._model.trainable_variables]
        self._optimizer = optimizer(self._weights, step)
        self._loss_scale = LossScale() if step.precision == "mixed_float16" else None
        self._sites = weight_sites(self._model)
        places = {id(variable): i for i, variable in enumerate(self._model.trainable_variables)}
        self._kernels = [places[id(self._model.get_layer(site.layer).kernel)] for site in self._sites]
        self._train_step = tf.function(self._update, autograph=False, reduce_retracing=True)
        self._evaluate_batch = tf.function(self._score, autograph=False, reduce_retracing=True)
        self._gradients = GradientProbe(self._model)

    def reset(self, seed: int) -> None:
        """Draw the initial weights from `seed` and forget all updates."""
        initialise(self._model, seed)
        self._optimizer.reset()
        if self._loss_scale is not None:
            self._loss_scale.reset()

    def variables(self) -> list[Array]:
        """Return the values of all that an update changes."""
        return [variable.numpy() for variable in self._changing()]

    def weights(self) -> list[Array]:
        """Return the weights and statistics of the network, in the order of `keras.Model.weights`."""
        return [variable.numpy() for variable in self._model.weights]

    def restore(self, values: Sequence[Array]) -> None:
        """Set all that an update changes to what `variables` returned."""
        for variable, value in zip(self._changing(), values, strict=True):
            variable.assign(value)

    def fits(self, values: Sequence[Array]) -> bool:
        """Return whether `restore` takes these values: they are as many, of the same shapes and types."""
        return [(mine.shape, mine.dtype) for mine in self.variables()] == [(of.shape, of.dtype) for of in values]

    def _changing(self) -> list[tf.Variable]:
        scale = [] if self._loss_scale is None else self._loss_scale.state
        return [*(variable.value for variable in self._model.variables), *self._optimizer.state, *scale]

    def update(
        self, data: Data, batch: Batch, learning_rate: float, read: Part | None = None
    ) -> tuple[tf.Tensor, tf.Tensor, Any]:
        """Make one update; return the loss and the share of right answers before it, and the norms for `rows`.

        Args:
            data: Where the images are.
            batch: Which of them, and how they are augmented.
            learning_rate: The step's.
            read: The images of the batch, in its order, if they are not on the device with all others.
        """
        indices = batch.indices if read is None else np.arange(len(batch.indices))
        draws = None if batch.places is None else tf.constant(batch.places)
        mixing = None if batch.partners is None else (tf.constant(batch.partners), tf.constant(batch.share))
        return self._train_step(  # type: ignore[no-any-return]
            *(read or data.train), data.shift, data.scale,
            tf.constant(indices), tf.constant(batch.offsets), tf.constant(batch.flips), draws, mixing,
            tf.constant(learning_rate),
        )  # fmt: skip

    def rows(self, norms: tf.Tensor) -> Iterator[Row]:
        """Yield the rows of the norms that `update` returned, if the step measures them."""
        return step_rows(self._sites, norms.numpy().tolist())

    def evaluate(self, data: Data, images: Any, labels: tf.Tensor, batch: int = 512) -> tuple[float, float]:
        """Return loss and accuracy in inference mode, so many images at a time."""
        total, loss, right = len(images), 0.0, 0.0
        for part in data.parts(images, labels, batch):
            sums = self._evaluate_batch(*part, data.shift, data.scale)
            loss, right = loss + float(sums[0]), right + float(sums[1])
        return loss / total, right / total

    def latency(self, passes: int) -> float:
        """Return the median time of a forward pass of one image in inference mode, in seconds, once it is traced."""
        forward = tf.function(lambda image: self._model(image, training=False), autograph=False)
        image = tf.zeros((1, *self._net.input_shape))
        forward(image)
        times = []
        for _ in range(passes):
            started = time.perf_counter()
            forward(image).numpy()
            times.append(time.perf_counter() - started)
        return float(np.median(times))

    def probe(self, data: Data, indices: Array) -> Iterator[Row]:
        """Yield the rows of the gradient probe on these training images, not augmented."""
        images, labels = data.taken(indices)
        return self._gradients(_preprocessed(images, data.shift, data.scale), labels)

    def _update(
        self, images: Any, labels: Any, shift: Any, scale: Any,
        indices: Any, offsets: Any, flips: Any, places: Any, mixing: Any, rate: Any,
    ) -> tuple[Any, Any, Any]:  # fmt: skip
        x = _preprocessed(tf.gather(images, indices), shift, scale)
        if self._step.augmentation == "crop_flip":
            x = crop_and_flip(x, offsets, flips)
        if self._step.cutout:
            x = cut_out(x, places, self._step.cutout)
        if self._step.mixes:
            x = mix_up(x, *mixing)
        y = tf.gather(labels, indices)
        with tf.GradientTape() as tape:
            logits = self._model(x, training=True)
            loss = self._loss(y, logits, mixing)
            scaled = loss if self._loss_scale is None else loss * self._loss_scale.value
        gradients = tape.gradient(scaled, self._weights, unconnected_gradients="zero")
        if self._loss_scale is None:
            self._optimizer.apply(gradients, rate)
        else:
            gradients = [gradient / self._loss_scale.value for gradient in gradients]
            self._loss_scale.apply(gradients, lambda: self._optimizer.apply(gradients, rate))
        norms = self._norms(gradients) if self._step.measures else None
        return loss, self._accuracy(y, logits, mixing), norms

    def _loss(self, labels: Any, logits: Any, mixing: Any) -> Any:
        """Return the mean cross-entropy with the labels, smoothed and mixed as the step has it."""
        if not (self._step.label_smoothing or self._step.mixes):
            return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        classes = logits.shape[-1]
        wrong = self._step.label_smoothing / classes
        targets = tf.one_hot(labels, classes, 1.0 - self._step.label_smoothing + wrong, wrong)
        if self._step.mixes:
            targets = mix_up(targets, *mixing)
        return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))

    def _accuracy(self, labels: Any, logits: Any, mixing: Any) -> Any:
        """Return the share of right answers; of a mixed image each label counts by its share."""
        answers = tf.argmax(logits, -1)
        right = tf.reduce_mean(tf.cast(answers == labels, tf.float32))
        if not self._step.mixes:
            return right
        partners, share = mixing
        others = tf.reduce_mean(tf.cast(answers == tf.gather(labels, partners), tf.float32))
        return share * right + (1.0 - share) * others

    def _norms(self, gradients: list[Any]) -> Any:
        """Return the L2 norms of the kernels' gradients, in the order of the sites."""
        return tf.sqrt(2.0 * tf.stack([tf.nn.l2_loss(gradients[i]) for i in self._kernels]))

    def _score(self, images: Any, labels: Any, shift: Any, scale: Any) -> tuple[Any, Any]:
        logits = self._model(_preprocessed(images, shift, scale), training=False)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return tf.reduce_sum(losses), tf.reduce_sum(tf.cast(tf.argmax(logits, -1) == labels, tf.float32))


def _preprocessed(images: Any, shift: Any, scale: Any) -> Any:
    return (tf.cast(images, tf.float32) - shift) * scale
