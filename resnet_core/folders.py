"""Folders that a program is to write into."""

import os
from pathlib import Path

from resnet_core.errors import UserError


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
