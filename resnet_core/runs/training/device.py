"""The data of a run: on the device, or streamed from disk."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice, repeat
from threading import Lock
from typing import Any, NamedTuple

import tensorflow as tf

from resnet_core.runs.data.arrays import Dataset
from resnet_core.runs.data.stored import Array, Rows, StoredImages
from resnet_core.runs.training.order import Batch

READ_AHEAD = 2  # batches
Part = tuple[Any, tf.Tensor]
"""Images and their labels. The images are on the device or, if the data are streamed, stored on disk."""


class Preprocessing(NamedTuple):
    """The preprocessing (x - shift) · scale of images x, in float32."""

    shift: tf.Tensor
    scale: tf.Tensor

    def __call__(self, images: Any) -> Any:
        """Return the preprocessed images."""
        return (tf.cast(images, tf.float32) - self.shift) * self.scale


class Data:
    """A `Dataset` on the device."""

    def __init__(self, data: Dataset) -> None:
        self.train: Part = self._kept(data.x_train), tf.convert_to_tensor(data.y_train)
        self.val: Part = self._kept(data.x_val), tf.convert_to_tensor(data.y_val)
        self.test: Part = self._kept(data.x_test), tf.convert_to_tensor(data.y_test)
        self.preprocessing = Preprocessing(tf.convert_to_tensor(data.shift), tf.convert_to_tensor(data.scale))

    def _kept(self, images: Rows) -> Any:
        return tf.convert_to_tensor(images)

    def batches(self, draws: Iterator[Batch], count: int) -> Iterator[tuple[Batch, Part | None]]:
        """Yield the first `count` batches of `draws`, with their images, or with `None` if these are on the device."""
        yield from zip(islice(draws, count), repeat(None))

    def taken(self, indices: Array) -> Part:
        """Return the training images and labels at these indices."""
        images, labels = self.train
        return tf.gather(images, indices), tf.gather(labels, indices)

    def parts(self, images: Any, labels: tf.Tensor, size: int) -> Iterator[Part]:
        """Yield `images` and `labels` in order, `size` at a time."""
        for start in range(0, len(images), size):
            yield images[start : start + size], labels[start : start + size]


class StreamedData(Data):
    """A `Dataset` whose images are stored on disk. They are read while the network computes."""

    def _kept(self, images: Rows) -> Any:
        return images if isinstance(images, StoredImages) else super()._kept(images)

    def batches(self, draws: Iterator[Batch], count: int) -> Iterator[tuple[Batch, Part | None]]:
        """See `Data.batches`. The images of the next steps are read ahead."""
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
        """See `Data.parts`. The next images are read ahead."""
        if not isinstance(images, StoredImages):
            yield from super().parts(images, labels, size)
            return
        starts = range(0, len(images), size)
        read = _read_ahead(images, lambda i: slice(starts[i], starts[i] + size), len(starts))
        for start, part in zip(starts, read, strict=True):
            yield part, labels[start : start + size]


def _read_ahead(images: StoredImages, rows: Callable[[int], Any], count: int) -> Iterable[tf.Tensor]:
    """Return the images of `rows(0)` to `rows(count - 1)`, read ahead by another thread."""

    def read(i: int) -> Array:
        return images[rows(i)].read()

    def pictures(i: tf.Tensor) -> tf.Tensor:
        # The function is stateless, since with deterministic operations TensorFlow does not prefetch stateful ones.
        batch = tf.numpy_function(read, [i], images.dtype, stateful=False)
        return tf.ensure_shape(batch, (None, *images.shape[1:]))

    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    options.autotune.enabled = False
    return tf.data.Dataset.range(count).map(pictures).prefetch(READ_AHEAD).with_options(options)  # type: ignore[no-any-return]


def on_device(data: Dataset) -> Data:
    """Return the data for an engine, streamed if the training images are stored on disk."""
    return (StreamedData if isinstance(data.x_train, StoredImages) else Data)(data)
