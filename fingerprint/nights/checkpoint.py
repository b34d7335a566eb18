"""What a long job has finished so far, in files below its home, so that a killed one goes on where it was.

A stage is a folder of arrays that becomes visible in one rename, when all of it is on the disk. The folder of the
job carries a key of everything its result depends on; under another key all of it is thrown away.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprint.base.files import durable_file
from fingerprint.base.private import private_folder
from fingerprint.domain.errors import StoreError

Arrays = dict[str, npt.NDArray[Any]]


def key_of(facts: Mapping[str, object]) -> str:
    """Return 32 hex digits that stand for these facts (values that JSON can write)."""
    words = json.dumps(facts, sort_keys=True, default=str)
    return blake2b(words.encode(), digest_size=16).hexdigest()


class Checkpoints:
    """The finished stages of one job in a folder that only this process writes; raises StoreError if it cannot."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        named = folder / "key"
        try:
            if not named.exists() or named.read_text() != key:
                self.remove()
                private_folder(folder)
                with durable_file(named) as file:
                    file.write(key.encode())
            for leftover in folder.glob(".*"):  # of a stage that was not finished
                shutil.rmtree(leftover)
        except OSError as error:
            raise _unwritable(folder, error) from error

    def has(self, stage: str) -> bool:
        """Tell whether the stage was finished, by this process or an earlier one."""
        return (self.folder / stage).exists()

    def begin(self, stage: str) -> Path:
        """Return an empty folder for the stage's own files, which `finish` makes part of the checkpoint.

        A stage of this name that was finished before is thrown away.
        """
        draft = self._draft(stage)
        try:
            shutil.rmtree(draft, ignore_errors=True)
            shutil.rmtree(self.folder / stage, ignore_errors=True)
            private_folder(draft)
        except OSError as error:
            raise _unwritable(draft, error) from error
        return draft

    def finish(self, stage: str, facts: Mapping[str, object], **arrays: npt.NDArray[Any]) -> None:
        """Write facts (as JSON) and arrays beside the stage's own files; from then on it is finished."""
        draft = self._draft(stage)
        try:
            private_folder(draft)
            for name, array in arrays.items():
                with durable_file(draft / f"{name}.npy") as file:
                    np.save(file, array, allow_pickle=False)
            with durable_file(draft / "facts.json") as file:
                file.write(json.dumps(facts).encode())
            draft.rename(self.folder / stage)
        except OSError as error:
            raise _unwritable(draft, error) from error

    def path(self, stage: str) -> Path:
        """Return the folder of a finished stage."""
        return self.folder / stage

    def facts(self, stage: str) -> dict[str, Any]:
        """Return the facts of a finished stage."""
        read: dict[str, Any] = json.loads((self.folder / stage / "facts.json").read_bytes())
        return read

    def arrays(self, stage: str) -> Arrays:
        """Return the arrays of a finished stage by name."""
        files = sorted((self.folder / stage).glob("*.npy"))
        return {path.stem: np.load(path, allow_pickle=False) for path in files}

    def remove(self) -> None:
        """Throw all of it away: the job's result is stored, or will never be asked for."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def size(self) -> int:
        """Return the bytes on disk."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def _draft(self, stage: str) -> Path:
        return self.folder / f".{stage}"


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path}: a checkpoint cannot be written: {error.strerror or error}")
