"""What is lost when nights are killed at any moment, or when their disk is full from a stage on.

    python -m benchmarks.robustness.faults                                  # 30 kills of each size: some 20 minutes
    python -m benchmarks.robustness.faults --kills 3 --large 0              # one minute

Each night is the second one of its home. After the fault the home must still list what the first night stored, or what the
second did; then the same command runs again, and families, accounts and assignments must be those of a night without a fault,
to the byte. Moments are even over the time that such a night takes, from `--seed`; nights of `--small` rows are worked in
memory, those of `--large` by way of files.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import machine
from benchmarks.common.simulated import write_traffic
from benchmarks.robustness.faults_worker import PUBLISH, REFUSED
from fingerprint import simulate
from fingerprint.domain.settings import Home
from fingerprint.jobs.nightly import nightly

SEED = 7
SAMPLE = 400_000
"""Bytes of a large night's sample: a part of its text, so that the rest goes through the files."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a home lists, and the assignments of its last night, as bytes; None: the night wrote none."""

    families: bytes
    accounts: bytes
    assignments: bytes | None


@dataclass(frozen=True, slots=True)
class Nights:
    """A home with one night, the traffic of the next one, and what becomes of both without a fault."""

    home: Path
    traffic: Path
    sample: int
    before: Stored
    after: Stored
    stages: list[str]
    seconds: float


def command(traffic: Path, home: Path, sample: int, full: str = "-") -> list[str]:
    """Return the command of a night."""
    worker = [sys.executable, "-m", "benchmarks.robustness.faults_worker"]
    return [*worker, str(traffic), str(home), str(_assignments(home)), str(sample), full]


def _assignments(home: Path) -> Path:
    return home.with_suffix(".jsonl")


def stored(home: Path) -> Stored:
    """List a home."""
    families, accounts = (
        subprocess.run(
            [sys.executable, "-m", "fingerprint", name, "--home", str(home), "--format", "jsonl"],
            check=True,
            capture_output=True,
        ).stdout
        for name in ("families", "accounts")
    )
    out = _assignments(home)
    return Stored(families, accounts, out.read_bytes() if out.exists() else None)


def prepare(rows: int, sample: int, work: Path) -> Nights:
    """Make two days of traffic, work the first, and the second on a copy."""
    days = simulate.simulate(simulate.SimulationConfig(rows=2 * rows, days=2, seed=SEED, accounts=rows // 5))
    first, second = (write_traffic(day.combine_chunks(), work / f"{n}.parquet") for n, day in enumerate(days))
    home = work / "first"
    nightly([first], Home(home))
    reference = Path(shutil.copytree(home, work / "reference"))
    began = time.monotonic()
    done = subprocess.run(command(second, reference, sample), check=True, capture_output=True, text=True)
    seconds = time.monotonic() - began
    return Nights(home, second, sample, stored(home), stored(reference), done.stdout.splitlines(), seconds)


def again(nights: Nights, home: Path) -> str:
    """Look at a home after a fault, run the same command again, and say what is wrong; empty: nothing."""
    found = stored(home)
    if (found.families, found.accounts) not in (
        (nights.before.families, nights.before.accounts),
        (nights.after.families, nights.after.accounts),
    ):
        return "what was stored is neither what it was nor what it should be"
    done = subprocess.run(
        command(nights.traffic, home, nights.sample), capture_output=True, text=True, check=False
    )
    if done.returncode:
        return f"the same command ended with status {done.returncode}: {done.stderr.strip()[-200:]}"
    return "" if stored(home) == nights.after else "the bytes are others"


def killed(nights: Nights, home: Path, after: float) -> str:
    """Kill a night and its processes after so many seconds; returns how it ended, or what is wrong."""
    job = subprocess.Popen(
        command(nights.traffic, home, nights.sample),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with suppress(subprocess.TimeoutExpired):
        job.wait(after)
    ended = "was over already" if job.poll() is not None else "killed"
    with suppress(ProcessLookupError):
        os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    return again(nights, home) or ended


def filled(nights: Nights, home: Path, stage: str) -> str:
    """Let a night's disk be full from a stage on; returns how it ended, or what is wrong."""
    job = subprocess.run(
        command(nights.traffic, home, nights.sample, stage), capture_output=True, text=True, check=False
    )
    if job.returncode != REFUSED:
        return f"on a full disk: status {job.returncode}: {job.stderr.strip()[-200:]}"
    return again(nights, home) or "refused"


def measured(nights: Nights, kills: int, seed: int, work: Path) -> dict[str, Any]:
    """Do all faults to copies of one home."""
    rng = random.Random(seed)
    moments = sorted(rng.uniform(0, nights.seconds) for _ in range(kills))
    ends: dict[str, Counter[str]] = {"killed": Counter(), "disk full": Counter()}
    faults: list[str] = []

    def note(kind: str, at: str, end: str, home: Path) -> None:
        ends[kind][end] += 1
        if end not in ("killed", "was over already", "refused"):
            faults.append(f"{kind} {at}: {end}")
        print(f"{kind} {at}: {end}", flush=True)
        shutil.rmtree(home)
        _assignments(home).unlink(missing_ok=True)

    for number, after in enumerate(moments):
        home = Path(shutil.copytree(nights.home, work / f"killed{number}"))
        note("killed", f"after {after:.2f} s", killed(nights, home, after), home)
    for stage in [*nights.stages, PUBLISH]:
        home = Path(shutil.copytree(nights.home, work / f"full-{stage}"))
        note("disk full", f"in {stage}", filled(nights, home, stage), home)
    return {"seconds": nights.seconds, "stages": nights.stages, "ends": ends, "faults": faults}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=30, help="of each size")
    parser.add_argument("--small", type=int, default=2_000, help="rows of a night in memory; 0: none")
    parser.add_argument("--large", type=int, default=20_000, help="rows of a night by way of files; 0: none")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    results: dict[str, Any] = {"machine": machine.facts(), "kills": args.kills, "seed": args.seed}
    for name, rows, sample in (("small", args.small, 0), ("large", args.large, SAMPLE)):
        if rows:
            with tempfile.TemporaryDirectory() as folder:
                work = Path(folder)
                results[name] = measured(prepare(rows, sample, work), args.kills, args.seed, work)
    if args.json is not None:
        machine.save(results, args.json)
    faults = [fault for name in ("small", "large") if name in results for fault in results[name]["faults"]]
    print(json.dumps({"faults": faults}, indent=1))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
