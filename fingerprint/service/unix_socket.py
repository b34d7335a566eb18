"""A Unix socket to listen on, which only its owner can open, from its first moment to its last."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fingerprint.domain.errors import UsageError

LONGEST = 107
"""Bytes of a socket's path that Linux takes."""


@contextmanager
def unix_socket(path: Path) -> Iterator[socket.socket]:
    """Bind a socket of mode 0600, and remove it afterwards; one that a killed process left is taken over.

    Raises UsageError where something else is there, or where it cannot be made.
    """
    if len(os.fsencode(path)) > LONGEST:
        raise UsageError(
            f"--unix: a path of at most {LONGEST} bytes expected, {len(os.fsencode(path))} found"
        )
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # before anything is there: uvicorn would make it open to all, and close it later
    before = os.umask(0o177)
    try:
        _clear(path)
        listening.bind(str(path))
    except OSError as error:
        listening.close()
        raise UsageError(f"--unix {path}: a socket cannot be made there: {error.strerror}") from error
    finally:
        os.umask(before)
    made = path.lstat().st_ino
    listening.set_inheritable(True)
    try:
        yield listening
    finally:
        listening.close()
        with suppress(OSError):
            if path.lstat().st_ino == made:
                path.unlink()


def _clear(path: Path) -> None:
    """Remove a socket that nobody listens on; raises UsageError for one in use, and for anything else."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise UsageError(f"--unix {path}: no file expected there, one found that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(1)
        try:
            asking.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise UsageError(f"--unix {path}: another process listens there")
