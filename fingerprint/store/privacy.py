"""Keeps a home, and all that this program writes in it, to its owner."""

from __future__ import annotations

import stat

from fingerprint.base.private import close_to_others, narrow, private_folder
from fingerprint.domain.settings import Home


def close_home(home: Home) -> None:
    """Make the home, unless it is there, and take from others what they may do with it and with all of ours in it.

    A folder that is everybody's (/tmp), or that has other folders in it (a project), is left as it is: what is ours in it
    is closed piece by piece.
    """
    private_folder(home.path)
    ours = home.parts()
    close_to_others(ours)
    names = {path.name for path in ours}
    shared = home.path.stat().st_mode & stat.S_ISVTX
    if not shared and all(path.name in names for path in home.path.iterdir() if path.is_dir()):
        narrow(home.path)
