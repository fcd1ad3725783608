"""The data of a run from the images of a source: checks, stratified splits, preprocessing."""

import hashlib
import math
from dataclasses import dataclass, replace

import numpy as np

from resnet_core.errors import UserError
from resnet_core.runs.data.stored import Array, Parts, Rows, chunks
from resnet_core.runs.description import DataInfo, Skipped, counted
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.seeds import generator


@dataclass(frozen=True, eq=False)
class Images:
    """The checked images and classes of a data set, before they are split and preprocessed.

    Attributes:
        x_train, x_test: Images, (n, height, width, channels), uint8 or finite float32, in memory or stored.
        y_train, y_test: Classes, (n,), int64, counted from 0.
        class_names: Name of each class.
        values, notes, skipped: See `DataInfo`.
    """

    x_train: Rows
    y_train: Array
    x_test: Rows
    y_test: Array
    class_names: tuple[str, ...]
    values: str = "uint8"
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def info(self) -> DataInfo:
        """The `DataInfo` of the images."""
        rows, columns, channels = self.x_train.shape[1:]
        classes = len(self.class_names)
        train, test = (np.bincount(y, minlength=classes).tolist() for y in (self.y_train, self.y_test))
        return DataInfo(
            (rows, columns, channels), classes, len(self.x_train), 0, len(self.x_test), self.values,
            self.class_names, tuple(zip(train, test, strict=True)), self.notes, self.skipped,
        )  # fmt: skip

    def sha256(self) -> str:
        """Return the hash of the images and classes. It does not depend on how they are stored."""
        content = hashlib.sha256()
        for array in (self.x_train, self.y_train, self.x_test, self.y_test):
            content.update(f"{array.dtype}{array.shape}".encode())
            for part in chunks(array):
                content.update(np.ascontiguousarray(part).data)
        return content.hexdigest()

    def resized(self, size: int | None) -> "Images":
        """Return the same images with `size` rows and columns (bilinear, antialiased)."""
        if size is None or self.x_train.shape[1:3] == (size, size):
            return self

        def all_resized(images: Rows) -> Array:
            shape = (len(images), size, size, images.shape[3])
            return Parts(shape, images.dtype, (resized(part, size) for part in chunks(images))).array()

        return replace(self, x_train=all_resized(self.x_train), x_test=all_resized(self.x_test))


def resized(images: Array, size: int) -> Array:
    """Return the images with `size` rows and columns; see `Images.resized`."""
    if images.shape[1:3] == (size, size):
        return images
    return np.stack([scaled(image, (size, size)) for image in images])


def scaled(image: Array, size: tuple[int, int]) -> Array:
    """Return an image of (height, width, channels) with `size` columns and rows (bilinear, antialiased)."""
    from PIL import Image

    if image.shape[1::-1] == size:
        return image
    out = np.empty((size[1], size[0], image.shape[2]), image.dtype)
    for channel in range(image.shape[2]):
        plane = Image.fromarray(np.ascontiguousarray(image[..., channel]))
        out[..., channel] = np.asarray(plane.resize(size, Image.Resampling.BILINEAR))
    return out


@dataclass(frozen=True, eq=False)
class Dataset:
    """The training, validation and test images of a run.

    Images are as in `Images`; a network sees ``(image - shift) * scale``. `info` describes the source.
    """

    x_train: Rows
    y_train: Array
    x_val: Rows
    y_val: Array
    x_test: Rows
    y_test: Array
    shift: Array
    scale: Array
    info: DataInfo | None = None


def prepare(images: Images, train: TrainSpec) -> Dataset:
    """Return the data of a run: the training, validation and test images, and the preprocessing, as `train` says.

    Raises:
        UserError: There are fewer images than `train_size`, a class has no training image, or the images do not fit the
            preprocessing.
    """
    index = np.arange(len(images.y_train))
    if train.train_size is not None:
        check_train_size(train.train_size, len(index))
        index, _ = split_stratified(images.y_train, train.train_size, train.split_seed)
    kept = validation_size(train, len(index))
    chosen, rest = split_stratified(images.y_train[index], len(index) - kept, train.split_seed)
    index, validation = index[chosen], index[rest]
    lacking = np.setdiff1d(np.arange(len(images.class_names)), images.y_train[index])
    if len(lacking):
        raise UserError(
            f"every class must have a training image, but '{images.class_names[lacking[0]]}' is left without one "
            f"among {len(index)}; take a larger train_size or a smaller validation_fraction"
        )
    x_train = images.x_train[index]
    if train.preprocessing in PUBLISHED:
        _check_bytes(x_train, train.preprocessing)
        shift, scale = PUBLISHED[train.preprocessing]
    else:
        shift, scale = _preprocessing(x_train, train.preprocessing)
    return Dataset(
        x_train, images.y_train[index],
        images.x_train[validation], images.y_train[validation],
        images.x_test, images.y_test,
        shift, scale, images.info.split(train),
    )  # fmt: skip


