"""Folders and files that nobody but their owner can read, whatever the umask.

Libraries that write files by name (SQLite, Arrow, NumPy) keep the permissions of a file that is there already, so it
is made first, empty, and theirs to fill.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

FOLDER, FILE = 0o700, 0o600
_OTHERS = 0o077


def private_folder(path: Path) -> Path:
    """Make a folder, and those above it, unless it is there; the folder itself opens to its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=FOLDER)
    return path


def private_file(path: Path) -> Path:
    """Make an empty file, unless one is there, that opens to its owner only; one that is there is closed to others."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE))
    except FileExistsError:
        narrow(path)
    return path


def folder_for_output(path: Path) -> Path:
    """Make a folder that somebody chose, and those above it; below a folder of its owner's only, for its owner only."""
    if not path.exists():
        above = folder_for_output(path.parent)
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o777 if above.stat().st_mode & _OTHERS else FOLDER)
    return path


def like_its_folder(path: Path) -> Path:
    """Make a private file in a folder that opens to its owner only; in any other the umask decides, and none is made."""
    return path if path.parent.stat().st_mode & _OTHERS else private_file(path)


def close_to_others(paths: Iterable[Path]) -> None:
    """Take from others what they may do with these files and folders, and all that is in them.

    Links are not followed.
    """
    for path in paths:
        narrow(path)
        for folder, folders, files in os.walk(path):
            for name in (*folders, *files):
                narrow(Path(folder, name))


def narrow(path: Path) -> None:
    """Take from others what they may do with one file or folder.

    What is not there, belongs to another user, or lies on a read-only disk, stays as it is.
    """
    with contextlib.suppress(OSError):
        mode = path.lstat().st_mode
        if mode & _OTHERS and not stat.S_ISLNK(mode):
            path.chmod(mode & FOLDER)
