"""Files written whole or not at all, and durably; the SHA-256 of a file. Every failure is an OSError."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from fingerprint.base.private import like_its_folder, private_file


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` when the block ends; if the block raises, `path` stays as it was.

    Until then it lies beside it, as .NAME.PID.tmp; a reader never sees half a file. durable: the new file survives a
    power failure once the block has ended; otherwise one may bring the old file back. A durable file opens to its
    owner only, and so does any in a folder that does; else the umask decides.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with durable_file(draft) if durable else like_its_folder(draft).open("wb") as file:
            yield file
        draft.replace(path)
        if durable:
            sync(path.parent)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


@contextlib.contextmanager
def durable_file(path: Path, mode: Literal["wb", "r+b"] = "wb") -> Iterator[BinaryIO]:
    """Open a binary file, of its owner's only, whose bytes are on the disk when the block ends.

    A new name needs `sync` of its folder too.
    """
    with private_file(path).open(mode) as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def sync(path: Path) -> None:
    """Have the disk hold what was written to a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(path: Path) -> str:
    """Hash a file; 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
