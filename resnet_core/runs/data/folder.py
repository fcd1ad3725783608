"""A folder of images as a data set."""

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import PIL

from resnet_core.errors import UserError
from resnet_core.runs.data import cached, pictures
from resnet_core.runs.data.arrays import Images, split_stratified
from resnet_core.runs.data.checks import check_images
from resnet_core.runs.data.forms import form_of, notes_of
from resnet_core.runs.data.listing import Listing, check_classes, check_none_lost, listing
from resnet_core.runs.data.pictures import Form, Header, Unreadable
from resnet_core.runs.data.stored import Array, Parts, Rows
from resnet_core.runs.description import DataInfo, Skipped
from resnet_core.runs.reading import Reading

AT_ONCE = 64  # pictures that are decoded at the same time
PIXELS_AT_ONCE = 1 << 24  # pixels that are decoded at the same time; a picture with more is decoded alone
TEST_FRACTION = 0.2
DAMAGED = "damaged"
NOT_DECODED = "known from how the files begin, not decoded yet"


@dataclass(frozen=True)
class _Sound:
    """The files that can be read.

    Attributes:
        listing: The listing of the folder, without files that cannot be read.
        headers: Header of each file, in the order of the listing.
        damaged: Files that cannot be read, with the reasons.
    """

    listing: Listing
    headers: Mapping[Path, Header]
    damaged: tuple[str, ...] = ()


class Folder:
    """A folder with `train/<class>/*` and `test/<class>/*`, or with `<class>/*` and a stratified fifth as test images.

    Images are files of the formats in `opening.FORMATS`, of any size. Images in subfolders of a class belong to the
    class. If all images are grey there is one channel, otherwise there are three. Images are resized to `image_size`.
    Without it, they keep their size if it is the same for all, and are resized to 32 rows and columns otherwise. If an
    image has 16 bits, all images are scaled to 16 bits. The decoded arrays are kept in the user's cache folder.

    Args:
        path: The folder.
        image_size: Height and width to which the images are resized, or `None`.
        resident: Bytes up to which images are held in memory; more stay in the cache folder.
        reading: The background of transparent pictures, and whether damaged pictures are left out.
    """

    def __init__(self, path: Path, image_size: int | None, resident: float, reading: Reading) -> None:
        self._path = path
        self._image_size = image_size
        self._resident = resident
        self._reading = reading

    def describe(self) -> DataInfo:
        """Return the description of the data set from the headers of the files, or from the cache. Nothing is decoded.

        Raises:
            UserError: There are fewer than two classes with images, or a file is not an image, or is too large.
        """
        known = cached.about(self._cache)
        if known is None:
            info = self._info(self._by_headers)
            known = replace(info, notes=(*info.notes, NOT_DECODED))
        return replace(known, skipped=(*self._listing.skipped, *known.skipped))

    def load(self) -> Images:
        """Return the images.

        Raises:
            UserError: See `describe`; or an image cannot be decoded, or the cache folder has no room for images that
                are not held in memory.
        """
        info = cached.about(self._cache)
        arrays: Mapping[str, Rows] | None = cached.kept(self._cache, self._resident) if info else None
        if info is None or arrays is None:
            info, arrays = self._decode()
        images = check_images(str(self._path), arrays, info.class_names, "channels_last")
        skipped = (*self._listing.skipped, *info.skipped)
        return replace(images, values=info.values, notes=info.notes, skipped=skipped)

    @cached_property
    def _listing(self) -> Listing:
        pictures.ignore_warnings()
        return listing(self._path)

    @cached_property
    def _cache(self) -> Path:
        """Path of the cache file.

        The path changes when a file is added, moved, removed or written, and with the settings of reading.
        """
        reading = self._reading
        settings = f"4 {PIL.__version__} {self._image_size} {reading.background} {reading.skip_damaged} "
        state = hashlib.sha256(settings.encode() + os.fsencode(self._path.resolve()))
        for _, file in self._listing.files:
            stat = file.stat()
            written = f"\0{stat.st_size}\0{stat.st_mtime_ns}\0{stat.st_ctime_ns}\n"
            state.update(os.fsencode(file.relative_to(self._path)) + written.encode())
        return cached.place(state.hexdigest())

    @cached_property
    def _by_headers(self) -> _Sound:
        return self._sound(self._listing, pictures.header, _batches(self._listing.paths))

    def _sound(
        self,
        listed: Listing,
        read: Callable[[Path], Header],
        batches: Iterable[Sequence[Path]],
        before: Sequence[str] = (),
    ) -> _Sound:
        """Read files, and return those that can be read.

        Args:
            listed: The files.
            read: Function that reads a file.
            batches: The files in batches that are read at the same time.
            before: Files that are already known to be damaged, with the reasons.

        Raises:
            UserError: A file cannot be read and damaged files are not left out, or a class has no other images.
        """
        headers: dict[Path, Header] = {}
        damaged = [*before]
        with ThreadPoolExecutor() as pool:
            for batch in batches:
                for file, header in zip(batch, pool.map(partial(_tried, read), batch), strict=True):
                    if isinstance(header, Header):
                        headers[file] = header
                    elif self._reading.skip_damaged:
                        damaged.append(f"{listed.name_of(file)}: {header.reason}")
                    else:
                        raise _advised(header)
        if len(headers) < len(listed.paths):
            check_none_lost(listed, listed.only(headers), Skipped.from_files(DAMAGED, damaged))
            listed = listed.only(headers)
        return _Sound(listed, headers, tuple(damaged))

    def _form(self, sound: _Sound) -> Form:
        return form_of(str(self._path), sound.headers, self._image_size, self._reading)

    def _info(self, sound: _Sound) -> DataInfo:
        """Return the description of the data set. Its `skipped` has the damaged files only."""
        form = self._form(sound)
        names = check_classes(sound.listing)
        train, test = _split(sound.listing, names)
        counts = [np.bincount(y, minlength=len(names)).tolist() for _, y in (train, test)]
        return DataInfo(
            (form.size[1], form.size[0], form.channels), len(names), len(train[1]), 0, len(test[1]), form.values,
            names, tuple(zip(*counts, strict=True)), tuple(notes_of(sound.headers, form, self._reading)),
            (Skipped.from_files(DAMAGED, sound.damaged),) if sound.damaged else (),
        )  # fmt: skip

    def _decode(self) -> tuple[DataInfo, Mapping[str, Rows]]:
        """Decode the images and write them to the cache. Return the description and the arrays."""
        sound = self._by_headers
        if self._reading.skip_damaged:  # images are decoded twice, since their number must be known before the first
            decodes = partial(_decodes, headers=sound.headers, form=self._form(sound))
            sound = self._sound(sound.listing, decodes, _batches(sound.headers, sound.headers), sound.damaged)
        info, form = self._info(sound), self._form(sound)
        train, test = _split(sound.listing, info.class_names)

        def images(files: Sequence[Path]) -> Parts:
            shape = (len(files), form.size[1], form.size[0], form.channels)
            return Parts(shape, form.dtype, _decoded(files, sound.headers, form))

        decoded: dict[str, Array | Parts] = {
            "x_train": images(train[0]), "y_train": train[1],
            "x_test": images(test[0]), "y_test": test[1],
        }  # fmt: skip
        if cached.size(decoded) > self._resident:
            return info, cached.store(self._cache, info, decoded)
        whole = {key: part.array() if isinstance(part, Parts) else part for key, part in decoded.items()}
        with suppress(OSError):
            cached.write(self._cache, info, whole)
        return info, whole


