"""A picture in a file: its header, and its pixels in the common form of a data set."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from resnet_core.errors import UserError
from resnet_core.runs.data.arrays import scaled
from resnet_core.runs.data.checks import MOST_PIXELS
from resnet_core.runs.data.decoding import LUMA, SIXTEEN_BITS, Box, composed, reader, upright
from resnet_core.runs.data.opening import (
    DEEP_GREY,
    GREY,
    bare_png,
    formats,
    is_cut,
    is_transparent,
    open_picture,
    packing,
    values_of,
)
from resnet_core.runs.data.stored import Array
from resnet_core.runs.description import printable

PIXELS_AT_ONCE = 1 << 20
"""Number of pixels of a picture that are converted at the same time."""
Result = TypeVar("Result")


class Unreadable(UserError):
    """Raised for a picture that cannot be read.

    Attributes:
        reason: The reason, in words.
    """

    def __init__(self, file: Path, rule: str, reason: str) -> None:
        super().__init__(f"every image must be {rule}, but {printable(str(file))} {reason}")
        self.reason = reason


class Unidentified(Unreadable):
    """Raised for a file whose first bytes are not those of a picture."""


@dataclass(frozen=True)
class Header:
    """Properties of a picture that are known before it is decoded.

    Attributes:
        size: Width and height in the upright orientation.
        grey: Whether the picture has no colour.
        values: Type of its values, one of `opening.VALUES`.
        transparent: Whether the picture has an alpha channel or a transparent colour.
        several: Whether the file holds more pictures. Only the first is read.
        cut: Whether the picture has more than 8 bits a colour, of which only 8 are read.
    """

    size: tuple[int, int]
    grey: bool
    values: str
    transparent: bool
    several: bool
    cut: bool = False


@dataclass(frozen=True)
class Form:
    """The common form of all pictures of a data set.

    Attributes:
        size: Width and height.
        channels: Number of channels, 1 or 3.
        values: Type of the values, as in `Header`. The pixels are uint8 for `uint8`, otherwise float32.
        background: Red, green and blue, from 0 to 255, behind transparent pixels.
    """

    size: tuple[int, int]
    channels: int
    values: str
    background: tuple[int, int, int]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the pixels."""
        return np.dtype(np.uint8 if self.values == "uint8" else np.float32)


def ignore_warnings() -> None:
    """Silence Pillow's warnings of unreadable metadata and of large pictures, whose size `MOST_PIXELS` limits."""
    warnings.filterwarnings("ignore", module=r"PIL\.")
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


@contextmanager
def _opened(source: Path | BytesIO, file: Path) -> Iterator[Image.Image]:
    """Context manager that opens a picture. An exception of Pillow, here or in the block, becomes an `Unreadable`."""
    try:
        with open_picture(source) as image:
            yield image
    except UserError:
        raise
    except UnidentifiedImageError:
        kinds = ", ".join(formats()[:-1])
        raise Unidentified(file, f"a {kinds} or {formats()[-1]}", "cannot be identified as one") from None
    except Image.DecompressionBombError:
        raise _too_large(file, "more") from None
    except Exception as error:  # whatever a reader of Pillow, zlib or struct may raise
        if isinstance(error, OSError) and error.errno:
            raise Unreadable(file, "a readable file", f"cannot be read: {error.strerror}") from None
        raise Unreadable(file, "whole", f"cannot be decoded: {_words(error)}") from None


def is_picture(file: Path) -> bool:
    """Return whether the first bytes of a file are those of a picture."""
    try:
        header(file)
        return True
    except Unidentified:
        return False
    except Unreadable:
        return True


def header(file: Path) -> Header:
    """Return the header of a picture.

    Raises:
        Unreadable: The file is not a picture, or the picture is too large.
    """
    return _read(_header, file)


def _header(source: Path | BytesIO, file: Path) -> Header:
    with _opened(source, file) as image:
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise _too_large(file, f"{width}x{height}")
        several = bool(getattr(image, "is_animated", False))
        _, size = _turned(image)
        grey = image.mode in GREY or packing(image) == DEEP_GREY
        return Header(size, grey, values_of(image), is_transparent(image), several, is_cut(image))


def pixels(file: Path, form: Form) -> Array:
    """Return a picture as (height, width, channels).

    The picture is turned upright, composited on the background, and resized (bilinear, antialiased).

    Raises:
        Unreadable: The picture cannot be decoded, or is too large.
    """
    return _read(partial(_pixels, form=form), file)


