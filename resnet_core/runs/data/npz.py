"""An `.npz` file in Keras' format as a data set. Its headers are checked before an image is decoded."""

import hashlib
import math
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from resnet_core.errors import UserError
from resnet_core.runs.data import cached, stored
from resnet_core.runs.data.arrays import Images, resized
from resnet_core.runs.data.cached import KEYS, PIXELS
from resnet_core.runs.data.checks import LONGEST_NAME, as_stored, check_forms, check_images, classes_of, stored_type
from resnet_core.runs.data.stored import CHUNK_VALUES, Array, Header, Parts
from resnet_core.runs.description import DataInfo, Skipped, printable
from resnet_core.runs.reading import Reading

NAMES = "class_names"
NOT_READ = "members that are not read"
MOST_AT_ONCE = 1 << 30  # bytes of an array that must be decoded as a whole


@dataclass(frozen=True)
class _Known:
    """The content of the file, without the images.

    Attributes:
        headers: Headers of the arrays.
        channels_first: Whether the images are transposed.
        labels: The arrays of the classes.
        info: Description of the data set.
    """

    headers: Mapping[str, Header]
    channels_first: bool
    labels: Mapping[str, Array]
    info: DataInfo


class Npz:
    """A data set of the arrays `x_train`, `y_train`, `x_test` and `y_test`, and optionally `class_names`.

    Args:
        path: The file.
        image_size: Height and width to which the images are resized.
        resident: Bytes up to which images are held in memory; more are stored in the user's cache folder.
        reading: The position of the channels.
    """

    def __init__(self, path: Path, image_size: int | None, resident: float, reading: Reading) -> None:
        self._path = path
        self._image_size = image_size
        self._resident = resident
        self._data_format = reading.data_format

    def describe(self) -> DataInfo:
        """Return the description of the data set. No image is decoded.

        Raises:
            UserError: The file has another form, or its arrays do not fit each other.
        """
        return self._known.info

    def load(self) -> Images:
        """Return the images.

        Raises:
            UserError: See `describe`; or a value is not finite, or there is no room in the cache folder.
        """
        known = self._known
        cache = self._cache
        arrays = cached.kept(cache, 0) if self._bytes > self._resident else None
        if arrays is None:
            with _readable(self._path), zipfile.ZipFile(self._path) as archive:
                members: dict[str, Array | Parts] = dict(known.labels)
                members |= {key: self._parts(archive, key) for key in PIXELS}
                if self._bytes > self._resident:
                    arrays = cached.store(cache, known.info, members)
                else:
                    arrays = {key: part.array() if isinstance(part, Parts) else part for key, part in members.items()}
        info = known.info
        images = check_images(str(self._path), arrays, info.class_names, "channels_last")
        return replace(images, values=info.values, notes=info.notes, skipped=info.skipped)

    @property
    def _bytes(self) -> int:
        return sum(math.prod(shape) * dtype.itemsize for shape, dtype in map(self._form, PIXELS))

    def _form(self, key: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Return the shape and type in `Images` of an array of images."""
        shape, _, dtype = self._known.headers[key]
        return (shape[0], *self._known.info.input_shape), stored_type(dtype)

    @cached_property
    def _cache(self) -> Path:
        stat = self._path.stat()
        written = f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"
        state = f"npz 2 {self._image_size} {self._data_format} {written} ".encode() + os.fsencode(self._path.resolve())
        return cached.place(hashlib.sha256(state).hexdigest())

    @cached_property
    def _known(self) -> _Known:
        where = printable(str(self._path))
        with _readable(self._path), zipfile.ZipFile(self._path) as archive:
            members = [name.removesuffix(".npy") for name in archive.namelist()]
            missing = [key for key in KEYS if key not in members]
            if missing:
                raise UserError(
                    f"an .npz file must hold {', '.join(KEYS)}, but {where} has no `{missing[0]}` "
                    f"(it has {printable(', '.join(sorted(members))) or 'nothing'})"
                )
            headers = {key: _header_in(archive, key) for key in (*KEYS, *({NAMES} & {*members}))}
            forms = {key: (shape, dtype) for key, (shape, _, dtype) in headers.items()}
            channels_first = check_forms(where, forms, self._data_format, self._image_size)
            for key in PIXELS:
                _check_bytes(where, key, headers[key])
            names = _names(where, archive, headers[NAMES]) if NAMES in headers else None
            labels = {key: _array(archive, key) for key in KEYS if key not in PIXELS}
        names, y_train, y_test = classes_of(where, labels["y_train"], labels["y_test"], names)
        counts = [np.bincount(y, minlength=len(names)).tolist() for y in (y_train, y_test)]
        shape, dtype = forms["x_train"]
        channels = 1 if len(shape) == 3 else shape[1] if channels_first else shape[3]
        size = shape[2:4] if channels_first else shape[1:3]
        rows, columns = (self._image_size, self._image_size) if self._image_size else size
        info = DataInfo(
            (rows, columns, channels),
            len(names), len(y_train), 0, len(y_test), str(dtype), names, tuple(zip(*counts, strict=True)),
            tuple(self._notes(shape, dtype, size, channels_first)),
            (Skipped.from_files(NOT_READ, others),)
            if (others := [name for name in members if name not in headers]) else (),
        )  # fmt: skip
        return _Known(headers, channels_first, {"y_train": y_train, "y_test": y_test}, info)

    def _notes(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], size: tuple[int, ...], channels_first: bool
    ) -> Iterator[str]:
        """Yield a line for each conversion of the images."""
        if channels_first:
            yield f"images transposed from channels first, {shape[1:]}"
        if stored_type(dtype) != dtype:
            yield f"{dtype} values kept, as float32"
        if self._image_size and size != (self._image_size,) * 2:
            yield f"images resized from {size[0]}x{size[1]}"

    def _parts(self, archive: zipfile.ZipFile, key: str) -> Parts:
        """Return the images of a member, which are read in parts or, in Fortran order, all at once."""
        known, where = self._known, printable(str(self._path))

        def parts() -> Iterator[Array]:
            with _readable(self._path), archive.open(f"{key}.npy") as member:
                shape, fortran, dtype = stored.header_of(member)
                row = math.prod(shape[1:])
                length = shape[0] if fortran else max(1, CHUNK_VALUES // row)
                for start in range(0, shape[0], length):
                    count = min(length, shape[0] - start)
                    content = member.read(count * row * dtype.itemsize)
                    images = np.frombuffer(content, dtype).reshape((count, *shape[1:]), order="F" if fortran else "C")
                    images = as_stored(where, key, images, channels_first=known.channels_first)
                    yield resized(images, self._image_size) if self._image_size else images
                member.read(1)  # at the end of the member, zipfile compares the checksum

        return Parts(*self._form(key), parts())


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Context manager that turns the errors of an unreadable file into a `UserError`."""
    try:
        yield
    except UserError:
        raise
    except stored.UNREADABLE as error:
        raise UserError(
            f"an .npz file must be readable without pickle, but {printable(str(path))} is not: {error}"
        ) from None


def _header_in(archive: zipfile.ZipFile, key: str) -> Header:
    """Return the header of a member.

    Raises:
        ValueError: The member has no header, its length differs from that in the header, or it holds objects.
    """
    with archive.open(f"{key}.npy") as member:
        shape, fortran, dtype = stored.header_of(member)
        length = member.tell() + math.prod(shape) * dtype.itemsize
    if dtype.hasobject:
        raise ValueError(f"`{key}` holds objects")
    if length != archive.getinfo(f"{key}.npy").file_size:
        raise ValueError(f"`{key}` is not of the length that its header says")
    return shape, fortran, dtype


def _check_bytes(where: str, key: str, header: Header) -> None:
    """Check that an image, or an array in Fortran order, which must be decoded at once, is not too large.

    Raises:
        UserError: It takes more than `MOST_AT_ONCE` bytes.
    """
    shape, fortran, dtype = header
    if math.prod(shape if fortran else shape[1:]) * dtype.itemsize > MOST_AT_ONCE:
        raise UserError(
            f"an array in Fortran order must take at most 1 GiB, but `{key}` of {where} takes more; save what "
            "numpy.ascontiguousarray returns for it"
            if fortran
            else f"an image must take at most 1 GiB, but one of `{key}` of {where} takes more"
        )


def _names(where: str, archive: zipfile.ZipFile, header: Header) -> tuple[str, ...]:
    """Return the names of the classes.

    Raises:
        UserError: The member does not hold texts, or some are equal.
    """
    shape, _, dtype = header
    if len(shape) != 1 or dtype.kind != "U" or dtype.itemsize > LONGEST_NAME:
        raise UserError(f"`{NAMES}` must hold a text for each class, but in {where} it has {shape} and holds {dtype}")
    names = tuple(printable(str(name)) for name in _array(archive, NAMES))
    if len({*names}) < len(names):
        raise UserError(f"`{NAMES}` must differ from each other, but in {where} some are equal")
    return names


def _array(archive: zipfile.ZipFile, key: str) -> Array:
    with archive.open(f"{key}.npy") as member:
        array: Array = np.lib.format.read_array(member, allow_pickle=False)
        return array
