"""Properties of a picture before it is decoded: its format, the type of its values, whether it is transparent."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageFile

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF")
"""Formats that are read, if the installed Pillow supports them. None runs a program, as EPS runs Ghostscript."""
GREY = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"})
PNG = b"\x89PNG\r\n\x1a\n"  # the first bytes of a PNG file
DEEP_GREY = "LA;16B"  # greys of 16 bits with alpha, which Pillow decodes as colours
DEEP_TIFF = frozenset(f"{mode};16{order}" for mode in ("RGB", "RGBX", "RGBA") for order in "BLN")
VALUES = ("uint8", "uint16", "int32", "float32")
"""The types of the values of pictures."""


@cache
def formats() -> tuple[str, ...]:
    """Return the formats of `FORMATS` that the installed Pillow reads."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@cache
def suffixes() -> frozenset[str]:
    """Return the suffixes, in lower case, of files that are read as pictures."""
    known = formats()
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in known) | {".mpo"}


@contextmanager
def open_picture(source: Path | BytesIO) -> Iterator[Image.Image]:
    """Context manager that opens a picture.

    The file is not opened by Pillow, which would map it into memory and then decode rotated TIFFs wrongly.
    """
    opened = nullcontext(source) if isinstance(source, BytesIO) else source.open("rb")
    with opened as file, Image.open(file, formats=formats()) as image:
        yield image


def bare_png(file: Path) -> BytesIO | None:
    """Return a PNG without its metadata, except transparency and orientation, or `None` if the file is not a PNG.

    Critical chunks are kept whatever their checksums are. The chunks of transparency and orientation are kept if their
    checksums are right.
    """
    try:
        content = file.read_bytes()
    except OSError:
        return None
    if not content.startswith(PNG):
        return None
    bare, place = [PNG], len(PNG)
    while place + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        chunk = content[place : place + length + 12]
        critical = not kind[0] & 0x20
        sound = zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")
        if critical or (kind in (b"tRNS", b"eXIf") and sound):
            bare.append(chunk)
        place += length + 12
    return BytesIO(b"".join(bare))


def values_of(image: Image.Image) -> str:
    """Return the type of the values with which a picture is read, one of `VALUES`."""
    if image.mode.startswith("I;16"):
        return "uint16"
    if image.mode == "F":
        return "float32"
    if image.mode == "I":
        return "uint16" if image.format in ("PNG", "PPM") else "int32"
    return "uint16" if _is_deep(image) else "uint8"


def is_cut(image: Image.Image) -> bool:
    """Return whether a picture has more than 8 bits per colour, but Pillow decodes only 8."""
    if values_of(image) != "uint8":
        return False
    match image.format:
        case "PPM":
            return highest(image) > 255
        case "JPEG2000":
            siz = _content(image).partition(b"\xff\x4f\xff\x51")[2]
            return len(siz) > 38 and siz[38] & 0x7F > 7  # number of bits, minus one, of the first component
        case "AVIF":
            return any(config[2] & 0x40 for config in _content(image).split(b"av1C")[1:] if len(config) > 2)
        case "TIFF":
            bits: tuple[int, ...] = getattr(image, "tag_v2", {}).get(258, (8,))
            return max(bits) > 8
    return False


def _is_deep(image: Image.Image) -> bool:
    """Return whether colours have 16 bits that `decoding` can read, although Pillow decodes only 8."""
    match image.format:
        case "PNG":
            return ";16" in str(packing(image))
        case "TIFF":
            in_one_plane = getattr(image, "tag_v2", {}).get(284, 1) == 1
            return packing(image) in DEEP_TIFF and bool(in_one_plane)
        case "PPM":
            return highest(image) > 255 and bool(getattr(image, "tile", [("",)])[0][0] == "ppm")
    return False


def packing(image: Image.Image) -> Any:
    """Return Pillow's name of the packing of the values in the file."""
    tiles = getattr(image, "tile", [])
    arguments = tiles[0][3] if tiles else None
    return arguments[0] if isinstance(arguments, tuple) and arguments else arguments


def highest(image: Image.Image) -> int:
    """Return the highest value that a PPM may have."""
    tiles = getattr(image, "tile", [])
    last = tiles[0][3][-1] if tiles and isinstance(tiles[0][3], tuple) else 0
    return last if isinstance(last, int) else 0


def _content(image: Image.Image) -> bytes:
    """Return the content of the file of an open picture."""
    assert isinstance(image, ImageFile.ImageFile)
    assert image.fp is not None
    before = image.fp.tell()
    image.fp.seek(0)
    content = image.fp.read()
    image.fp.seek(before)
    return content


def is_transparent(image: Image.Image) -> bool:
    """Return whether a picture has an alpha channel or a transparent colour."""
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
