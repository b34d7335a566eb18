"""Nights that go by way of the disk find what nights in memory find, killed in between or not."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.large_nights import agreement, assigned, by_disk, families, same, worked

from fingerprint import simulate
from fingerprint.domain.settings import Home
from fingerprint.jobs import nightly
from fingerprint.nights import memory

SAMPLE = 1_200_000
"""Bytes of a sample, about a quarter of the traffic."""


SMALL_SAMPLE = 300_000
"""The same of a small day."""


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = simulate.preset("default", rows=6_000, accounts=700, campaigns=6, honest_templates=12)
    folder = tmp_path_factory.mktemp("simulated")
    return simulate.write(config, folder / "day.parquet", truth=folder / "truth.parquet")[0]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day of three samples, for nights that are worked often."""
    config = simulate.preset("default", rows=1_500, accounts=200, campaigns=3, honest_templates=5)
    folder = tmp_path_factory.mktemp("small")
    return simulate.write(config, folder / "day.parquet", truth=folder / "truth.parquet")[0]


@pytest.fixture(scope="module")
def in_memory(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("memory") / "home"
    worked(simulated, home)
    return home


@pytest.fixture(scope="module")
def sampled(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a night in samples that nobody killed."""
    home = tmp_path_factory.mktemp("sampled") / "home"
    with pytest.MonkeyPatch.context() as patch:
        by_disk(patch, SAMPLE)
        worked(simulated, home)
    return home


def test_a_sample_of_everything_finds_the_same(
    simulated: Path, in_memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_disk(monkeypatch, memory.MOST_SAMPLE)
    report = worked(simulated, tmp_path / "home")
    assert report.ingest.accepted == 6_000
    assert agreement(assigned(in_memory), assigned(tmp_path / "home")) >= 0.995
    assert not (tmp_path / "home/work").exists()


def test_samples_find_the_campaigns_of_the_whole(simulated: Path, in_memory: Path, sampled: Path) -> None:
    campaign = np.array(pq.read_table(simulated.with_name("truth.parquet"))["campaign"].is_valid())
    whole, parts = assigned(in_memory)[campaign], assigned(sampled)[campaign]
    assert agreement(whole, parts) >= 0.995
    assert (parts != "").sum() >= 0.99 * (whole != "").sum()


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
import os, shutil, signal, sys
from pathlib import Path
from fingerprint.jobs import night_steps, nightly
from fingerprint.nights import memory
from fingerprint.domain.settings import Home

memory.MOST_WHOLE, memory.LEAST_SAMPLE, memory.MOST_SAMPLE = 0, *[int(sys.argv[1])] * 2
traffic, homes, *stages = sys.argv[2:]
for before, stage in zip([None, *stages], stages):
    if before:  # what was killed one stage before goes on, and is killed again
        shutil.copytree(Path(homes, before), Path(homes, stage))
    if not (child := os.fork()):
        def tell(at, done, total):
            if at == stage:
                os.kill(os.getpid(), signal.SIGKILL)
        nightly.nightly([traffic], Home(Path(homes, stage)), on_progress=tell)
    print(os.WTERMSIG(os.waitpid(child, 0)[1]))
"""


def test_killed_in_any_stage_it_goes_on_there(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_disk(monkeypatch, SMALL_SAMPLE)
    whole = tmp_path / "whole"
    assert worked(small, whole).newly_flagged
    command = [sys.executable, "-c", DRIVER, str(SMALL_SAMPLE), str(small), str(tmp_path), *STAGES]
    job = subprocess.run(command, check=True, capture_output=True, text=True)
    assert job.stdout.split() == [str(int(signal.SIGKILL))] * len(STAGES), job.stderr
    for at in STAGES:
        begun = stages_of(small, tmp_path / at)
        same(tmp_path / at, whole)
        assert families(tmp_path / at) == families(whole), at
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


def test_killed_at_a_random_moment(
    simulated: Path, sampled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_disk(monkeypatch, SAMPLE)
    patience = random.Random(os.environ.get("PYTEST_SEED", "7"))
    out = tmp_path / "home.parquet"
    script = DRIVER.partition("for before")[0] + (
        "nightly.nightly([traffic], Home(Path(homes)), assignments=Path(homes).with_suffix('.parquet'))"
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
    same(tmp_path / "home", sampled)
    assert families(tmp_path / "home") == families(sampled)
