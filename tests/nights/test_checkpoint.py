"""A finished stage is there whole or not at all, and only for the job that it was made by."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest

from fingerprint.domain.errors import StoreError
from fingerprint.nights.checkpoint import Checkpoints, key_of


def test_a_finished_stage_is_read_by_the_next_process(tmp_path: Path) -> None:
    work = Checkpoints(tmp_path / "work", "k")
    (work.begin("read") / "own").write_text("file")
    work.finish("read", {"rows": 3}, numbers=np.arange(3), names=np.array([7], dtype=np.uint64))
    again = Checkpoints(tmp_path / "work", "k")
    assert again.has("read")
    assert again.facts("read") == {"rows": 3}
    assert again.arrays("read")["numbers"].tolist() == [0, 1, 2]
    assert again.arrays("read")["names"].dtype == np.uint64
    assert (again.path("read") / "own").read_text() == "file"


def test_what_was_not_finished_is_gone(tmp_path: Path) -> None:
    work = Checkpoints(tmp_path / "work", "k")
    (work.begin("read") / "own").write_text("half a file")
    again = Checkpoints(tmp_path / "work", "k")
    assert not again.has("read")
    assert [p.name for p in (tmp_path / "work").iterdir()] == ["key"]


def test_another_job_finds_nothing(tmp_path: Path) -> None:
    Checkpoints(tmp_path / "work", "k").finish("read", {})
    assert not Checkpoints(tmp_path / "work", "other").has("read")
    assert not Checkpoints(tmp_path / "work", "k").has("read")


def test_others_may_not_read_it(tmp_path: Path) -> None:
    Checkpoints(tmp_path / "work", "k")
    assert stat.S_IMODE((tmp_path / "work").stat().st_mode) == 0o700


def test_a_file_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "work").write_text("not a folder")
    with pytest.raises(StoreError, match="a checkpoint cannot be written"):
        Checkpoints(tmp_path / "work", "k")


def test_keys_tell_facts_apart() -> None:
    assert key_of({"a": 1, "b": [2]}) == key_of({"b": [2], "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})
