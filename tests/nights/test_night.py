from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.small_traffic import night_rows, written

from fingerprint.domain.errors import InputError
from fingerprint.domain.reading import Reading
from fingerprint.domain.settings import Settings
from fingerprint.embedding.embedder import Embedder, stamp_of
from fingerprint.nights import memory
from fingerprint.nights.checkpoint import Checkpoints
from fingerprint.nights.engine import Threads
from fingerprint.nights.job import Job, KnownFamilies, NightRequest, job_key
from fingerprint.nights.night import Discovered, Night, discover, read
from fingerprint.traffic.reader import TrafficReader, read_traffic


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.load("static")


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("night") / "day.jsonl", night_rows(0))


def job_in(folder: Path, embedder: Embedder) -> tuple[Job, list[str]]:
    begun: list[str] = []
    job = Job(
        Checkpoints(folder / "work", "key"),
        folder / "unexplained",
        folder / "conversations",
        Settings(),
        Threads(1),
        embedder.encode,
        lambda stage, _done, _total: begun.append(stage),
    )
    return job, begun


def known(embedder: Embedder) -> KnownFamilies:
    return KnownFamilies((), stamp_of(embedder), ())


def reader(day: Path) -> TrafficReader:
    return read_traffic([day], rejects=None)


def discovered(night: Night, embedder: Embedder, job: Job) -> Discovered:
    with ThreadPoolExecutor(1) as aside:
        return discover(night, known(embedder), job, aside)


def read_both(
    day: Path, folder: Path, embedder: Embedder, patch: pytest.MonkeyPatch
) -> tuple[tuple[Night, Job], tuple[Night, Job]]:
    """Read one day in memory, and by way of the disk."""
    small, _ = job_in(folder / "small", embedder)
    in_memory = read(reader(day), known(embedder), small)
    patch.setattr(memory, "MOST_WHOLE", 0)
    large, _ = job_in(folder / "large", embedder)
    return (in_memory, small), (read(reader(day), known(embedder), large), large)


def test_a_night_reads_the_same_in_memory_and_by_way_of_the_disk(
    day: Path, tmp_path: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (small, _), (large, _) = read_both(day, tmp_path, embedder, monkeypatch)
    assert (small.spool is None, large.spool is None) == (True, False)
    assert (large.content_hash, large.end, large.ingest) == (small.content_hash, small.end, small.ingest)
    for name in ("account", "second", "prompt"):
        assert getattr(large.batch, name).tolist() == getattr(small.batch, name).tolist()
    assert large.batch.facts.code.tolist() == small.batch.facts.code.tolist()
    assert large.batch.facts.distinct.to_pylist() == small.batch.facts.distinct.to_pylist()
    assert large.requests.request_id.to_pylist() == small.requests.request_id.to_pylist()
    for name in ("conversation", "second"):
        assert getattr(large.requests, name).tolist() == getattr(small.requests, name).tolist()
    some = np.array([0, 3, 17])
    assert large.texts(some).to_pylist() == small.texts(some).to_pylist()


def test_both_kinds_of_night_discover_the_same(
    day: Path, tmp_path: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = (
        discovered(night, embedder, job) for night, job in read_both(day, tmp_path, embedder, monkeypatch)
    )
    assert len(small.discovery.families) == len(large.discovery.families) == 2
    carried = [found.whole.carried(found.assignment).label for found in (small, large)]
    groups = [{tuple(np.flatnonzero(label == f)) for f in (0, 1)} for label in carried]
    assert groups[0] == groups[1]
    assert small.whole.sampled.tolist() == list(range(small.batch.distinct))


def test_a_spooled_night_is_not_read_again(
    day: Path, tmp_path: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, (first, _) = read_both(day, tmp_path, embedder, monkeypatch)
    job, _ = job_in(tmp_path / "large", embedder)
    nothing = reader(written(tmp_path / "empty.jsonl", []))
    again = read(nothing, known(embedder), job)
    assert again.content_hash == first.content_hash
    assert again.batch.account.tolist() == first.batch.account.tolist()


def test_stages_are_told_as_they_begin(day: Path, tmp_path: Path, embedder: Embedder) -> None:
    job, begun = job_in(tmp_path, embedder)
    discovered(read(reader(day), known(embedder), job), embedder, job)
    assert begun == ["shingle", "cluster", "refine", "describe"]


def test_no_valid_row_is_an_error(tmp_path: Path, embedder: Embedder) -> None:
    job, _ = job_in(tmp_path, embedder)
    (tmp_path / "bad.jsonl").write_text("not json\n")
    with pytest.raises(InputError, match=r"none of the 1 rows in .*bad\.jsonl is a valid request"):
        read(reader(tmp_path / "bad.jsonl"), known(embedder), job)


def test_a_job_is_known_by_what_its_result_depends_on(day: Path, embedder: Embedder) -> None:
    before = known(embedder)
    key = job_key(NightRequest([day], Reading(), Settings()), before)
    assert job_key(NightRequest([day], Reading(), Settings(threads=3)), before) == key
    assert job_key(NightRequest([day], Reading(), Settings(seed=1)), before) != key
    assert job_key(NightRequest([day], Reading(), Settings()), replace(before, nights=("n1",))) != key
    assert NightRequest(["-"], Reading(), Settings()).key != NightRequest(["-"], Reading(), Settings()).key