def _pixels(source: Path | BytesIO, file: Path, form: Form) -> Array:
    with _opened(source, file) as image:
        if image.width * image.height > MOST_PIXELS:
            raise _too_large(file, f"{image.width}x{image.height}")
        values = values_of(image)
        turned, (width, height) = _turned(image)
        if height * form.size[0] > MOST_PIXELS:
            most = f"{MOST_PIXELS // form.size[0]:,} rows to be resized to {form.size[0]} columns"
            raise Unreadable(file, f"of at most {most}", f"has {width}x{height}; make it smaller")
        read = reader(image, source, form.channels)
        strips = []
        rows = max(1, PIXELS_AT_ONCE // width)
        for start in range(0, height, rows):
            box = _box((width, height), turned, start, min(start + rows, height))
            strip = upright(_composed(*read(box), values, form), turned)
            strip = _rescaled(strip, values, form.values, file)
            strips.append(scaled(strip, (form.size[0], len(strip))))
    return scaled(np.concatenate(strips), form.size)


def _box(size: tuple[int, int], orientation: int, start: int, end: int) -> Box:
    """Return the box in the stored picture with the rows from `start` to `end` of the upright one, which has `size`."""
    width, height = size
    if orientation in (3, 4, 7, 8):
        start, end = height - end, height - start
    return (0, start, width, end) if orientation < 5 else (start, 0, end, width)


def _composed(colours: Array, alpha: Array | None, values: str, form: Form) -> Array:
    """Return a part of a picture, composited on the background of the form, with its channels."""
    if colours.shape[2] < form.channels:
        colours = np.repeat(colours, form.channels, axis=2)
    if alpha is not None:
        colours = composed(colours, alpha, form.background, values)
    if colours.shape[2] > form.channels:
        colours = np.rint(colours @ LUMA).astype(colours.dtype)[..., None]
    return colours


def _read(read: Callable[[Path | BytesIO, Path], Result], file: Path) -> Result:
    """Read a file. If a PNG cannot be read, it is read again without its metadata, since only these may be damaged.

    Raises:
        Unreadable: The file cannot be read. A pipe or a device, which might never end, is not opened.
    """
    if file.exists() and not (file.is_file() or file.is_dir()):
        raise Unreadable(file, "a readable file", "is a pipe or a device")
    try:
        return read(file, file)
    except Unreadable as error:
        bare = bare_png(file)
        if bare is None:
            raise
        try:
            return read(bare, file)
        except Unreadable:
            raise error from None


def _rescaled(image: Array, values: str, wanted: str, file: Path) -> Array:
    """Return an image, which has values of one type, in the scale of another type.

    Raises:
        Unreadable: The types have no common scale.
    """
    match values, wanted:
        case _ if values == wanted:
            return image
        case "uint8", "uint16":
            return image.astype(np.float32) * SIXTEEN_BITS
        case "uint16", "uint8":
            return np.rint(image / SIXTEEN_BITS).astype(np.uint8)
        case _:
            raise Unreadable(file, f"of {wanted} as the others", f"has {values}; save it alike")


def _too_large(file: Path, has: str) -> Unreadable:
    return Unreadable(file, f"of at most {MOST_PIXELS:,} pixels", f"has {has}; make it smaller")


def _words(error: Exception) -> str:
    """Return the message of an error in one line."""
    return printable(" ".join(str(error).split())) or type(error).__name__


def _turned(image: Image.Image) -> tuple[int, tuple[int, int]]:
    """Return the orientation of a decoded picture, and its upright size. Pillow turns a TIFF upright by itself."""
    turned, (width, height) = _orientation(image), image.size
    tags = getattr(image, "tag_v2", None)
    if tags is not None:
        width, height = tags.get(256, width), tags.get(257, height)
    size = (width, height) if turned < 5 else (height, width)
    return (turned if tags is None else 1), size


def _orientation(image: Image.Image) -> int:
    """Return the Exif orientation of a picture, from 1 (upright) to 8; 1 if the metadata cannot be read."""
    try:
        # The method of the base class, since that of a PNG decodes the whole picture.
        turned = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
        return turned if isinstance(turned, int) and 1 <= turned <= 8 else 1
    except Exception:  # damaged metadata may raise anything, but the picture can be read
        return 1
