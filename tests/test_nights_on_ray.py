"""Nights on Ray find what a single machine finds, with workers and nodes killed in between, too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray_work import slow
from reaper import Reaper
from test_large import SAMPLE, agreement, assigned, by_disk, families, worked

from fingerprint import pipeline, simulate, spool
from fingerprint.engine_ray import Ray
from fingerprint.settings import Home, Settings


@pytest.fixture(scope="module", autouse=True)
def workers_find_these_tests() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        patch.setenv("PYTHONPATH", path)
        yield


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = simulate.preset("default", rows=6_000, accounts=700, campaigns=6, honest_templates=12)
    folder = tmp_path_factory.mktemp("simulated")
    return simulate.write(config, folder / "day.parquet", truth=folder / "truth.parquet")[0]


@pytest.fixture(scope="module")
def alone(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which this night was worked by threads, by way of the disk."""
    home = tmp_path_factory.mktemp("alone") / "home"
    with pytest.MonkeyPatch.context() as patch:
        by_disk(patch, SAMPLE)
        worked(simulated, home)
    return home


def on_ray(traffic: Path, home: Path, address: str | None = None) -> None:
    settings = Settings(engine="ray", ray_address=address, threads=2)
    pipeline.nightly([traffic], Home(home), settings, assignments=home.with_suffix(".parquet"))


def test_a_night_whose_workers_are_killed_is_the_night_of_one_machine(
    simulated: Path,
    alone: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    by_disk(monkeypatch, SAMPLE)
    monkeypatch.setattr(spool, "PIECE", 1_000)
    with Reaper("prepared", "claims_of", "fillings_of") as reaper:
        on_ray(simulated, tmp_path / "home")
    assert len(reaper.killed) == 3
    assert capsys.readouterr().out == "", "stdout belongs to results"
    assert tmp_path.joinpath("home.parquet").read_bytes() == alone.with_suffix(".parquet").read_bytes()
    assert families(tmp_path / "home") == families(alone)
    assert not (tmp_path / "home/work").exists()
    assert not (tmp_path / "home/spill").exists()
    assert [
        path for path in Path("/tmp").glob("fingerprint-ray-*") if path.stat().st_uid == os.getuid()
    ] == []


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one processor each."""
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 200_000_000})
    yield found
    found.shutdown()


def test_a_cluster_finds_the_families_of_one_machine_and_outlives_a_node(
    simulated: Path, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = cluster.add_node(num_cpus=1, object_store_memory=200_000_000)
    monkeypatch.setattr(spool, "PIECE", 1_000)
    on_ray(simulated, tmp_path / "home", cluster.address)
    worked(simulated, tmp_path / "memory")
    assert agreement(assigned(tmp_path / "memory"), assigned(tmp_path / "home")) >= 0.995
    with Ray(cluster.address, workers=1, spill=tmp_path / "spill") as engine:
        assert engine.sees(tmp_path / "home.parquet")
        results = engine.in_order(slow, "done", range(8))
        head = [next(results)]
        cluster.remove_node(second, allow_graceful=False)
        assert head + list(results) == [f"{n} done" for n in range(8)]
