"""Nights on Ray find what a single machine finds, with workers and nodes killed in between, too."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.large_nights import agreement, assigned, by_disk, families, same, worked
from support.ray_work import slow
from support.reaper import Reaper

from fingerprint import simulate
from fingerprint.discovery import batch as discovery_batch
from fingerprint.domain.settings import Home, Settings
from fingerprint.jobs import nightly
from fingerprint.nights import memory
from fingerprint.nights.ray_engine import Ray

pytestmark = pytest.mark.usefixtures("ray_alone")


def on_ray(traffic: Path, home: Path) -> None:
    nightly.nightly(
        [traffic],
        Home(home),
        Settings(engine="ray", threads=2),
        assignments=home.with_suffix(".parquet"),
    )


def test_a_night_whose_workers_are_killed_is_the_night_of_one_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = simulate.preset("default", rows=4_000, accounts=500, campaigns=5, honest_templates=10)
    day = simulate.write(config, tmp_path / "day.parquet", truth=tmp_path / "truth.parquet")[0]
    worked(day, tmp_path / "memory")
    by_disk(monkeypatch, memory.MOST_SAMPLE)
    worked(day, tmp_path / "threads")
    monkeypatch.setattr(discovery_batch, "PIECE", 500)
    began = time.time()
    with Reaper("prepare", "claims_of") as reaper:
        on_ray(day, tmp_path / "ray")
    assert len(reaper.killed) == 2
    assert capsys.readouterr().out == "", "stdout belongs to results"
    assert agreement(assigned(tmp_path / "memory"), assigned(tmp_path / "ray")) >= 0.995
    same(tmp_path / "ray", tmp_path / "threads")
    assert families(tmp_path / "ray") == families(tmp_path / "threads")
    assert not (tmp_path / "ray/work").exists()
    assert not (tmp_path / "ray/spill").exists()
    left = Path(tempfile.gettempdir()).glob("fingerprint-ray-*")
    assert [path for path in left if path.stat().st_ctime > began] == []


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A node of one processor, to which others may be added."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "object_store_memory": 200_000_000}
    found = Cluster(initialize_head=True, head_node_args=head)
    yield found
    found.shutdown()


def test_a_cluster_outlives_a_node(cluster: Any, tmp_path: Path) -> None:
    second = cluster.add_node(num_cpus=1, object_store_memory=200_000_000)
    seen = tmp_path / "file"
    seen.touch()
    with Ray(cluster.address, workers=1, spill=tmp_path / "spill") as engine:
        assert engine.sees(seen)
        results = engine.in_order(slow, "done", range(8))
        first = [next(results)]
        cluster.remove_node(second, allow_graceful=False)
        assert first + list(results) == [f"{n} done" for n in range(8)]
