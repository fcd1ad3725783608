"""Encoded pictures written as a folder of classes, `train/<class>/*` and `test/<class>/*`."""

import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from resnet_core.errors import UserError
from resnet_core.folders import naming, path_aside
from resnet_core.runs.description import counted
from resnet_core.telling import say

EXTENSIONS = {"JPEG": "jpg", "TIFF": "tif"}
Row = tuple[int, bytes]
"""The class of a picture, and its encoded bytes."""


@dataclass(frozen=True)
class Pictures:
    """The pictures of a data set.

    Attributes:
        class_names: Names of the classes, in the order of their numbers.
        splits: Names of the splits, `train` first, with what yields the rows of each.
    """

    class_names: Sequence[str]
    splits: Mapping[str, Callable[[], Iterable[Row]]]


def write_folder(folder: Path, what: str, pictures: Pictures) -> None:
    """Write the pictures of a data set as a folder, as a whole.

    Raises:
        UserError: A picture has no class, or is none.
    """
    names = _folder_names(pictures.class_names)
    parts = [""] if len(pictures.splits) == 1 else ["train", "test"]
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = path_aside(folder.parent)
    count = 0
    try:
        with naming(folder):
            for part, (split, rows) in zip(parts, pictures.splits.items(), strict=True):
                for number, (label, encoded) in enumerate(rows()):
                    if not 0 <= label < len(names):
                        raise UserError(
                            f"every picture must have a class, but number {number} of the split '{split}' of {what} "
                            f"has {label}; test=SPLIT names one that has classes"
                        )
                    place = aside / part / names[label]
                    place.mkdir(parents=True, exist_ok=True)
                    (place / f"{number:08d}.{_extension(encoded)}").write_bytes(encoded)
                    count += 1
            aside.rename(folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        if folder.is_dir():  # another process was first
            return
        raise
    say(f"{counted(count, 'picture')} of {what} written to {folder}")


def _folder_names(class_names: Sequence[str]) -> list[str]:
    """Return the name of the folder of each class; numbers are padded with zeros, so that they stay in order."""
    if all(name.isdecimal() for name in class_names):
        width = max(map(len, class_names))
        return [name.zfill(width) for name in class_names]
    plain = [re.sub(r"[/\\\0]", "_", name).strip() or "_" for name in class_names]
    plain = [f"_{name}" if name.startswith(".") else name for name in plain]
    return [f"{name}_{i}" if plain.count(name) > 1 else name for i, name in enumerate(plain)]


def _extension(encoded: bytes) -> str:
    """Return the extension of an encoded picture; `png` for what is none, so that reading it says so."""
    try:
        with Image.open(BytesIO(encoded)) as image:
            kind = image.format or "PNG"
    except Exception:  # whatever Pillow may raise; reading the file names it
        kind = "PNG"
    return EXTENSIONS.get(kind, kind.lower())
