"""How Pillow is used: which formats it reads, and what it decodes, at full depth, with what is transparent."""

import struct
import zlib
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from resnet_core.runs.data.stored import CHUNK_VALUES, Array

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF")
"""What is read, as far as this Pillow can. No format that runs a program, as EPS runs Ghostscript."""
GREY = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"})
PNG = b"\x89PNG\r\n\x1a\n"  # how such a file begins
DEEP_GREY = "LA;16B"  # greys of 16 bits with alpha, which Pillow gives as colours
GREYS = {"1": 255, "L;2": 85, "L;4": 17}  # of one, two and four bits: 8 bits have so many times the value
LUMA = np.array([0.299, 0.587, 0.114])  # of red, green and blue (ITU-R 601-2), as Pillow's `L` has them
VALUES = ("uint8", "uint16", "int32", "float32")
"""The types of the values of pictures."""
SIXTEEN_BITS = 257  # times a value of 8 bits is that of 16 bits: 255 becomes 65535


@cache
def formats() -> tuple[str, ...]:
    """Return those of `FORMATS` that the installed Pillow reads."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@cache
def suffixes() -> frozenset[str]:
    """Return the suffixes, in lower case, of files that must be pictures."""
    known = formats()
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in known) | {".mpo"}


def bare_png(file: Path) -> BytesIO | None:
    """Return a PNG without its metadata, but for what is transparent and how it was turned; nothing if it is none.

    Kept are the chunks without which there is no picture, whatever their checksums, and those two if theirs are right.
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
    """Return the type of the values; Pillow gives colours of 16 bits as of 8, which says so in the tiles alone.

    Returns:
        One of `VALUES`; or an empty text, if they cannot be read in full.
    """
    if image.mode.startswith("I;16"):
        return "uint16"
    if image.mode == "F":
        return "float32"
    if image.mode == "I":
        return "uint16" if image.format in ("PNG", "PPM") else "int32"
    raw = packing(image)
    deep = isinstance(raw, str) and ";16" in raw
    if deep and image.format == "PNG":
        return "uint16"
    if image.format == "PPM" and (tiles := getattr(image, "tile", [])):
        highest = tiles[0][3]
        deep = isinstance(highest, tuple) and isinstance(highest[-1], int) and highest[-1] > 255
    deep = deep or (image.format == "JPEG2000" and _bits_of_jpeg2000(image) > 8)
    return "" if deep else "uint8"


def packing(image: Image.Image) -> Any:
    """Return how the values are packed in the file, as its reader says."""
    tiles = getattr(image, "tile", [])
    arguments = tiles[0][3] if tiles else None
    return arguments[0] if isinstance(arguments, tuple) and arguments else arguments


def _bits_of_jpeg2000(image: Image.Image) -> int:
    """Return the bits of the first component, which the marker SIZ says."""
    assert isinstance(image, ImageFile.ImageFile)
    assert image.fp is not None
    before = image.fp.tell()
    image.fp.seek(0)
    start = image.fp.read(1 << 12)
    image.fp.seek(before)
    place = start.find(b"\xff\x4f\xff\x51")
    return (start[place + 42] & 0x7F) + 1 if 0 <= place < len(start) - 42 else 8


def is_transparent(image: Image.Image) -> bool:
    """Return whether a picture has an alpha channel or a transparent colour."""
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info


