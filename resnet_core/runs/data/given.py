"""Data sets given as arguments in Python: arrays and `tf.data.Dataset`s are written to a file that workers read.

The file is in the cache folder and is named by the hash of its content. So the same images are written only once, and
nothing is pickled.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path

from resnet_core.errors import UserError
from resnet_core.runs.data.arrays import Images, split_stratified
from resnet_core.runs.data.cached import KEYS
from resnet_core.runs.data.checks import check_images
from resnet_core.runs.data.hubs import folder_of_object, is_of_hugging_face
from resnet_core.runs.data.npz import NAMES
from resnet_core.runs.data.stored import Array, write
from resnet_core.runs.data.streams import arrays_of, is_stream
from resnet_core.spec_model import digest

FORM = "(x_train, y_train, x_test, y_test), as Keras' ((x_train, y_train), (x_test, y_test)), or (x, y)"
TEST_FRACTION = 0.2
WHERE = "the data that were given"


def path_of(data: Any) -> str:
    """Return the name or path of a data set for the field `data` of a run.

    Args:
        data: The name of a data set; the path of an `.npz` file or of a folder of images; arrays
            `(x_train, y_train, x_test, y_test)`, as Keras' `((x_train, y_train), (x_test, y_test))`, or `(x, y)`, of
            which a stratified fifth is the test set; a mapping of these names to arrays, and optionally of
            `class_names`; a finite `tf.data.Dataset` of (image, class), or a pair of them for training and test; a
            `datasets.Dataset` or `DatasetDict` of Hugging Face with a column of images and one of classes. Images are
            (n, height, width) or (n, height, width, channels). Classes are (n,), integers or names.

    Returns:
        The name or path. For arrays, it is the path of a file in the user's cache folder.

    Raises:
        UserError: `data` has none of these forms, or an array is illegal.
    """
    if isinstance(data, str | Path):
        return str(data)
    if is_of_hugging_face(data):
        return str(folder_of_object(data))
    arrays, names = _arrays(data)
    images = check_images(WHERE, arrays, names)
    return str(_written(images))


def _written(images: Images) -> Path:
    """Write the file of these images, unless it exists, and return its path."""
    names = json.dumps(images.class_names)
    path = user_cache_path("resnet-ablation") / "arrays" / f"{digest('arrays/1', images.sha256(), names)}.npz"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        content: dict[str, Array] = {key: np.asarray(getattr(images, key)[:]) for key in KEYS}
        try:
            write(path, {**content, NAMES: np.asarray(images.class_names)})
        except OSError as error:
            raise UserError(
                f"arrays are given to runs as a file of the cache folder, but {path} cannot be written: "
                f"{error.strerror or error}; set XDG_CACHE_HOME to another folder"
            ) from None
    return path


def _arrays(data: Any) -> tuple[dict[str, Array], tuple[str, ...] | None]:
    """Return the arrays by name, and the names of the classes if they are given.

    Raises:
        UserError: The data have none of the forms of `path_of`.
    """
    if isinstance(data, Mapping):
        unknown = sorted(map(str, data.keys() - {*KEYS, NAMES}))
        missing = [key for key in KEYS if key not in data]
        if unknown or missing:
            got = f"`{unknown[0]}` is unknown" if unknown else f"`{missing[0]}` is missing"
            raise UserError(f"a mapping of data must have {', '.join(KEYS)} and may have {NAMES}, but {got}")
        names = tuple(map(str, data[NAMES])) if NAMES in data else None
        return {key: _array(data[key]) for key in KEYS}, names
    if is_stream(data):
        return _split(*arrays_of(data)), None
    parts = list(data) if isinstance(data, Sequence) else []
    if len(parts) == 2 and all(is_stream(part) for part in parts):
        parts = [array for part in parts for array in arrays_of(part)]
    elif len(parts) == 2 and all(isinstance(part, tuple | list) and len(part) == 2 for part in parts):
        parts = [array for part in parts for array in part]
    if len(parts) == 2:
        return _split(*map(_array, parts)), None
    if len(parts) != 4:
        got = f"a {type(data).__name__} of {len(parts)}" if parts else f"a {type(data).__name__}"
        raise UserError(
            f"data must be a name, a path, arrays {FORM}, or a finite tf.data.Dataset of (image, class), but got {got}"
        )
    return dict(zip(KEYS, map(_array, parts), strict=True)), None


def _array(given: Any) -> Array:
    """Return a NumPy array.

    Raises:
        UserError: The data are ragged, no array, or have masked values.
    """
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise UserError(f"images must be of one shape, but {WHERE} are not: {error}") from None
    if array.ndim == 0:
        raise UserError(f"images and classes must be arrays, but {WHERE} have a {type(given).__name__}")
    if np.ma.is_masked(given):
        raise UserError(f"images must have all their values, but {WHERE} are masked; fill them: x.filled(0)")
    return array


def _split(x: Array, y: Array) -> dict[str, Array]:
    """Return the arrays of a data set whose test images are a stratified fifth.

    Raises:
        UserError: The numbers of images and of classes differ.
    """
    if len(x) != len(y):
        raise UserError(
            f"images and classes must be of one length, but {WHERE} have {len(x)} images and {len(y)} classes"
        )
    labels = y.reshape(len(y), -1)[:, 0] if y.ndim > 1 else y
    train, test = split_stratified(labels, round(len(y) * (1 - TEST_FRACTION)), 0)
    return {"x_train": x[train], "y_train": y[train], "x_test": x[test], "y_test": y[test]}
