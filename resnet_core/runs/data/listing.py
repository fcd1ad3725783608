"""The listing of a folder of images: the files that are read, with their classes, and the others, with the reasons."""

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from resnet_core.errors import UserError
from resnet_core.runs.data import opening, pictures
from resnet_core.runs.description import Skipped, printable

LITTER = frozenset({"thumbs.db", "desktop.ini", "__macosx", "$recycle.bin"})
"""Names in lower case of files that operating systems leave in folders, besides names that begin with a dot."""
SPLITS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval"})
HIDDEN = "hidden or left by the system"
NO_PICTURE = "not an image that is read"
OUTSIDE = "outside of the classes' folders"
BESIDE = "beside train and test"
LOOP = "link to a folder around it"
NOWHERE = "link to nothing"
NO_FILE = "neither file nor folder"

File = tuple[str, Path]
Identity = tuple[int, int]


@dataclass
class Listing:
    """The files in a folder of images.

    Attributes:
        root: The folder.
        parts: The class and the path of every image, sorted, by part: `train` and `test`, or `all`.
        left_out: Paths of files and folders that are not read, by the reason.
    """

    root: Path
    parts: dict[str, list[File]] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)

    @property
    def files(self) -> list[File]:
        """The images of all parts."""
        return [file for part in self.parts.values() for file in part]

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Files and folders that are not read, with the reasons."""
        return tuple(Skipped.from_files(reason, files) for reason, files in self.left_out.items())

    @property
    def paths(self) -> list[Path]:
        """The paths of the images."""
        return [path for _, path in self.files]

    def only(self, kept: Collection[Path]) -> "Listing":
        """Return the listing with only these files."""
        parts = {part: [(name, path) for name, path in files if path in kept] for part, files in self.parts.items()}
        return Listing(self.root, parts, self.left_out)

    def leave_out(self, reason: str, path: Path) -> None:
        """Record that a file or folder is not read."""
        self.left_out.setdefault(reason, []).append(self.name_of(path))

    def name_of(self, path: Path) -> str:
        """Return a path relative to the folder."""
        return str(path.relative_to(self.root))


def listing(folder: Path) -> Listing:
    """Return the listing of a folder with `train/<class>/` and `test/<class>/`, or with `<class>/`.

    Images may be in subfolders of the classes. They have the order of `keras.utils`: classes by name, and the images of
    a class folder by folder. Links are followed, except links to a folder that contains them.

    Raises:
        UserError: A folder cannot be read, a class has no image, or there are fewer than two classes.
    """
    listed = Listing(folder)
    splits = [name for name in ("train", "test") if (folder / name).is_dir()]
    if len(splits) == 1:
        (other,) = {"train", "test"} - {*splits}
        raise UserError(
            f"a folder of images must have both train/ and test/ or neither, "
            f"but {_shown(folder)} has {splits[0]}/ and no {other}/"
        )
    if splits:
        for entry in _entries(folder):
            if entry.name not in splits:
                listed.leave_out(HIDDEN if _hidden(entry) else BESIDE, Path(entry.path))
    for part in splits or ["all"]:
        listed.parts[part] = list(_classes(listed, folder / part if splits else folder))
    check_classes(listed)
    return listed


def check_none_lost(before: Listing, after: Listing, damaged: Skipped) -> None:
    """Check that every class of every part still has images.

    Raises:
        UserError: All images of a class are damaged.
    """
    for part, files in before.parts.items():
        left = {name for name, _ in after.parts[part]}
        lost = next((path.parent for name, path in files if name not in left), None)
        if lost:
            raise UserError(
                f"every class must have an image that can be read, but {_shown(before.root)} has none in "
                f"{printable(before.name_of(lost))}/; {damaged.text}"
            )


def check_classes(listed: Listing) -> tuple[str, ...]:
    """Return the names of the classes.

    Raises:
        UserError: There are fewer than two classes, or a class has no images in a part.
    """
    by_part = {part: {name for name, _ in files} for part, files in listed.parts.items()}
    names = sorted(set().union(*by_part.values()))
    where = _shown(listed.root)
    if len(names) < 2:
        has = f"only '{printable(names[0])}'" if names else "none"
        raise UserError(
            "a folder of images must have two classes or more, each a folder with images, "
            f"but {where} has {has}{_not_read(listed)}"
        )
    if {name.lower() for name in names} <= SPLITS:
        raise UserError(
            f"a folder of images must have its parts in train/ and test/, but {where} has {' and '.join(names)}; "
            "rename them"
        )
    for part, names_in_part in by_part.items():
        lacking = [name for name in names if name not in names_in_part]
        if lacking:
            raise UserError(
                f"every class must have images in train/ and in test/, but {where} has none in "
                f"{part}/{printable(lacking[0])}/"
            )
    return tuple(map(printable, names))


def _classes(listed: Listing, folder: Path) -> Iterator[File]:
    """Yield the images of the classes in a folder."""
    for entry in _entries(folder):
        path = Path(entry.path)
        if _hidden(entry):
            listed.leave_out(HIDDEN, path)
        elif not path.is_dir():
            listed.leave_out(OUTSIDE, path)
        else:
            files = [file for _, folders in sorted(_walk(listed, path)) for file in folders]
            if not files:
                raise UserError(
                    f"every class must be a folder with images in it, but {_shown(path)} has none{_not_read(listed)}"
                )
            yield from ((entry.name, file) for file in files)


def _walk(listed: Listing, top: Path) -> Iterator[tuple[str, list[Path]]]:
    """Yield the path of each subfolder, and of `top`, with the images in it."""
    left: list[tuple[Path, frozenset[Identity]]] = [(top, frozenset({_identity(top.parent.stat())}))]
    while left:
        folder, above = left.pop()
        identity = _identity(folder.stat())
        if identity in above:
            listed.leave_out(LOOP, folder)
            continue
        files = []
        for entry in _entries(folder):
            path = Path(entry.path)
            reason = _reason(entry)
            if reason:
                listed.leave_out(reason, path)
            elif entry.is_dir():
                left.append((path, above | {identity}))
            else:
                files.append(path)
        yield str(folder), files


def _reason(entry: os.DirEntry[str]) -> str:
    """Return why a file or folder is not read, or an empty text if it is read."""
    if _hidden(entry):
        return HIDDEN
    try:
        mode = entry.stat().st_mode
    except OSError:
        return NOWHERE
    if stat.S_ISDIR(mode):
        return ""
    if not stat.S_ISREG(mode):
        return NO_FILE
    path = Path(entry.path)
    known = path.suffix.lower() in opening.suffixes() or (not path.suffix and pictures.is_picture(path))
    return "" if known else NO_PICTURE


def _identity(state: os.stat_result) -> Identity:
    return state.st_dev, state.st_ino


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"a folder of images must be readable, but {_shown(folder)}: {error.strerror}") from None


def _hidden(entry: os.DirEntry[str]) -> bool:
    return entry.name.startswith(".") or entry.name.lower() in LITTER


def _shown(path: Path) -> str:
    return printable(str(path))


def _not_read(listed: Listing) -> str:
    """Return the end of an error message that lists files that are not read."""
    skipped = "; ".join(skip.text for skip in listed.skipped)
    return f"; not read: {skipped}" if skipped else ""
