"""Nights that go by way of the disk find what nights in memory find, killed in between or not."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest

from fingerprint import simulate
from fingerprint.domain.results import NightReport
from fingerprint.domain.settings import Home
from fingerprint.jobs import nightly
from fingerprint.nights import memory
from fingerprint.store.store import Store

Column = npt.NDArray[Any]

SAMPLE = 1_200_000
"""Bytes of a sample, about a quarter of the traffic."""


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = simulate.preset("default", rows=6_000, accounts=700, campaigns=6, honest_templates=12)
    folder = tmp_path_factory.mktemp("simulated")
    return simulate.write(config, folder / "day.parquet", truth=folder / "truth.parquet")[0]


@pytest.fixture(scope="module")
def in_memory(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("memory") / "home"
    worked(simulated, home)
    return home


def worked(traffic: Path, home: Path) -> NightReport:
    return nightly.nightly([traffic], Home(home), assignments=home.with_suffix(".parquet"))


def by_disk(patch: pytest.MonkeyPatch, sample: int) -> None:
    """Let every night go by way of the disk, with samples of so many bytes."""
    patch.setattr(memory, "MOST_WHOLE", 0)
    patch.setattr(memory, "LEAST_SAMPLE", sample)
    patch.setattr(memory, "MOST_SAMPLE", sample)


def assigned(home: Path) -> Column:
    return np.array(pq.read_table(home.with_suffix(".parquet"))["family_id"].fill_null("").to_pylist())


def same(home: Path, other: Path) -> None:
    """Fail with the rows that differ unless two nights gave every request the same, to the byte."""
    rows, others = (pq.read_table(place.with_suffix(".parquet")).to_pylist() for place in (home, other))
    differing = [(a, b) for a, b in zip(rows, others, strict=True) if a != b]
    assert not differing, f"{home.name}: {len(differing)} of {len(rows)} rows, as {differing[:5]}"
    assert home.with_suffix(".parquet").read_bytes() == other.with_suffix(".parquet").read_bytes()


def agreement(a: Column, b: Column) -> float:
    """Adjusted Rand index (Hubert & Arabie 1985)."""
    x, y = (np.unique(column, return_inverse=True)[1] for column in (a, b))
    table = np.zeros((x.max() + 1, y.max() + 1))
    np.add.at(table, (x, y), 1)

    def pairs(n: npt.NDArray[np.float64]) -> float:
        return float((n * (n - 1) / 2).sum())

    rows, columns = pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    chance = rows * columns / pairs(np.array([float(len(a))]))
    return (pairs(table) - chance) / ((rows + columns) / 2 - chance)


def test_a_sample_of_everything_finds_the_same(
    simulated: Path, in_memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_disk(monkeypatch, memory.MOST_SAMPLE)
    report = worked(simulated, tmp_path / "home")
    assert report.ingest.accepted == 6_000
    assert agreement(assigned(in_memory), assigned(tmp_path / "home")) >= 0.995
    assert not (tmp_path / "home/work").exists()


def test_samples_find_the_campaigns_of_the_whole(
    simulated: Path, in_memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_disk(monkeypatch, SAMPLE)
    worked(simulated, tmp_path / "home")
    campaign = np.array(pq.read_table(simulated.with_name("truth.parquet"))["campaign"].is_valid())
    whole, sampled = assigned(in_memory)[campaign], assigned(tmp_path / "home")[campaign]
    assert agreement(whole, sampled) >= 0.995
    assert (sampled != "").sum() >= 0.99 * (whole != "").sum()


STAGES = (
    "read",
    "cluster 1",
    "claim 1",
    "cluster 2",
    "claim 2",
    "settle",
    "describe",
    "judge",
    "fill",
    "store",
    "publish",
)
KEPT = set(STAGES) - {"read", "judge", "store", "publish"}
"""Stages of which nothing is done again once they are finished; judging is, and `read` is told for what it found."""

DRIVER = """
import os, signal, sys
from pathlib import Path
from fingerprint import memory, pipeline
from fingerprint.settings import Home

memory.MOST_WHOLE, memory.LEAST_SAMPLE, memory.MOST_SAMPLE = 0, *[int(sys.argv[1])] * 2
traffic, homes, *stages = sys.argv[2:]
for stage in stages:
    if not (child := os.fork()):
        def tell(at, done, total):
            if at == stage:
                os.kill(os.getpid(), signal.SIGKILL)
        pipeline.nightly([traffic], Home(Path(homes, stage)), on_progress=tell)
    print(os.WTERMSIG(os.waitpid(child, 0)[1]))
"""


def test_killed_in_any_stage_it_goes_on_there(
    simulated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_disk(monkeypatch, SAMPLE)
    worked(simulated, tmp_path / "expected")
    command = [sys.executable, "-c", DRIVER, str(SAMPLE), str(simulated), str(tmp_path), *STAGES]
    ended = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert ended == [str(int(signal.SIGKILL))] * len(STAGES)
    for at in STAGES:
        begun = stages_of(simulated, tmp_path / at)
        same(tmp_path / at, tmp_path / "expected")
        assert families(tmp_path / at) == families(tmp_path / "expected"), at
        finished = [stage for stage in KEPT if STAGES.index(stage) < STAGES.index(at)]
        assert not set(finished) & set(begun), at


def stages_of(traffic: Path, home: Path) -> list[str]:
    begun: list[str] = []
    nightly.nightly(
        [traffic],
        Home(home),
        assignments=home.with_suffix(".parquet"),
        on_progress=lambda stage, _done, _total: begun.append(stage),
    )
    return begun


def families(home: Path) -> list[tuple[str, int, int, float]]:
    with Store.open(home, read_only=True) as store:
        return [(f.family_id, f.accounts, f.requests, f.score) for f in store.families()]


def test_killed_at_a_random_moment(simulated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_disk(monkeypatch, SAMPLE)
    worked(simulated, tmp_path / "expected")
    patience = random.Random(os.environ.get("PYTEST_SEED", "7"))
    out = tmp_path / "home.parquet"
    script = DRIVER.partition("for stage")[0] + (
        "pipeline.nightly([traffic], Home(Path(homes)), assignments=Path(homes).with_suffix('.parquet'))"
    )
    for _ in range(3):
        job = subprocess.Popen(
            [sys.executable, "-c", script, str(SAMPLE), str(simulated), str(out.with_suffix(""))]
        )
        time.sleep(patience.uniform(0.5, 4))
        job.kill()
        job.wait()
        if out.exists():  # at its end before the kill: one more would be another night
            break
    else:
        worked(simulated, tmp_path / "home")
    same(tmp_path / "home", tmp_path / "expected")
    assert families(tmp_path / "home") == families(tmp_path / "expected")
