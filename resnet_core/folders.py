"""Folders that a program is to write into."""

import os
import platform
import shutil
import uuid
from pathlib import Path

from resnet_core.errors import UserError

ASIDE = ".writing-"


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


def path_aside(folder: Path) -> Path:
    """Return a path in `folder` that no other process or machine writes to."""
    return folder / f"{ASIDE}{platform.node()}-{os.getpid()}-{uuid.uuid4().hex}"


def sweep(folder: Path, pattern: str = "") -> None:
    """Remove what a process of this machine that is no more was writing in `folder`, or in its folders by `**/`."""
    for left in folder.glob(f"{pattern}{ASIDE}{platform.node()}-*"):
        pid = int(left.name.split("-")[-2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
        except PermissionError:
            continue  # another user's, and alive
