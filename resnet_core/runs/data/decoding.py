"""Decoding of pictures: with all bits of a colour, with transparency, a part at a time."""

import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from resnet_core.runs.data.opening import (
    DEEP_GREY,
    GREY,
    highest,
    is_transparent,
    open_picture,
    packing,
    values_of,
)
from resnet_core.runs.data.stored import Array

OTHER = {"B": "L", "L": "B"}  # the other byte order
NATIVE = "L" if sys.byteorder == "little" else "B"  # byte order of the machine
GREYS = {"1": 255, "L;2": 85, "L;4": 17}  # factors from greys of one, two and four bits to 8 bits
LUMA = np.array([0.299, 0.587, 0.114])  # weights of red, green and blue (ITU-R 601-2), as in Pillow's `L`
SIXTEEN_BITS = 257  # factor from values of 8 bits to 16 bits: 255 becomes 65535

Box = tuple[int, int, int, int]
"""Left, upper, right and lower edge."""
Reader = Callable[[Box], tuple[Array, Array | None]]
"""Function from a box to the colours in this part of a picture, and the opacity of each pixel if it may vary."""


def upright(image: Array, orientation: int) -> Array:
    """Return an image in its upright orientation (Exif 2.3, tag 274)."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(image[::rows, ::columns])


def reader(image: Image.Image, source: Path | BytesIO, channels: int) -> Reader:
    """Decode a picture, and return a function that reads a part of it.

    Pillow's decoded picture takes at most four bytes a pixel. Larger types are used for a part at a time, to save
    memory.

    Args:
        image: The picture, opened and not decoded yet.
        source: File or content from which it was opened.
        channels: Wanted number of channels, 1 or 3. The result may have the other number.

    Returns:
        A `Reader`. The opacity is `None` if no pixel is transparent. Colours and opacity are uint8, up to 255, if the
        values of the picture are; otherwise they are float32, and the opacity is from 0 to 1.
    """
    values = values_of(image)
    if values == "uint8":
        return _eight_bits(image, channels)
    if values == "uint16" and packing(image) == DEEP_GREY:
        return _deep_grey(image)
    if values == "uint16" and image.format == "PPM" and image.mode not in GREY:
        return _deep_ppm(image)
    if values == "uint16" and image.mode not in GREY:
        return _deep_colour(source)
    clear = image.info.get("transparency")
    image.load()

    def read(box: Box) -> tuple[Array, Array | None]:
        colours = np.asarray(image.crop(box)).astype(np.float32)[..., None]
        return colours, None if clear is None else (colours[..., 0] != clear).astype(np.float32)

    return read


def _eight_bits(image: Image.Image, channels: int) -> Reader:
    """Return a function that reads a picture of 8 bits."""
    transparent = is_transparent(image) and image.mode != "LAB"
    grey = transparent and image.mode in ("1", "L")
    clear = image.info["transparency"] * GREYS.get(packing(image), 1) if grey else None
    image.load()

    def read(box: Box) -> tuple[Array, Array | None]:
        part = image.crop(box)
        if part.mode == "LAB":
            part = _from_lab(part)
        if not transparent:
            plain = _converted(part, "L" if channels == 1 else "RGB")
            return plain.reshape(part.height, part.width, -1), None
        if grey:
            colours = _converted(part, "L")
            return colours[..., None], np.where(colours == clear, 0, 255).astype(np.uint8)
        both = _converted(part, "LA" if part.mode in ("LA", "La") else "RGBA")
        return both[..., :-1], both[..., -1]

    return read


def _converted(image: Image.Image, mode: str) -> Array:
    return np.asarray(image if image.mode == mode else image.convert(mode))


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    assert converted is not None
    return converted


def composed(colours: Array, alpha: Array, background: tuple[int, int, int], values: str) -> Array:
    """Return the colours composited on a background. Opaque pixels do not change."""
    ground = background if colours.shape[2] == 3 else (round(float(LUMA @ background)),)
    if values == "uint8":
        opacity = alpha[..., None].astype(np.uint16)
        mixed = colours * opacity + np.array(ground, np.uint16) * (255 - opacity)
        return np.asarray((mixed + 127) // 255, np.uint8)
    behind = np.array(ground, np.float32) * SIXTEEN_BITS
    return np.asarray(np.rint(behind + (colours - behind) * alpha[..., None]))


def _deep_colour(source: Path | BytesIO) -> Reader:
    """Return a function that reads colours of 16 bits, and their opacity from 0 to 1.

    Pillow unpacks only the high byte of each value. With the name of the other byte order, it unpacks the low byte.
    """
    decoded = []
    for low in (False, True):
        with open_picture(source) as image:
            clear = image.info.get("transparency")
            name, _, order = str(packing(image)).rpartition(";16")
            order = NATIVE if order == "N" else order
            _repacked(image, image.mode, f"{name};16{OTHER[order] if low else order}")
            image.load()
            decoded.append(image)

    def read(box: Box) -> tuple[Array, Array | None]:
        high, low = (np.asarray(image.crop(box)).astype(np.float32) for image in decoded)
        whole = high * 256 + low
        if whole.shape[2] == 4:
            return whole[..., :3], whole[..., 3] / 65535
        return whole, None if clear is None else (whole != np.array(clear)).any(axis=2).astype(np.float32)

    return read


def _deep_ppm(image: Image.Image) -> Reader:
    """Return a function that reads the colours of a binary PPM with two bytes a colour, scaled to 16 bits."""
    assert isinstance(image, ImageFile.ImageFile)
    file, width, start, most = image.fp, image.width, image.tile[0][2], highest(image)
    assert file is not None

    def read(box: Box) -> tuple[Array, Array | None]:
        left, upper, right, lower = box
        file.seek(start + upper * width * 6)
        content = file.read((lower - upper) * width * 6)
        if len(content) < (lower - upper) * width * 6:
            raise OSError("image file is truncated")
        whole = np.frombuffer(content, ">u2").reshape(lower - upper, width, 3)[:, left:right]
        return np.minimum(np.rint(whole / most * 65535), 65535).astype(np.float32), None

    return read


def _deep_grey(image: Image.Image) -> Reader:
    """Return a function that reads greys of 16 bits, and their opacity from 0 to 1.

    The two bytes of grey and the two bytes of opacity are unpacked as four channels.
    """
    _repacked(image, "RGBA", "RGBA")
    image.load()

    def read(box: Box) -> tuple[Array, Array | None]:
        four = np.asarray(image.crop(box)).astype(np.float32)
        return four[..., :1] * 256 + four[..., 1:2], (four[..., 2] * 256 + four[..., 3]) / 65535

    return read


def _repacked(image: Image.Image, mode: str, packing: str) -> None:
    """Change the mode and the packing by which a picture will be decoded."""
    assert isinstance(image, ImageFile.ImageFile)
    for i, (name, box, offset, arguments) in enumerate(image.tile):
        further = arguments[1:] if isinstance(arguments, tuple) else ()
        make: Any = getattr(type(image.tile[i]), "_make", tuple)
        image.tile[i] = make((name, box, offset, (packing, *further) if further else packing))
    image._mode = mode
