"""Snapshots are named by number and hash, old ones go, and a file that is not what was written is named."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fingerprint.domain.errors import SnapshotError
from fingerprint.domain.settings import Home
from fingerprint.matching.snapshot_files import (
    FORMAT,
    MANIFEST,
    compare,
    current_snapshot,
    make_live,
    prune,
    published_at,
    read_manifest,
    sha256,
)


def published(home: Path, text: str = "x", version: int = FORMAT) -> str:
    aside = Home(home).snapshots / ".writing"
    aside.mkdir(parents=True)
    (aside / "a.npy").write_text(text)
    return make_live(home, aside, json.dumps({"format": version, "text": text}).encode())


def test_each_snapshot_has_the_next_number_and_is_current(tmp_path: Path) -> None:
    names = [published(tmp_path, str(n)) for n in range(3)]
    assert [name[:8] for name in names] == ["00000001", "00000002", "00000003"]
    assert all(re.fullmatch(r"\d{8}-[0-9a-f]{12}", name) for name in names)
    assert current_snapshot(tmp_path) == names[-1]
    assert read_manifest(Home(tmp_path).snapshots / names[1]) == {"format": FORMAT, "text": "1"}
    assert published_at(tmp_path, names[0]) <= published_at(tmp_path, names[2])
    assert not (Home(tmp_path).snapshots / ".writing").exists()


def test_old_snapshots_go_but_the_live_one_stays(tmp_path: Path) -> None:
    names = [published(tmp_path, str(n)) for n in range(4)]
    Home(tmp_path).current_file.write_text(f"{names[0]}\n")
    (Home(tmp_path).snapshots / "not-ours").mkdir()
    assert prune(tmp_path, keep=2) == [names[1]]
    assert sorted(path.name for path in Home(tmp_path).snapshots.iterdir()) == sorted(
        [names[0], names[2], names[3], "not-ours"]
    )
    assert prune(tmp_path, keep=2) == []
    # the number of a removed one is not given again
    assert published(tmp_path, "new")[:8] == "00000005"


def test_what_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=f"no snapshot in {tmp_path}"):
        current_snapshot(tmp_path)
    name = published(tmp_path)
    folder = Home(tmp_path).snapshots / name
    (folder / MANIFEST).write_bytes(b"{}")
    with pytest.raises(
        SnapshotError, match=rf"{MANIFEST} is damaged: SHA-256 {name[9:]} expected, [0-9a-f]+ found"
    ):
        read_manifest(folder)
    (folder / MANIFEST).unlink()
    with pytest.raises(SnapshotError, match=f"{MANIFEST} is missing"):
        read_manifest(folder)
    with pytest.raises(SnapshotError, match=f"no snapshot {name}"):
        published_at(tmp_path, name)
    with pytest.raises(SnapshotError, match="cannot be read"):
        sha256(folder / "gone.npy")


def test_snapshots_of_another_format_are_not_read(tmp_path: Path) -> None:
    name = published(tmp_path, version=FORMAT - 1)
    with pytest.raises(SnapshotError, match=f"format {FORMAT} expected, {FORMAT - 1} found"):
        read_manifest(Home(tmp_path).snapshots / name)


def test_hashes_are_compared(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(path) == expected
    compare(path, expected, sha256(path))
    with pytest.raises(SnapshotError, match=f"SHA-256 00 expected, {expected} found"):
        compare(path, "00", sha256(path))
