"""Checks of output folders, and atomic writing of files."""

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
    """Check that `folder` is writable, or can be created; nothing is created.

    Raises:
        UserError: It is not writable.
    """
    nearest = folder
    while not nearest.exists() and not nearest.is_symlink() and nearest != nearest.parent:
        nearest = nearest.parent
    # The mode is checked too, since `os.access` lets a superuser write everywhere.
    writable = os.access(nearest, os.W_OK) and nearest.stat().st_mode & 0o222
    if not nearest.is_dir() or not writable:
        problem = "is read-only" if nearest.is_dir() else "is not a folder"
        raise UserError(f"the output folder must be writable, but {nearest} {problem}; choose another --out")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Context manager that adds `path` to operating-system errors without a file name, such as that of a full disk.

    In an error about a temporary file, `path` replaces the name of that file.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None or Path(os.fsdecode(error.filename)).name.startswith(ASIDE):
            error.filename = str(path)
        raise


def path_aside(folder: Path) -> Path:
    """Return a temporary path in `folder`, unique among processes and machines."""
    return folder / f"{ASIDE}{platform.node()}-{os.getpid()}-{uuid.uuid4().hex}"


def write_file(path: Path, content: bytes | str, *, durable: bool = True) -> None:
    """Write a file atomically. A reader, or a crash while writing, sees the old content or the new content.

    Args:
        path: The file; its folder exists.
        content: Bytes, or text to be encoded as UTF-8. Lone surrogates are written as escapes.
        durable: Whether the content is on the disk, safe from a power failure, when this returns.
    """
    with naming(path), _written_aside(path.parent, content, durable=durable) as aside:
        aside.replace(path)
    if durable:
        sync(path.parent)


def write_beside(path: Path, content: bytes) -> None:
    """Write a file with `write_file` into a subfolder of a study's folder. The subfolder is created if missing.

    Raises:
        UserError: The disk is full, the folder is not writable, or the study's folder is gone.
    """
    try:
        path.parent.mkdir(exist_ok=True)
        write_file(path, content)
    except OSError as error:
        raise UserError(
            f"a file of a study must have room in a folder that can be written, but {path}: {error.strerror or error}"
        ) from None


def write_new(path: Path, content: bytes | str) -> bool:
    """Write a file with `write_file` unless it exists; return whether it was written. Of two processes that write the
    same file at once, only one succeeds if the file system has hard links.
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
    """Context manager that yields a temporary file with this content in `folder`, and removes it if it still exists."""
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
    """Flush a file, or the entries of a folder, to the disk."""
    with suppress(OSError):  # some file systems cannot flush a folder
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sweep(folder: Path, pattern: str = "") -> None:
    """Remove temporary files of dead processes in `folder`, or with `**/` also in its subfolders. Files from other
    machines are removed when they are a day old.
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