def validation_size(train: TrainSpec, images: int) -> int:
    """Return the number of validation images for this many training images."""
    return round(train.validation_fraction * images)


def check_train_size(train_size: int, images: int) -> None:
    """Check that there are `train_size` training images.

    Raises:
        UserError: There are fewer images.
    """
    if train_size > images:
        raise UserError(f"`train_size` must be at most the number of training images, {images}, but got {train_size}")


def check_sizes(run: Run, images: int) -> None:
    """Check that the number and size of the training images suffice for a run.

    Raises:
        UserError: There are fewer images than `train_size` or the batch size, the images are smaller than `cutout`, or
            the warm-up is as long as the run.
    """
    train = run.train
    check_train_size(train.train_size or 1, images)
    taken = train.train_size or images
    left = taken - validation_size(train, taken)
    for field, size in (("batch_size", train.batch_size), ("probe.batch_size", run.probe.batch_size)):
        if size > left:
            raise UserError(
                f"`{field}` must be at most the number of training images "
                f"({left} after the validation images are kept aside), but got {size}; take a smaller one by --set"
            )
    steps = train.total_steps(left)
    warmup = train.warmup_of(steps)
    if 0 < steps <= warmup:
        raise UserError(
            f"a warm-up must be shorter than the run, which has {steps} updates, but got {warmup}; "
            "set warmup_steps, or warmup_share, which scales with the run, or train longer"
        )
    rows, columns, _ = run.net.input_shape
    if train.cutout >= min(rows, columns):
        raise UserError(
            f"`cutout` must be smaller than an image, which has {rows}x{columns} pixels, but got {train.cutout}; "
            "take a smaller one by --set"
        )


def split_stratified(labels: Array, size: int, seed: int) -> tuple[Array, Array]:
    """Split the indices of `labels` with stratification into two parts, of which the first has `size` indices.

    The images of each class are shuffled and placed at equal distances in [0, 1). The first part has the lowest places.

    Returns:
        Both parts, sorted.
    """
    order = generator(seed, "split").permutation(len(labels))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = order[labels[order] == label]
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    ranked = order[np.argsort(place[order], kind="stable")]
    return np.sort(ranked[:size]), np.sort(ranked[size:])


def _check_bytes(images: Rows, kind: str) -> None:
    """Check that images are of three channels of bytes.

    Raises:
        UserError: They are not.
    """
    if images.shape[3] != 3 or images.dtype != np.uint8:
        raise UserError(
            f"preprocessing={kind} is for images of 3 channels with values of the type uint8, but these have "
            f"{counted(images.shape[3], 'channel')} with values of the type {images.dtype}; take "
            "preprocessing=channel, or convert the images"
        )


def _constants(mean: tuple[float, ...], deviation: tuple[float, ...]) -> tuple[Array, Array]:
    return np.array(mean, np.float32), (1.0 / np.array(deviation)).astype(np.float32)


PUBLISHED = {
    "torch": _constants((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "tf": _constants((127.5,) * 3, (127.5,) * 3),
    "caffe": _constants((123.68, 116.779, 103.939), (1.0,) * 3),
}
"""Shift and scale of red, green and blue. `caffe` has them in the order of the images, not in that of Caffe, which
begins with blue; the weights are loaded accordingly, see `nets.weights.features`.
"""


def _preprocessing(images: Rows, kind: str) -> tuple[Array, Array]:
    """Return shift and scale, of shape (channels,) or (height, width, channels)."""
    axes = (0, 1, 2) if kind == "channel" else (0,)
    count = math.prod(images.shape[axis] for axis in axes)
    mean = sum(part.sum(axis=axes, dtype=np.float64) for part in chunks(images)) / count
    if kind == "channel":
        deviation = np.sqrt(sum(np.square(part - mean).sum(axis=axes) for part in chunks(images)) / count)
        scale = 1.0 / np.where(deviation > 0, deviation, 1.0)
    else:
        scale = np.asarray(1.0 / max(max(float(part.max()) for part in chunks(images)), 1.0))
    return mean.astype(np.float32), scale.astype(np.float32)
