"""Checks of arrays of images and classes: first of shapes and types, then of values."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from resnet_core.errors import UserError
from resnet_core.runs.data.arrays import Images
from resnet_core.runs.data.stored import Array, Rows, StoredImages
from resnet_core.runs.description import printable
from resnet_core.runs.reading import DataFormat

MOST_SIDE = 2048
"""Maximum height and width of the images of a network. `TrainSpec.image_size` has the same bound."""
MOST_PIXELS = 1 << 27
"""Maximum number of pixels of an image file, 134 million. Decoding them takes half a GiB, or a GiB with 16 bits."""
FEW = 4
"""Maximum number of channels of a picture."""
LONGEST_NAME = 1024  # maximum number of bytes of the name of a class
Form = tuple[tuple[int, ...], np.dtype[Any]]
"""Shape and type of an array."""


def check_images(
    where: str,
    arrays: Mapping[str, Rows],
    class_names: tuple[str, ...] | None = None,
    data_format: DataFormat | None = None,
) -> Images:
    """Return arrays (`x_train`, `y_train`, `x_test`, `y_test`, as from `keras.datasets`) as `Images`.

    Args:
        where: Name of the data set in error messages.
        arrays: Images of shape (n, height, width) or (n, height, width, channels), or stored images; classes of shape
            (n,) or (n, 1), integers or names.
        class_names: Names of the classes 0, 1, ... With `None`, they are the values in the arrays of classes.
        data_format: Position of the channels in images of four axes. `None` infers it from their shape.

    Raises:
        UserError: A shape, a length, a type or a value is illegal.
    """
    forms = {key: (array.shape, array.dtype) for key, array in arrays.items()}
    first = check_forms(where, forms, data_format)
    names, y_train, y_test = classes_of(where, arrays["y_train"], arrays["y_test"], class_names)
    x_train, x_test = (
        images if isinstance(images, StoredImages) else as_stored(where, key, images, channels_first=first)
        for key, images in ((key, arrays[key]) for key in ("x_train", "x_test"))
    )
    return Images(x_train, y_train, x_test, y_test, names, values=str(arrays["x_train"].dtype))


def check_forms(
    where: str, forms: Mapping[str, Form], data_format: DataFormat | None = None, image_size: int | None = None
) -> bool:
    """Check the shapes and types of the arrays of a data set; see `check_images`.

    Returns:
        Whether the channels are the first axis of an image.

    Raises:
        UserError: The arrays do not fit each other, or are too large.
    """
    for part in ("train", "test"):
        _check_form_of_images(where, f"x_{part}", *forms[f"x_{part}"])
        _check_form_of_labels(where, f"y_{part}", *forms[f"y_{part}"])
        images, labels = forms[f"x_{part}"][0][0], forms[f"y_{part}"][0][0]
        if images != labels:
            raise UserError(
                f"`x_{part}` and `y_{part}` must be of one length, but {where} has {images} images and {labels} classes"
            )
    train, test = forms["x_train"], forms["x_test"]
    if train[0][1:] != test[0][1:]:
        has = f"{train[0][1:]} and {test[0][1:]}"
        raise UserError(f"training and test images must be of one shape, but {where} has {has}")
    if stored_type(train[1]) != stored_type(test[1]):
        raise UserError(f"training and test images must be of one type, but {where} has {train[1]} and {test[1]}")
    channels_first = len(train[0]) == 4 and has_channels_first(where, train[0], data_format)
    rows, columns = train[0][2:4] if channels_first else train[0][1:3]
    if rows * columns > MOST_PIXELS:
        raise UserError(
            f"every image must be of at most {MOST_PIXELS:,} pixels, but those of {where} have {rows}x{columns}"
        )
    check_side(where, *((image_size, image_size) if image_size else (rows, columns)))
    return channels_first


def check_side(where: str, rows: int, columns: int) -> None:
    """Check that images are small enough for a network.

    Raises:
        UserError: The images are too large.
    """
    if max(rows, columns) > MOST_SIDE:
        raise UserError(
            f"images must have at most {MOST_SIDE} rows and columns, but those of {printable(where)} have "
            f"{rows}x{columns}; resize them by --image-size"
        )


def has_channels_first(where: str, shape: tuple[int, ...], data_format: DataFormat | None) -> bool:
    """Return whether images of four axes have their channels before their rows and columns.

    Pictures have few channels, and often as many rows as columns. The position is inferred if one of these is
    decisive.

    Raises:
        UserError: `data_format` is `None`, and the channels are, or may be, before the rows and columns.
    """
    if data_format is not None:
        return data_format == "channels_first"
    _, first, middle, last = shape
    signs = [(last <= FEW, first <= FEW), (first == middle, middle == last)]  # of channels last, and of channels first
    decided = next((sign for sign in signs if sign[0] != sign[1]), None)
    if decided == (True, False):
        return False
    looks = "looks like channels first" if decided else "may have its channels first or last"
    raise UserError(
        f"images must have their channels last, but in {where} an array of images has the shape {shape}, which "
        f"{looks}; --data-format channels_first transposes it, --data-format channels_last takes it as it is"
    )


def _check_form_of_images(where: str, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if len(shape) not in (3, 4) or not math.prod(shape):
        raise UserError(
            f"`{name}` must have the shape (n, height, width) or (n, height, width, channels), "
            f"but in {where} it has {shape}"
        )
    if dtype.kind not in "iufb":
        raise UserError(f"`{name}` must hold numbers, but in {where} it holds {dtype}")


def _check_form_of_labels(where: str, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    single = len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)
    if single and dtype.kind in "iuU" and dtype.itemsize <= LONGEST_NAME:
        return
    advice = "; of one-hot classes take their argmax" if len(shape) == 2 and not single else ""
    raise UserError(
        f"`{name}` must hold one integer class an image, or the name of one, "
        f"but in {where} it has the shape {shape} and holds {dtype}{advice}"
    )


def classes_of(
    where: str, y_train: Rows, y_test: Rows, class_names: tuple[str, ...] | None = None
) -> tuple[tuple[str, ...], Array, Array]:
    """Return the names of the classes, and the classes of both parts as integers counted from 0.

    Raises:
        UserError: There are fewer than two classes, a class has test images only, or the numbers of classes and names
            differ.
    """
    assert isinstance(y_train, np.ndarray)
    assert isinstance(y_test, np.ndarray)
    y_train, y_test = y_train.reshape(-1), y_test.reshape(-1)
    if (y_train.dtype.kind == "U") != (y_test.dtype.kind == "U"):
        raise UserError(
            f"classes must be all integers or all names, but {where} has {y_train.dtype} and {y_test.dtype}"
        )
    known = np.unique(y_train)
    if len(known) < 2:
        raise UserError(
            f"a data set must have training images of two classes or more, but {where} has those of {len(known)}"
        )
    unseen = np.setdiff1d(y_test, known)
    if len(unseen):
        raise UserError(
            f"every test class must be among the training classes, but {where} has {unseen[0]} in the test alone"
        )
    if class_names is not None and len(class_names) != len(known):
        raise UserError(
            f"every class must have one name, but {where} has {len(known)} classes and {len(class_names)} names"
        )
    names = class_names or tuple(printable(str(label)) for label in known)
    return names, np.searchsorted(known, y_train), np.searchsorted(known, y_test)


def stored_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type in `Images` of images of this type: `uint8` or `float32`."""
    return np.dtype(np.uint8 if dtype == np.uint8 else np.float32)


def as_stored(where: str, name: str, images: Array, *, channels_first: bool = False) -> Array:
    """Return images with the shape and type of `Images`. `check_forms` must accept their shape and type.

    Raises:
        UserError: A value is not finite.
    """
    if images.ndim == 3:
        images = images[..., None]
    elif channels_first:
        images = np.ascontiguousarray(np.moveaxis(images, 1, -1))
    if images.dtype == np.uint8:
        return images
    with np.errstate(over="ignore"):
        images = images.astype(np.float32)
    if not np.isfinite(images).all():
        raise UserError(f"`{name}` must be finite, but in {where} it holds NaN or infinity")
    return images
