"""Where data sets come from, by name or by path."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from resnet_core.errors import UserError, nearest
from resnet_core.runs.data.arrays import Images, check_images
from resnet_core.runs.runtime import without_notices


@dataclass(frozen=True)
class DataInfo:
    """What a network must know of its data: the shape of an image and the number of classes."""

    input_shape: tuple[int, int, int]
    classes: int
    train_images: int


class Source(Protocol):
    """A data set that may not have been read yet."""

    @property
    def info(self) -> DataInfo:
        """What is known without reading it, if it has a name; from reading it, if it has a path."""
        ...

    @property
    def images(self) -> Images:
        """The images, read at the first call and kept."""
        ...

    def sha256(self) -> str:
        """Return the hash of the images if they have been read, else an empty text."""
        ...


Loader = Callable[[], Images]
_NAMED: dict[str, tuple[Loader, DataInfo]] = {}


def register_source(name: str, info: DataInfo) -> Callable[[Loader], Loader]:
    """Register the decorated function as the data set `name`; it returns the checked images."""

    def register(load: Loader) -> Loader:
        _NAMED[name] = (load, info)
        return load

    return register


def registered_sources() -> dict[str, Any]:
    """Return what is registered, by name."""
    return {**_NAMED}


@dataclass(frozen=True, eq=False)
class _Read:
    """A source that is a function, and perhaps what is known before it is called."""

    load: Loader
    known: DataInfo | None = None

    @cached_property
    def images(self) -> Images:
        return self.load()

    def sha256(self) -> str:
        return self.images.sha256() if "images" in vars(self) else ""

    @property
    def info(self) -> DataInfo:
        if self.known and "images" not in vars(self):
            return self.known
        rows, columns, channels = self.images.x_train.shape[1:]
        return DataInfo((rows, columns, channels), len(self.images.class_names), len(self.images.x_train))


def open_source(data: str, image_size: int | None = None, resident: float = math.inf) -> Source:
    """Return the data set with this name, `.npz` file or folder of images.

    Args:
        data: A registered name (`digits`, `cifar10`, `cifar100`, `mnist`, `fashion_mnist`), the path
            of an `.npz` file with `x_train`, `y_train`, `x_test` and `y_test`, or of a folder with
            `train/<class>/*` and `test/<class>/*`, or with `<class>/*`.
        image_size: Height and width to which the images are resized.
        resident: Bytes up to which the images of a path are held in memory; more are read from disk as they are
            asked for. The images of a name are held in memory.

    Raises:
        UserError: There is nothing of this name, or not in one of these forms.
    """
    from resnet_core.runs.data import files

    if data in _NAMED:
        load, info = _NAMED[data]
        size = (image_size, image_size) if image_size else info.input_shape[:2]
        known = DataInfo((*size, info.input_shape[2]), info.classes, info.train_images)
        return _Read(lambda: load().resized(image_size), known)
    path = Path(data).expanduser()
    if path.is_dir():
        return _Read(lambda: files.read_folder(path, image_size, resident))
    if path.is_file() and path.suffix.lower() == ".npz":
        return _Read(lambda: files.read_npz(path, image_size, resident))
    found = "is neither" if path.exists() else "does not exist"
    raise UserError(
        "a data set must be a known name, an .npz file or a folder of images, "
        f"but '{data}' {found}{nearest(data, _NAMED)}"
    )


@register_source("digits", DataInfo((8, 8, 1), 10, 1437))
def digits() -> Images:
    """The 1,797 scanned 8x8 digits that scikit-learn ships; a stratified fifth is the test set."""
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    x = x.reshape(-1, 8, 8).astype(np.uint8)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, stratify=y, random_state=0)
    return check_images("digits", {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test})


def _register_keras(name: str, info: DataInfo) -> None:
    @register_source(name, info)
    def load() -> Images:
        with without_notices():
            import keras

        try:
            (x_train, y_train), (x_test, y_test) = getattr(keras.datasets, name).load_data()
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"'{name}' must be in Keras' folder of data sets or be downloadable, but neither is so: {reason}"
            ) from None
        return check_images(name, {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test})


_register_keras("cifar10", DataInfo((32, 32, 3), 10, 50_000))
_register_keras("cifar100", DataInfo((32, 32, 3), 100, 50_000))
_register_keras("mnist", DataInfo((28, 28, 1), 10, 60_000))
_register_keras("fashion_mnist", DataInfo((28, 28, 1), 10, 60_000))
