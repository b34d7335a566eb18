"""Snapshots survive damage and crashes."""

import resource
from pathlib import Path

import numpy as np
import pytest

from fingerprint.domain.errors import SnapshotError, UsageError
from fingerprint.matching import snapshot
from fingerprint.matching.snapshot import open_snapshot, write_snapshot
from fingerprint.matching.snapshot_files import prune


def unit(n: int, d: int = 16, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((n, d))
    return np.ascontiguousarray(x / np.linalg.norm(x, axis=1, keepdims=True), dtype=np.float32)


def blobs(n: int, d: int = 16, centres: int = 40) -> np.ndarray:
    rng = np.random.default_rng(1)
    x = unit(centres, d)[rng.integers(0, centres, n)] + 0.05 * rng.standard_normal((n, d))
    return np.ascontiguousarray(x / np.linalg.norm(x, axis=1, keepdims=True), dtype=np.float32)


def write(home: Path, n: int = 50, seed: int = 0) -> str:
    owners = np.arange(n, dtype=np.int32) // 2
    grams = np.arange(n, dtype=np.uint64)
    return write_snapshot(
        home, vectors=unit(n, seed=seed), owners=owners, arrays={"grams": grams}, meta={"stamp": "é"}
    )


def listing(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "snapshots").iterdir())


def test_snapshot_round_trip(tmp_path):
    name = write(tmp_path)
    opened = open_snapshot(tmp_path)
    assert opened.id == name
    assert opened.meta == {"stamp": "é"}
    assert isinstance(opened.arrays["grams"].base, np.memmap)
    products = unit(50)[[7, 30]] @ unit(50).T
    nearest = np.argsort(-products, axis=1)[:, :3]
    assert opened.search(unit(50)[[7, 30]], 3).tolist() == (nearest // 2).tolist()
    assert nearest[:, 0].tolist() == [7, 30]
    with pytest.raises(UsageError, match=r"\(q, 16\) expected, \(1, 4\) given"):
        opened.search(unit(1, 4), 1)


def test_empty_snapshot_answers_with_nobody(tmp_path):
    write(tmp_path, 0)
    assert open_snapshot(tmp_path).search(unit(2), 3).tolist() == [[-1] * 3] * 2


def test_more_wanted_than_there_are(tmp_path):
    write(tmp_path, 2)
    assert open_snapshot(tmp_path).search(unit(1), 4).tolist() == [[0, 0, -1, -1]]


def test_large_snapshots_use_inverted_lists(tmp_path, monkeypatch):
    monkeypatch.setattr(snapshot, "LOOKUP_EXACT_UP_TO", 1000)
    x = blobs(2000)
    write_snapshot(tmp_path, vectors=x, owners=np.arange(2000, dtype=np.int32), arrays={}, meta={})
    many = np.concatenate([x] * 3)
    assert open_snapshot(tmp_path).search(many, 1)[:, 0].tolist() == list(range(2000)) * 3


def test_new_snapshot_replaces_current_while_the_old_one_is_read(tmp_path):
    first = write(tmp_path)
    reader = open_snapshot(tmp_path)
    second, third = write(tmp_path, seed=1), write(tmp_path, seed=2)
    assert open_snapshot(tmp_path).id == third
    assert prune(tmp_path) == [first]
    assert listing(tmp_path) == [second, third]
    assert reader.search(unit(50)[:1], 1).tolist() == [[0]]


def test_prune_keeps_the_live_one(tmp_path):
    first = write(tmp_path)
    write(tmp_path)
    last = write(tmp_path)
    (tmp_path / "current").write_text(first)
    assert prune(tmp_path, keep=1) != [first]
    assert open_snapshot(tmp_path).id == first
    assert last in listing(tmp_path)


@pytest.mark.parametrize("file", ["near_code.npy", "grams.npy", "owners.npy", "manifest.json"])
def test_a_flipped_byte_is_named(tmp_path, file):
    path = tmp_path / "snapshots" / write(tmp_path) / file
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)
    with pytest.raises(
        SnapshotError, match=rf"{file} is damaged: SHA-256 [0-9a-f]+ expected, [0-9a-f]+ found"
    ):
        open_snapshot(tmp_path)


@pytest.mark.parametrize("file", ["near_code.npy", "grams.npy", "manifest.json"])
@pytest.mark.parametrize("verify", [True, False])
def test_a_missing_file_is_named(tmp_path, file, verify):
    (tmp_path / "snapshots" / write(tmp_path) / file).unlink()
    with pytest.raises(SnapshotError, match=file):
        open_snapshot(tmp_path, verify=verify)


def test_no_snapshot(tmp_path):
    with pytest.raises(SnapshotError, match="no snapshot in"):
        open_snapshot(tmp_path)


def test_a_write_that_died_leaves_the_old_one_live(tmp_path):
    first = write(tmp_path)
    half = tmp_path / "snapshots" / ".writing"
    half.mkdir()
    (half / "near_code.npy").write_bytes(b"half")
    assert open_snapshot(tmp_path).id == first
    second = write(tmp_path, seed=1)
    assert open_snapshot(tmp_path).id == second
    assert not half.exists()


def test_a_write_that_meets_a_limit_leaves_the_old_one_live(tmp_path):
    first = write(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, limits[1]))
    try:
        with pytest.raises(SnapshotError, match=r"cannot be written under .*: .*File too large"):
            write(tmp_path, 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert open_snapshot(tmp_path).id == first
    assert listing(tmp_path) == [first]


def test_a_home_that_cannot_be_written(tmp_path):
    home = tmp_path / "home"
    home.write_text("a file")
    with pytest.raises(SnapshotError, match="cannot be written under"):
        write(home)


def test_nothing_to_prune(tmp_path):
    assert prune(tmp_path) == []


def test_owners_must_fit(tmp_path):
    with pytest.raises(UsageError, match="3 owners expected"):
        write_snapshot(tmp_path, vectors=unit(3), owners=np.zeros(2, np.int32), arrays={}, meta={})
    with pytest.raises(UsageError, match=r"'\.\./x' given"):
        write_snapshot(
            tmp_path, vectors=unit(1), owners=np.zeros(1, np.int32), arrays={"../x": np.zeros(1)}, meta={}
        )
