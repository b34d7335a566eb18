"""One writer at a time in a home directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from fingerprint.base.private import FILE, private_folder
from fingerprint.domain.errors import HomeLocked, StoreError
from fingerprint.domain.settings import Home


class HomeLock:
    """Holds DIR/lock from `with` on until its end or until the process dies, killed or not.

    Raises HomeLocked, naming the process that holds it, and StoreError when the home cannot be written.
    """

    def __init__(self, home: Path) -> None:
        self._path = Home(home).lock_file
        self._file = -1

    def __enter__(self) -> Self:
        try:
            private_folder(self._path.parent)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, str(os.getpid()).encode(), 0)
        except BlockingIOError:
            holder = os.pread(self._file, 20, 0).decode() or "unknown"
            self._release()
            raise HomeLocked(
                f"{self._path.parent}: another job is running on this home (process {holder}); wait for it to end"
            ) from None
        except OSError as error:
            self._release()
            raise StoreError(f"{self._path}: a writable home expected: {error.strerror}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def _release(self) -> None:
        # the file stays: removing it would let two jobs lock two files of one name
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
