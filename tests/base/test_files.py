"""A reader finds the old file or the new one, whole; nothing else is left beside it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from fingerprint.base.files import durable_file, replacing, sha256, sync


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("durable", [False, True])
def test_the_new_file_appears_when_the_block_ends(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(b"old")
    with replacing(path, durable=durable) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["state.json"]


@pytest.mark.parametrize("durable", [False, True])
def test_an_error_in_the_block_leaves_the_old_file_alone(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(b"old")
    with pytest.raises(TypeError), replacing(path, durable=durable) as file:
        file.writelines([b"ne", "w"])  # type: ignore[list-item]
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["state.json"]


def test_failures_are_os_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "none" / "x"):
        pass
    with pytest.raises(FileNotFoundError):
        sync(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        sha256(tmp_path / "none")
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError), replacing(tmp_path / "folder") as file:
        file.write(b"x")
    assert names(tmp_path) == ["folder"]


def test_what_is_durable_was_synced_before_it_took_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced = tmp_path / "state.json", list[tuple[str, bool]]()
    fsync = os.fsync

    def recorded(handle: int) -> None:
        synced.append((Path(f"/proc/self/fd/{handle}").readlink().name, path.exists()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", recorded)
    with replacing(path, durable=True) as file:
        file.write(b"new")
    assert synced == [(f".state.json.{os.getpid()}.tmp", False), (tmp_path.name, True)]
    synced.clear()
    with replacing(path) as file:
        file.write(b"newer")
    assert not synced


def test_a_durable_file_can_be_written_in_place(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_bytes(b"abcdef")
    with durable_file(path, "r+b") as file:
        file.truncate(3)
        file.seek(0, os.SEEK_END)
        file.write(b"xyz")
    assert path.read_bytes() == b"abcxyz"


def test_sha256_is_the_one_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"\x00\xff" * 700_000)
    assert sha256(path) == hashlib.sha256(b"\x00\xff" * 700_000).hexdigest()
