"""Measure how fast `fingerprint hunt` searches history, on simulated traffic.

    python -m benchmarks.speed.hunt
    python -m benchmarks.speed.hunt --rows 200000 --json hunt.json

A night of 26,000 requests gives the families; the history is other days of the same world, as Parquet and as JSON
lines. Each hunt is a process of its own: reading, start of the program and result file included.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.common import machine
from benchmarks.common.tables import table, title
from fingerprint import simulate
from fingerprint.domain.rows import FamilyRow
from fingerprint.store.store import Store

NIGHT = 26_000


@dataclass(frozen=True, slots=True)
class Hunted:
    """One hunt; seconds: of the search, process_seconds and cpu_seconds: of the whole process."""

    what: str
    family: str
    requests: int
    hits: int
    seconds: float
    process_seconds: float
    cpu_seconds: float
    peak_mb: float

    @property
    def rate(self) -> float:
        """Requests searched a second."""
        return self.requests / self.seconds


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="fingerprint-hunt-") as folder:
        before = machine.facts()
        hunts = measured(options.rows, options.seed, Path(folder))
    print(_as_text(hunts))
    if options.json:
        machine.save(
            {"machine": before, "hunts": [asdict(h) | {"rate": h.rate} for h in hunts]}, options.json
        )


def measured(rows: int, seed: int, work: Path) -> list[Hunted]:
    """Make a home and a history, and hunt three families in it."""
    days = max(1, round(rows / NIGHT))
    config = replace(
        simulate.preset("default", seed=seed, evasion="mix"), rows=NIGHT * (days + 1), days=days + 1
    )
    first, *later = simulate.write(config, work / "traffic")
    machine.fingerprint("nightly", first, "--home", work / "home", "--quiet", scratch=work)
    with Store.open(work / "home", read_only=True) as store:
        families = store.families()
    lines = work / "lines.jsonl"
    with lines.open("wb") as out:
        for part in simulate.write(
            replace(config, days=min(8, days), rows=NIGHT * min(8, days)), work / "j.jsonl"
        ):
            out.write(part.read_bytes())
    largest, smallest = families_of(families)
    # one hunt compiles the kernels
    machine.fingerprint("hunt", largest, first, "--home", work / "home", "--quiet", scratch=work)
    return [
        _hunted("Parquet, largest flagged family", largest, later, work),
        _hunted("Parquet, smallest flagged family", smallest, later, work),
        _hunted("Parquet, text only", largest, later, work, "--text-only"),
        _hunted("JSON lines, largest flagged family", largest, [lines], work),
    ]


def families_of(families: list[FamilyRow]) -> tuple[str, str]:
    """Return the ids of the largest and the smallest flagged family."""
    flagged = sorted((f for f in families if f.flagged), key=lambda f: (f.requests, f.family_id))
    return flagged[-1].family_id, flagged[0].family_id


def _hunted(what: str, family: str, files: list[Path], work: Path, *options: str) -> Hunted:
    ran = machine.fingerprint(
        "hunt",
        family,
        *files,
        "--home",
        work / "home",
        "--output",
        work / "hits.parquet",
        "--json",
        "--quiet",
        *options,
        scratch=work,
    )
    printed = json.loads(ran.output)
    read = printed["ingest"]["accepted"]
    return Hunted(
        what, family, read, printed["hits"], printed["seconds"], ran.seconds, ran.cpu_seconds, ran.peak_mb
    )


def _as_text(hunts: list[Hunted]) -> str:
    head = ["", "requests", "hits", "requests/s", "CPU µs each", "process s", "MB"]
    rows = [
        [
            h.what,
            h.requests,
            h.hits,
            round(h.rate),
            1e6 * h.cpu_seconds / h.requests,
            h.process_seconds,
            round(h.peak_mb),
        ]
        for h in hunts
    ]
    return f"{title('Hunting in history')}\n{table(head, rows)}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the history")
    parser.add_argument("--seed", type=int, default=1, help="of the simulation")
    parser.add_argument(
        "--json", type=Path, metavar="OUT", help="write the figures, with machine and versions"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
