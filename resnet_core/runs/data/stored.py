"""Arrays in an uncompressed `.npz` file, which is written part by part, and read when its rows are needed."""

import math
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from threading import Lock
from typing import IO, Any
from weakref import finalize

import numpy as np

from resnet_core.folders import naming, path_aside, sweep

Array = np.ndarray[Any, np.dtype[Any]]
CHUNK_VALUES = 1 << 20
UNREADABLE = (OSError, ValueError, TypeError, KeyError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
class Parts:
    """An array that is computed part by part, along its first axis."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    parts: Iterable[Array]

    def array(self) -> Array:
        """Return the whole array."""
        whole, end = np.empty(self.shape, self.dtype), 0
        for part in self.parts:
            whole[end : end + len(part)] = part
            end += len(part)
        return whole


class _File:
    """An open file that several threads can read at any position.

    Attributes:
        path: The path of the file.
        buffered: The file with a buffer, to be read before the first `fill`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._raw = path.open("rb", buffering=0)
        self.buffered = BufferedReader(self._raw)
        self._lock = Lock()
        finalize(self, self.buffered.close)

    def fill(self, place: int, into: memoryview) -> None:
        """Fill `into` with the bytes at `place`.

        Raises:
            OSError: The file cannot be read, or is too short.
        """
        with self._lock:
            self._raw.seek(place)
            while into:
                count = self._raw.readinto(into)
                if not count:
                    raise OSError(f"{self.path} has become shorter since it was opened")
                into = into[count:]


class StoredImages:
    """Images in a file. The file is not mapped, so pages that were read do not count as memory of the process.

    Attributes:
        shape, dtype: Those of the array of all images.
    """

    def __init__(self, file: _File, place: int, row: tuple[int, ...], dtype: np.dtype[Any], rows: Array) -> None:
        self.shape: tuple[int, ...] = (len(rows), *row)
        self.dtype = dtype
        self._file = file
        self._place = place
        self._rows = rows

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, chosen: slice | Array) -> "StoredImages":
        """Return the chosen images, without reading them."""
        return StoredImages(self._file, self._place, self.shape[1:], self.dtype, self._rows[chosen])

    def read(self) -> Array:
        """Return the images as an array.

        Raises:
            OSError: The file cannot be read.
        """
        images = np.empty(self.shape, self.dtype)
        size = math.prod(self.shape[1:]) * self.dtype.itemsize
        content = memoryview(images.reshape(-1).view(np.uint8).data)
        starts = np.flatnonzero(np.diff(self._rows, prepend=-2) != 1)  # of ranges that are contiguous in the file
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(self)]):
            self._file.fill(self._place + int(self._rows[start]) * size, content[start * size : end * size])
        return images


Rows = Array | StoredImages


def chunks(rows: Rows) -> Iterator[Array]:
    """Yield the rows in order, as arrays of about `CHUNK_VALUES` values, whose sizes do not depend on the storage."""
    length = max(1, CHUNK_VALUES // max(1, math.prod(rows.shape[1:])))
    for start in range(0, len(rows), length):
        part = rows[start : start + length]
        yield part.read() if isinstance(part, StoredImages) else part


def write(path: Path, arrays: Mapping[str, Array | Parts]) -> None:
    """Write an `.npz` file atomically.

    Raises:
        OSError: The disk is full, or the folder is not writable.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    aside = path_aside(path.parent)
    try:
        with naming(path), zipfile.ZipFile(aside, "w") as archive:
            for name, array in arrays.items():
                parts = array if isinstance(array, Parts) else Parts(array.shape, array.dtype, [array])
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                    header = {"descr": parts.dtype.str, "fortran_order": False, "shape": parts.shape}
                    np.lib.format.write_array_header_1_0(member, header)
                    for part in parts.parts:
                        member.write(np.ascontiguousarray(part).data)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


Header = tuple[tuple[int, ...], bool, np.dtype[Any]]


def header_of(member: IO[bytes]) -> Header:
    """Read the header of an `.npy` file: shape, whether the order is Fortran's, and type.

    Raises:
        ValueError: There is no header, or its version is later than 2.
    """
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(member)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(member)
    raise ValueError(f"unknown version {version} of the .npy format")


def read(
    path: Path, names: Iterable[str], lazily: Collection[str] = (), *, check: bool = True
) -> dict[str, Rows] | None:
    """Return arrays of a file that `write` wrote, or `None` if the file is missing or damaged.

    Args:
        path: The file.
        names: Names of the arrays.
        lazily: Names of the arrays that are returned as `StoredImages`.
        check: Whether the checksums of the whole file are checked, if there are such arrays.
    """
    try:
        file = _File(path)
        with zipfile.ZipFile(file.buffered) as archive:
            if lazily and check and archive.testzip() is not None:
                return None
            arrays = {name: _array(archive, name) for name in names if name not in lazily}
            places = {name: _place(archive, name) for name in lazily}
        return {**arrays, **{name: _lazy(file, *place) for name, place in places.items()}}
    except UNREADABLE:
        return None


def _array(archive: zipfile.ZipFile, name: str) -> Array:
    with archive.open(f"{name}.npy") as member:
        array: Array = np.lib.format.read_array(member, allow_pickle=False)
        return array


def _place(archive: zipfile.ZipFile, name: str) -> tuple[int, int, Header]:
    """Return the position of an array's member, the length of the array's header, and the header."""
    with archive.open(f"{name}.npy") as member:
        header = header_of(member)
        return archive.getinfo(f"{name}.npy").header_offset, member.tell(), header


def _lazy(file: _File, start: int, length: int, header: Header) -> StoredImages:
    local = bytearray(30)  # the header of the member in the archive; its name, an extra field and the content follow
    file.fill(start, memoryview(local))
    shape, _, dtype = header
    place = start + len(local) + sum(struct.unpack("<HH", local[26:])) + length
    return StoredImages(file, place, shape[1:], dtype, np.arange(shape[0]))