def _split(listed: Listing, class_names: Sequence[str]) -> tuple[tuple[list[Path], Array], tuple[list[Path], Array]]:
    """Return the paths and the classes of the training images, and those of the test images."""
    place = {name: i for i, name in enumerate(dict.fromkeys(sorted(name for name, _ in listed.files)))}
    assert len(place) == len(class_names)
    y = np.array([place[name] for name, _ in listed.files])
    if "all" in listed.parts:
        train, test = split_stratified(y, len(y) - max(1, round(TEST_FRACTION * len(y))), seed=0)
    else:
        train, test = np.split(np.arange(len(y)), [len(listed.parts["train"])])
    paths = listed.paths
    return ([paths[i] for i in train], y[train]), ([paths[i] for i in test], y[test])


def _decoded(files: Sequence[Path], headers: Mapping[Path, Header], form: Form) -> Iterator[Array]:
    """Yield the images of `files` in batches."""

    def read(file: Path) -> Array:
        try:
            return pictures.pixels(file, form)
        except Unreadable as error:
            raise _advised(error) from None

    with ThreadPoolExecutor() as pool:
        for batch in _batches(files, headers, form):
            yield np.stack(list(pool.map(read, batch)))


def _decodes(file: Path, headers: Mapping[Path, Header], form: Form) -> Header:
    """Check that a picture can be decoded, and return its header.

    Raises:
        Unreadable: The picture cannot be decoded.
    """
    pictures.pixels(file, form)
    return headers[file]


def _tried(read: Callable[[Path], Header], file: Path) -> Header | Unreadable:
    try:
        return read(file)
    except Unreadable as error:
        return error


def _advised(error: Unreadable) -> UserError:
    return UserError(f"{error}; --skip-damaged leaves out damaged images")


def _batches(
    files: Iterable[Path], headers: Mapping[Path, Header] | None = None, form: Form | None = None
) -> Iterator[list[Path]]:
    """Yield the files in batches of at most `AT_ONCE` files and `PIXELS_AT_ONCE` pixels, in their order."""
    least = form.size[0] * form.size[1] if form else 0
    batch: list[Path] = []
    pixels = 0
    for file in files:
        more = max(least, math.prod(headers[file].size)) if headers else 0
        if batch and (len(batch) == AT_ONCE or pixels + more > PIXELS_AT_ONCE):
            yield batch
            batch, pixels = [], 0
        batch.append(file)
        pixels += more
    if batch:
        yield batch
