"""Folders that a program writes into, and how it writes a file."""

import os
import platform
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from resnet_core.errors import UserError

DEFAULT_OUT = Path("results/local")  # where studies and searches are written
ASIDE = ".writing-"
OLD_SECONDS = 24 * 3600.0


def check_writable(folder: Path) -> None:
    """Check that `folder` is writable, or can be made and will be, without making it.

    Raises:
        UserError: It cannot be.
    """
    there = folder
    while not there.exists() and not there.is_symlink() and there != there.parent:
        there = there.parent
    # The mode is asked as well: a superuser may write where the owner has said not to.
    writable = os.access(there, os.W_OK) and there.stat().st_mode & 0o222
    if not there.is_dir() or not writable:
        what = "is read-only" if there.is_dir() else "is not a folder"
        raise UserError(f"the output folder must be writable, but {there} {what}; choose another --out")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Give an error of the system that names no file the name of `path`: a full disk is met while writing."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def path_aside(folder: Path) -> Path:
    """Return a path in `folder` that no other process or machine writes to."""
    return folder / f"{ASIDE}{platform.node()}-{os.getpid()}-{uuid.uuid4().hex}"


def write_file(path: Path, content: bytes | str, *, durable: bool = True) -> None:
    """Write a file as a whole: a reader, and a process that dies, leave the old content or the new one.

    Args:
        path: The file; its folder exists.
        content: Bytes, or text, which is written as UTF-8; what UTF-8 has no character for is written as its escape.
        durable: Whether the content survives a loss of power once this returns.
    """
    with naming(path), _written_aside(path.parent, content, durable=durable) as aside:
        aside.replace(path)
    if durable:
        sync(path.parent)


def write_beside(path: Path, content: bytes) -> None:
    """Write a file, as `write_file` does, into a folder of a study's that is made if need be.

    Raises:
        UserError: There is no room, or the folder cannot be written, or the study's is no longer there.
    """
    try:
        path.parent.mkdir(exist_ok=True)
        write_file(path, content)
    except OSError as error:
        raise UserError(
            f"a file of a study must have room in a folder that can be written, but {path}: {error.strerror or error}"
        ) from None


def write_new(path: Path, content: bytes | str) -> bool:
    """Write a file that does not exist yet, as `write_file` does; return whether it was written, or was there.

    Two that write the same file at once do not both write it, where the file system has hard links.
    """
    with naming(path), _written_aside(path.parent, content, durable=True) as aside:
        try:
            os.link(aside, path)
        except FileExistsError:
            return False
        except OSError:  # no hard links here
            if path.exists():
                return False
            aside.replace(path)
    sync(path.parent)
    return True


@contextmanager
def _written_aside(folder: Path, content: bytes | str, *, durable: bool) -> Iterator[Path]:
    """Give a file with this content in `folder` that is to be moved to its place; what is left of it is removed."""
    aside = path_aside(folder)
    try:
        with aside.open("wb") as file:
            file.write(content.encode(errors="backslashreplace") if isinstance(content, str) else content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        yield aside
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Let what was written to a file, or which names a folder has, survive a loss of power."""
    with suppress(OSError):  # a file system may have no such thing for folders
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sweep(folder: Path, pattern: str = "") -> None:
    """Remove what a process that is no more was writing in `folder`, or in the folders below it by `**/`.

    Of another machine's processes nothing is known: what they were writing is removed when it is a day old.
    """
    for left in folder.glob(f"{pattern}{ASIDE}*"):
        with suppress(FileNotFoundError):
            if _is_left_behind(left):
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def _is_left_behind(left: Path) -> bool:
    owner = re.fullmatch(rf"{re.escape(ASIDE)}(?P<node>.*)-(?P<pid>\d{{1,9}})-[0-9a-f]+(\.\w+)?", left.name)
    if not owner or owner["node"] != platform.node():
        return time.time() - left.stat().st_mtime > OLD_SECONDS
    try:
        os.kill(int(owner["pid"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # another user's, and alive
    return False
