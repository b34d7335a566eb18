"""Streams and searches on Ray: results in order, errors as they were, and nothing lost when a worker is killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support.ray_work import always_dies, died_once, divided, squared
from support.reaper import Reaper
from support.small_traffic import failed, night_rows, written

from fingerprint.base.types import FloatArray
from fingerprint.clustering.knn import knn_graph
from fingerprint.domain.errors import EngineError, UsageError
from fingerprint.domain.reading import Reading
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import Stamp
from fingerprint.nights import ray_engine, spool
from fingerprint.nights.job import KnownFamilies, NightRequest, job_key
from fingerprint.nights.ray_engine import AHEAD, Ray, _compact

pytestmark = pytest.mark.usefixtures("ray_alone")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ray]:
    with Ray(None, workers=2, spill=tmp_path_factory.mktemp("ray") / "spill") as engine:
        yield engine


def test_results_come_in_order_and_few_items_are_taken_ahead(engine: Ray) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for n in range(20):
            taken.append(n)
            yield n

    results = engine.in_order(squared, 7, items())
    assert next(results) == 7
    assert len(taken) <= AHEAD * 2 + 1
    assert list(results) == [n * n + 7 for n in range(1, 20)]


def test_an_error_is_raised_in_its_place_and_as_it_was(engine: Ray) -> None:
    results = engine.in_order(divided, 6, iter([3, 2, 0, 1]))
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError) as raised:
        next(results)
    assert type(raised.value) is ZeroDivisionError


def test_a_slice_is_sent_without_what_it_was_cut_from() -> None:
    texts = pa.array(["x" * 1_000] * 5_000, pa.large_string())
    part = pa.record_batch([texts], names=["prompt"]).slice(4_000, 10)
    sent = _compact(part)
    assert sent.equals(part)
    assert sum(b.size for b in sent.column(0).buffers() if b is not None) < 20_000


def test_what_a_killed_worker_had_begun_is_begun_again(engine: Ray, tmp_path: Path) -> None:
    assert list(engine.in_order(died_once, tmp_path, range(9))) == [n * n for n in range(9)]
    assert {p.name for p in tmp_path.iterdir()} == {"4"}


def test_work_that_kills_every_worker_is_given_up(engine: Ray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "RETRIES", 1)
    with pytest.raises(EngineError, match="Ray gave up on a piece of work"):
        list(engine.in_order(always_dies, None, range(1)))


def unit(n: int, d: int = 128) -> FloatArray:
    x = np.random.default_rng(3).normal(size=(n, d))
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), dtype=np.float32)


def test_shards_find_the_same_neighbours_and_a_killed_one_is_built_again(
    engine: Ray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "MIN_SHARD_POINTS", 4_000)
    x = unit(9_000)
    expected = knn_graph(x, 30)
    with Reaper("_ShardActor.search") as reaper:
        found = engine.graph(x, 30)
    assert reaper.killed
    assert np.array_equal(found.ids, expected.ids)
    assert np.array_equal(found.similarity, expected.similarity)


def test_a_stream_that_is_dropped_after_the_end_does_not_start_ray_again(engine: Ray) -> None:
    import ray

    results = engine.in_order(squared, 0, range(9))
    assert next(results) == 0
    engine.__exit__(None, None, None)
    results.close()  # type: ignore[attr-defined]
    assert not ray.is_initialized()


def test_few_points_are_searched_here(tmp_path: Path) -> None:
    with Ray(None, workers=2, spill=tmp_path / "spill") as engine:
        assert np.array_equal(engine.graph(unit(500), 5).ids, knn_graph(unit(500), 5).ids)
        assert not (tmp_path / "spill").exists(), "Ray was started for nothing"


def test_a_file_that_other_nodes_do_not_see_is_carried_to_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ray, "_everywhere", lambda self, work, path: [work(path), None])
    elsewhere = Ray("auto", workers=2, spill=tmp_path)
    texts = pa.array(["one", "two"], pa.large_string())
    path = tmp_path / "texts.arrow"
    with pa.ipc.new_file(str(path), pa.schema([("text", texts.type)])) as file:
        file.write_batch(pa.record_batch([texts], names=["text"]))
    assert not elsewhere.sees(path)
    carried = spool.SpoolPart(path, 0, 0, 2).carried()
    path.unlink()
    assert carried.texts().equals(texts)


def test_a_night_that_was_begun_on_ray_may_be_ended_without_it(tmp_path: Path) -> None:
    traffic = written(tmp_path / "day.jsonl", night_rows(0))
    stored = KnownFamilies((), Stamp("1", "4-gram/1", "m", "r", 8), ())
    engines = Settings(), Settings(engine="ray"), Settings(engine="ray", ray_address="auto", threads=3)
    assert len({job_key(NightRequest([traffic], Reading(), settings), stored) for settings in engines}) == 1
    other = NightRequest([traffic], Reading(), Settings(seed=1))
    assert job_key(other, stored) != job_key(NightRequest([traffic], Reading(), engines[0]), stored)


def test_what_is_wrong_with_an_address_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="HOST:PORT or auto expected, 'ray://there:10001' found"):
        Ray("ray://there:10001", workers=1, spill=tmp_path)
    with pytest.raises(EngineError, match=r"no Ray cluster at 127\.0\.0\.1:1: Connection refused"):
        next(Ray("127.0.0.1:1", workers=1, spill=tmp_path).in_order(squared, 0, [1]))
    words = failed(
        2, "nightly", tmp_path / "a.jsonl", "--home", tmp_path / "home", "--ray-address", "127.0.0.1:1"
    )
    assert "--ray-address: only with --engine ray" in words
