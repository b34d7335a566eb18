"""Measure speed and memory on simulated traffic: a night by stage, single lookups, batches, and --help.

    python -m benchmarks.speed.speed
    python -m benchmarks.speed.speed --rows 26000 --json speed.json

Every measurement is made in a process of its own. Run it on a machine that does nothing else: the load average
is in the results.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import machine
from benchmarks.common.tables import table, title
from benchmarks.quality.bars import Bar, as_text
from fingerprint import simulate
from fingerprint.domain.signature import Signature
from fingerprint.matching import snapshot_build
from fingerprint.store.store import Store

WORKERS = "benchmarks.speed.workers"

RELATED = 0.1
"""Share of a copied signature's grams that stays: real templates share some of their wording."""


@dataclass(frozen=True, slots=True)
class Speed:
    """All that was measured; nights by their number of requests."""

    nights: dict[int, dict[str, Any]]
    parts: dict[str, dict[str, float]]
    lookup: dict[str, float]
    help_seconds: float


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="fingerprint-speed-") as folder:
        work = Path(folder)
        before = machine.facts()
        measured = measure(options.rows, options.families, options.seed, work)
    print(_as_text(measured))
    if options.json:
        machine.save(
            {
                "machine": before,
                "nights": measured.nights,
                "parts": measured.parts,
                "lookup": measured.lookup,
                "help_seconds": measured.help_seconds,
            },
            options.json,
        )


def measure(sizes: Sequence[int], families: int, seed: int, work: Path) -> Speed:
    """Measure nights of these sizes; lookups of a second day against `families` families of the smallest one."""
    nights: dict[int, dict[str, Any]] = {}
    for rows in sorted(sizes):
        today, tomorrow = traffic(rows, seed, work / str(rows))
        nights[rows] = _worker("night", today, work / str(rows) / "home", work=work)
        if len(nights) == 1:
            parts = _worker("parts", today, lines(rows, seed, work), work=work)
            copied = fill(work / str(rows) / "home", work / "many", families, seed)
            lookup = {**_worker("lookup", work / "many", tomorrow, work=work), "copied_families": copied}
    helps = [machine.fingerprint("--help", scratch=work).seconds for _ in range(7)]
    return Speed(nights, _without_process(parts), _without_process(lookup), statistics.median(helps))


def traffic(rows: int, seed: int, folder: Path) -> list[Path]:
    """Simulate two days of `rows` requests each, accounts in proportion."""
    config = simulate.preset(
        "default", rows=2 * rows, days=2, seed=seed, evasion="mix", accounts=max(20, rows // 8)
    )
    return simulate.write(config, folder / "traffic")


def lines(rows: int, seed: int, folder: Path) -> Path:
    """Simulate one day as gzipped JSON lines."""
    out = folder / "lines.jsonl.gz"
    simulate.write(simulate.preset("default", rows=rows, seed=seed, accounts=max(20, rows // 8)), out)
    return out


def fill(home: Path, out: Path, families: int, seed: int) -> int:
    """Publish a snapshot of so many families in `out`: those of a home, and copies of them with other text and meaning.

    Returns how many are copies.
    """
    with Store.open(home, read_only=True) as store:
        real, stamp = store.signatures(), store.stamp()
    if stamp is None or not real:
        raise SystemExit(f"speed.py: families expected in {home}, none found")
    rng = np.random.default_rng(seed)
    copies = [copy_of(real[i % len(real)], i, rng) for i in range(max(0, families - len(real)))]
    snapshot_build.publish(out, [*real[:families], *copies], stamp, night=None)
    return len(copies)


def copy_of(signature: Signature, number: int, rng: np.random.Generator) -> Signature:
    """Copy a signature, with other text but for RELATED of it, and other meaning."""
    grams = rng.integers(0, np.iinfo(np.uint64).max, len(signature.grams), dtype=np.uint64, endpoint=True)
    kept = rng.random(len(grams)) < RELATED
    grams[kept] = signature.grams[kept]
    moved = signature.prototypes + rng.standard_normal(signature.prototypes.shape).astype(np.float32) * 0.1
    unit = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return replace(signature, family_id=f"copy{number:05}", grams=np.sort(grams), prototypes=unit)


def _worker(name: str, *arguments: Path, work: Path) -> dict[str, Any]:
    ran = machine.run([sys.executable, "-m", WORKERS, name, *map(str, arguments)], work)
    printed: dict[str, Any] = json.loads(ran.output)
    return {**printed, "process": {"seconds": ran.seconds, "cpu_seconds": ran.cpu_seconds}}


def _without_process(printed: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in printed.items() if name != "process"}


def _as_text(measured: Speed) -> str:
    nights = [_night(rows, night) for rows, night in measured.nights.items()]
    parts = [(name, part["seconds"], part["rows_per_second"]) for name, part in measured.parts.items()]
    return "\n".join(
        [
            *nights,
            title("The functions in it, one after the other"),
            table(["", "seconds", "rows/s"], parts),
            title("Lookup in one process"),
            table(["", ""], list(measured.lookup.items())).lstrip("\n"),
            title("Bars"),
            as_text(bars(measured)),
        ]
    )


def _night(rows: int, night: dict[str, Any]) -> str:
    stages, whole = night["stages"], night["process"]["seconds"]
    lines = [(name, stage["seconds"], stage["peak_mb"]) for name, stage in stages.items()]
    lines.append(("imports, exit", whole - sum(stage["seconds"] for stage in stages.values()), None))
    lines.append(("whole process", whole, peak(night)))
    told_lines = [(name, f"{took:.1f}", round(rows / took) if took else None, mb) for name, took, mb in lines]
    head = title(f"A night of {rows:,} requests, {night['report']['families']} families")
    return f"{head}\n{table(['', 'seconds', 'rows/s', 'peak MB'], told_lines)}"


def bars(measured: Speed) -> list[Bar]:
    """List the bars on speed and memory."""
    rows, night = min(measured.nights.items())
    return [
        Bar(f"a night of {rows:,}: seconds", night["process"]["seconds"], 60.0, 60.0, most=True),
        Bar(f"a night of {rows:,}: peak MB", peak(night), 2500.0, 2500.0, most=True),
        Bar("lookup of one prompt, median ms", measured.lookup["median_ms"], 2.0, None, most=True),
        Bar("lookup of one prompt, p99 ms", measured.lookup["p99_ms"], 8.0, None, most=True),
        Bar("fingerprint --help, seconds", measured.help_seconds, 0.5, None, most=True),
    ]


def peak(night: dict[str, Any]) -> float:
    """Return the peak memory of a night over all its stages, in MB."""
    return float(max(stage["peak_mb"] for stage in night["stages"].values()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[26_000, 200_000], help="requests of each night"
    )
    parser.add_argument("--families", type=int, default=1000, help="families that lookups search")
    parser.add_argument("--seed", type=int, default=1, help="of the simulation")
    parser.add_argument(
        "--json", type=Path, metavar="OUT", help="write the measurements, with machine and versions"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
