"""From what a source holds to what a run trains on: checks, stratified choices, preprocessing."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from resnet_core.errors import UserError
from resnet_core.runs.data.stored import Array, Parts, Rows, StoredImages, chunks
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.seeds import generator


@dataclass(frozen=True, eq=False)
class Images:
    """A data set as its source holds it, checked.

    Attributes:
        x_train, x_test: Images, (n, height, width, channels), of uint8 or of finite float32, in memory or stored.
        y_train, y_test: Classes, (n,), of int64 from 0 on.
        class_names: The name of each class.
    """

    x_train: Rows
    y_train: Array
    x_test: Rows
    y_test: Array
    class_names: tuple[str, ...]

    def sha256(self) -> str:
        """Return the hash of the images and classes, the same however they were stored."""
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
    from PIL import Image

    def one(channel: Array) -> Array:
        return np.asarray(Image.fromarray(channel).resize((size, size), Image.Resampling.BILINEAR))

    out = np.empty((len(images), size, size, images.shape[3]), images.dtype)
    for i, image in enumerate(images):
        for c in range(images.shape[3]):
            out[i, ..., c] = one(np.ascontiguousarray(image[..., c]))
    return out


def check_images(where: str, arrays: Mapping[str, Rows], class_names: tuple[str, ...] | None = None) -> Images:
    """Return `arrays` (`x_train`, `y_train`, `x_test`, `y_test`, as Keras has them) in our shapes.

    Args:
        where: What an error names.
        arrays: Images of shape (n, height, width) or (n, height, width, channels), or stored as `Images` has them;
            integer classes of shape (n,) or (n, 1).
        class_names: Names of the classes 0, 1, ...; none takes the classes' numbers.

    Raises:
        UserError: A shape, a length, a type or a value is not as it must be.
    """
    images = {part: _checked_images(where, f"x_{part}", arrays[f"x_{part}"]) for part in ("train", "test")}
    labels = {part: _checked_labels(where, f"y_{part}", arrays[f"y_{part}"]) for part in ("train", "test")}
    for part in ("train", "test"):
        if len(images[part]) != len(labels[part]):
            raise UserError(
                f"`x_{part}` and `y_{part}` must be of one length, "
                f"but {where} has {len(images[part])} images and {len(labels[part])} classes"
            )
    for what, first, second in (
        ("shape", images["train"].shape[1:], images["test"].shape[1:]),
        ("type", images["train"].dtype, images["test"].dtype),
    ):
        if first != second:
            raise UserError(f"training and test images must be of one {what}, but {where} has {first} and {second}")
    known = np.unique(labels["train"])
    if len(known) < 2:
        raise UserError(f"a data set must have two classes or more, but {where} has {len(known)}")
    unseen = np.setdiff1d(labels["test"], known)
    if len(unseen):
        raise UserError(
            f"every test class must be among the training classes, but {where} has {unseen[0]} in the test alone"
        )
    return Images(
        images["train"],
        np.searchsorted(known, labels["train"]),
        images["test"],
        np.searchsorted(known, labels["test"]),
        class_names or tuple(str(label) for label in known),
    )


def _checked_images(where: str, name: str, images: Rows) -> Rows:
    if isinstance(images, StoredImages):
        return images
    check_form(where, name, images.shape, images.dtype)
    return as_stored(where, name, images)


def check_form(where: str, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Check that an array of this shape and type may hold images.

    Raises:
        UserError: It may not.
    """
    if len(shape) not in (3, 4) or not math.prod(shape):
        raise UserError(
            f"`{name}` must have the shape (n, height, width) or (n, height, width, channels), "
            f"but in {where} it has {shape}"
        )
    if dtype.kind not in "iufb":
        raise UserError(f"`{name}` must hold numbers, but in {where} it holds {dtype}")


def as_stored(where: str, name: str, images: Array) -> Array:
    """Return images of a form that `check_form` passes as `Images` has them.

    Raises:
        UserError: A value is not finite.
    """
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype == np.uint8:
        return images
    with np.errstate(over="ignore"):
        images = images.astype(np.float32)
    if not np.isfinite(images).all():
        raise UserError(f"`{name}` must be finite, but in {where} it holds NaN or infinity")
    return images


def _checked_labels(where: str, name: str, labels: Rows) -> Array:
    assert isinstance(labels, np.ndarray)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise UserError(
            f"`{name}` must hold one integer class an image, "
            f"but in {where} it has the shape {labels.shape} and holds {labels.dtype}"
        )
    return labels.astype(np.int64)


@dataclass(frozen=True, eq=False)
class Dataset:
    """What a run trains on, is validated on, and is tested on once.

    Images are as in `Images`; a network sees ``(image - shift) * scale``.
    """

    x_train: Rows
    y_train: Array
    x_val: Rows
    y_val: Array
    x_test: Rows
    y_test: Array
    shift: Array
    scale: Array


def prepare(images: Images, train: TrainSpec) -> Dataset:
    """Choose the training and validation images and the preprocessing as `train` says.

    Raises:
        UserError: There are fewer images than `train` asks for, or a class is left without any.
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
    shift, scale = _preprocessing(x_train, train.preprocessing)
    return Dataset(
        x_train, images.y_train[index],
        images.x_train[validation], images.y_train[validation],
        images.x_test, images.y_test,
        shift, scale,
    )  # fmt: skip


def validation_size(train: TrainSpec, images: int) -> int:
    """Return how many of so many images are kept aside."""
    return round(train.validation_fraction * images)


def check_train_size(train_size: int, images: int) -> None:
    """Check that a part of the training images can be taken.

    Raises:
        UserError: There are fewer.
    """
    if train_size > images:
        raise UserError(f"`train_size` must be at most the number of training images, {images}, but got {train_size}")


def check_sizes(run: Run, images: int) -> None:
    """Check that so many training images serve a run, and their size its augmentation.

    Raises:
        UserError: They are fewer than it asks for, or than a batch; or smaller than what is cut out of them; or the
            warm-up is as long as the run.
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
    """Split the indices of `labels` into two, the first of `size`, each with every class in its proportion.

    The images of a class, in a random order, are spread evenly over [0, 1); the first part are the lowest.

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
