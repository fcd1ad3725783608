"""One picture of a file: which form it has, and its pixels in the form that a network is given."""

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
"""Of a picture, that are brought to a form at the same time."""
Result = TypeVar("Result")


class Unreadable(UserError):
    """A picture that cannot be read.

    Attributes:
        reason: Why, in words.
    """

    def __init__(self, file: Path, rule: str, reason: str) -> None:
        super().__init__(f"every image must be {rule}, but {printable(str(file))} {reason}")
        self.reason = reason


class Unidentified(Unreadable):
    """A file that does not begin as a picture does."""


@dataclass(frozen=True)
class Header:
    """What is known of a picture before it is decoded.

    Attributes:
        size: Width and height, once it is upright.
        grey: Whether it has no colour.
        values: Of `VALUES`.
        transparent: Whether it has an alpha channel or a transparent colour.
        several: Whether its file holds more pictures, of which it is the first.
        cut: Whether it has more than 8 bits a colour, of which 8 are read.
    """

    size: tuple[int, int]
    grey: bool
    values: str
    transparent: bool
    several: bool
    cut: bool = False


@dataclass(frozen=True)
class Form:
    """What all pictures of a data set are brought to.

    Attributes:
        size: Width and height.
        channels: 1 or 3.
        values: `uint8`; else the type that `Header.values` says, and the pixels are of float32.
        background: Red, green and blue from 0 to 255 of what is seen where a picture is transparent.
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
    """Let Pillow be silent: of metadata that it cannot read, and of large pictures, which `MOST_PIXELS` bounds."""
    warnings.filterwarnings("ignore", module=r"PIL\.")
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


@contextmanager
def _opened(source: Path | BytesIO, file: Path) -> Iterator[Image.Image]:
    """Open a picture; whatever its reader raises, here or in the block, is an error that names the file."""
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
    """Return whether a file begins as a picture does."""
    try:
        header(file)
        return True
    except Unidentified:
        return False
    except Unreadable:
        return True


def header(file: Path) -> Header:
    """Return what is known of a picture before it is decoded.

    Raises:
        Unreadable: It is none, or is too large.
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

    It is set upright, laid on the background where it is transparent, and resized (bilinear, antialiased).

    Raises:
        Unreadable: It cannot be decoded, or is too large.
    """
    return _read(partial(_pixels, form=form), file)


def _pixels(source: Path | BytesIO, file: Path, form: Form) -> Array:
    with _opened(source, file) as image:
        if image.width * image.height > MOST_PIXELS:
            raise _too_large(file, f"{image.width}x{image.height}")
        values = values_of(image)
        turned, (width, height) = _turned(image)
        if height * form.size[0] > MOST_PIXELS:
            most = f"{MOST_PIXELS // form.size[0]:,} rows where {form.size[0]} columns are made of it"
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
    """Return where in a picture as it is stored the rows from `start` to `end` are that it has upright, with `size`."""
    width, height = size
    if orientation in (3, 4, 7, 8):
        start, end = height - end, height - start
    return (0, start, width, end) if orientation < 5 else (start, 0, end, width)


def _composed(colours: Array, alpha: Array | None, values: str, form: Form) -> Array:
    """Return a part of a picture with the channels of the form, on its background."""
    if colours.shape[2] < form.channels:
        colours = np.repeat(colours, form.channels, axis=2)
    if alpha is not None:
        colours = composed(colours, alpha, form.background, values)
    if colours.shape[2] > form.channels:
        colours = np.rint(colours @ LUMA).astype(colours.dtype)[..., None]
    return colours


def _read(read: Callable[[Path | BytesIO, Path], Result], file: Path) -> Result:
    """Read a file; a PNG that cannot be read, once more without its metadata, which may be all that is damaged.

    Raises:
        Unreadable: It cannot be read. A pipe or a device, which might never end, is not opened.
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
    """Return an image of these values in the scale of others.

    Raises:
        Unreadable: They have none in common.
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
    """Return an error in a line."""
    return printable(" ".join(str(error).split())) or type(error).__name__


def _turned(image: Image.Image) -> tuple[int, tuple[int, int]]:
    """Return how a picture is turned once it is decoded, and its size upright; Pillow sets a TIFF upright itself."""
    turned, (width, height) = _orientation(image), image.size
    tags = getattr(image, "tag_v2", None)
    if tags is not None:
        width, height = tags.get(256, width), tags.get(257, height)
    size = (width, height) if turned < 5 else (height, width)
    return (turned if tags is None else 1), size


def _orientation(image: Image.Image) -> int:
    """Return how a camera has turned a picture, from 1, not at all, to 8; 1 if its metadata cannot be read."""
    try:
        # Not the reader's own method, which for a PNG decodes all of it.
        turned = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
        return turned if isinstance(turned, int) and 1 <= turned <= 8 else 1
    except Exception:  # whatever metadata may make a reader raise: the picture is sound
        return 1
