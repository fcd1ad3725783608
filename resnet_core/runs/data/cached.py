"""Decoded images in the user's cache folder."""

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path
from pydantic import TypeAdapter, ValidationError

from resnet_core.errors import UserError
from resnet_core.runs.data import stored
from resnet_core.runs.data.stored import Array, Parts, Rows
from resnet_core.runs.description import DataInfo

KEYS = ("x_train", "y_train", "x_test", "y_test")
PIXELS = ("x_train", "x_test")
ABOUT = "about"
_INFO = TypeAdapter(DataInfo)


def place(state: str) -> Path:
    """Return the cache file for this hash of the data's state."""
    return user_cache_path("resnet-ablation") / f"{state[:32]}.npz"


def size(arrays: Mapping[str, Rows | Parts]) -> int:
    """Return the bytes of the images."""
    return sum(math.prod(arrays[key].shape) * arrays[key].dtype.itemsize for key in PIXELS)


def kept(cache: Path, resident: float) -> dict[str, Rows] | None:
    """Return the cached arrays, or `None` if the file is missing or damaged. Images of more than `resident` bytes stay
    on disk.
    """
    forms = stored.read(cache, KEYS, PIXELS, check=False)
    return forms and stored.read(cache, KEYS, PIXELS if size(forms) > resident else ())


def about(cache: Path) -> DataInfo | None:
    """Return the description in the cache file, or `None` if it is missing or damaged."""
    read = stored.read(cache, (ABOUT,))
    if read is None:
        return None
    try:
        return _INFO.validate_json(bytes(np.asarray(read[ABOUT])))
    except ValidationError:
        return None


def write(cache: Path, info: DataInfo, arrays: Mapping[str, Array | Parts]) -> None:
    """Write the cache file.

    Raises:
        OSError: The file cannot be written.
    """
    text = json.dumps(info.to_dict()).encode()
    stored.write(cache, {ABOUT: np.frombuffer(text, np.uint8), **arrays})


def store(cache: Path, info: DataInfo, arrays: Mapping[str, Array | Parts]) -> dict[str, Rows]:
    """Write the cache file, and return its arrays. The images stay on disk.

    Raises:
        UserError: The file cannot be written.
    """
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(cache.parent).free
        if size(arrays) > free:
            raise OSError(f"{free / 2**30:.1f} GiB are free")
        write(cache, info, arrays)
        read = stored.read(cache, KEYS, PIXELS, check=False)
        if read is None:
            raise OSError("it cannot be read again")
        return read
    except OSError as error:
        raise UserError(
            f"images that are not held in memory need room for {size(arrays) / 2**30:.1f} GiB in the cache folder, "
            f"but {cache} cannot be written: {error}; set XDG_CACHE_HOME to another folder, or take --stream never"
        ) from None