def upright(image: Array, orientation: int) -> Array:
    """Return an image as it was before a camera turned it (Exif 2.3, tag 274)."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(image[::rows, ::columns])


def decoded(image: Image.Image, source: Path | BytesIO, values: str, channels: int) -> tuple[Array, Array | None]:
    """Return the colours of a picture, and how opaque each pixel is if it may be transparent.

    Args:
        image: The picture, opened.
        source: What it was opened from.
        values: What `values_of` says of it; only of `uint8` the colours and the opacity, to 255, are of uint8.
        channels: 1 or 3, which are wanted; it may have the other.
    """
    if values == "uint8":
        return _of_eight_bits(image, channels)
    if values == "uint16" and packing(image) == DEEP_GREY:
        return _deep_grey(image)
    if values == "uint16" and image.mode not in GREY:
        return _deep_colour(source)
    colours = np.asarray(image).astype(np.float32)[..., None]
    clear = image.info.get("transparency")
    return colours, None if clear is None else (colours[..., 0] != clear).astype(np.float32)


def _of_eight_bits(image: Image.Image, channels: int) -> tuple[Array, Array | None]:
    """Return the colours of a picture of 8 bits, and how opaque each pixel is if it is transparent anywhere."""
    if image.mode == "LAB":
        image = _from_lab(image)
    if not is_transparent(image):
        wanted = "L" if channels == 1 else "RGB"
        plain = image if image.mode == wanted else image.convert(wanted)
        return np.asarray(plain).reshape(image.height, image.width, -1), None
    if image.mode in ("1", "L"):
        clear = image.info["transparency"] * GREYS.get(packing(image), 1)
        grey = np.asarray(image.convert("L"))
        return grey[..., None], np.where(grey == clear, 0, 255).astype(np.uint8)
    wanted = "LA" if image.mode in ("LA", "La") else "RGBA"
    both = np.asarray(image if image.mode == wanted else image.convert(wanted))
    return both[..., :-1], both[..., -1]


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    assert converted is not None
    return converted


def composed(colours: Array, alpha: Array, background: tuple[int, int, int], values: str) -> Array:
    """Return the colours as they look on a background; where a picture is opaque they stay what they are."""
    seen = background if colours.shape[2] == 3 else (round(float(LUMA @ background)),)
    out = np.empty(colours.shape, colours.dtype)
    rows = max(1, CHUNK_VALUES // colours.shape[1])  # at once, so that a large picture takes no memory beside itself
    for start in range(0, len(colours), rows):
        here = slice(start, start + rows)
        if values == "uint8":
            part = alpha[here, :, None].astype(np.uint16)
            mixed = colours[here] * part + np.array(seen, np.uint16) * (255 - part)
            out[here] = (mixed + 127) // 255
        else:
            behind = np.array(seen, np.float32) * SIXTEEN_BITS
            out[here] = np.rint(behind + (colours[here] - behind) * alpha[here, :, None])
    return out


def _deep_colour(source: Path | BytesIO) -> tuple[Array, Array | None]:
    """Return colours of 16 bits, and how opaque they are from 0 to 1.

    Pillow unpacks the high byte of each, by the name of the packing; by the name of the other order, the low one.
    """
    planes = []
    for order in ("B", "L"):
        with Image.open(source, formats=formats()) as image:
            clear = image.info.get("transparency")
            _repacked(image, image.mode, f"{image.mode};16{order}")
            planes.append(np.asarray(image).astype(np.float32))
    whole = planes[0] * 256 + planes[1]
    if image.mode == "RGBA":
        return whole[..., :3], whole[..., 3] / 65535
    return whole, None if clear is None else (whole != np.array(clear)).any(axis=2).astype(np.float32)


def _deep_grey(image: Image.Image) -> tuple[Array, Array]:
    """Return greys of 16 bits, and how opaque they are from 0 to 1: both bytes of both, unpacked as four channels."""
    _repacked(image, "RGBA", "RGBA")
    four = np.asarray(image).astype(np.float32)
    return four[..., :1] * 256 + four[..., 1:2], (four[..., 2] * 256 + four[..., 3]) / 65535


def _repacked(image: Image.Image, mode: str, packing: str) -> None:
    """Let a picture be unpacked in another way when it is decoded."""
    assert isinstance(image, ImageFile.ImageFile)
    name, box, offset, _ = image.tile[0]
    make: Any = getattr(type(image.tile[0]), "_make", tuple)
    image.tile = [make((name, box, offset, packing))]
    image._mode = mode
