"""Compare many nights into one home with the same requests in one batch, and the cost of late nights with early ones.

    python -m benchmarks.quality.incremental --nights 30 --rows 20000 --json benchmarks/results/incremental.json

All nights are worked by one process, which compiles and loads in the first; the batch by another. Requests in no
family count as families of one in the agreement (adjusted Rand index).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.common import machine
from benchmarks.common.labelled import ASSIGNMENTS, Names, assigned, read, read_truth
from benchmarks.common.measures import adjusted_rand
from benchmarks.common.scores import families
from benchmarks.common.tables import table, title
from benchmarks.quality.bars import Bar, as_text
from fingerprint import simulate
from fingerprint.domain.settings import Home
from fingerprint.jobs.nightly import nightly

SAME, GROWTH = 0.97, 2.0
"""What is asked: agreement with one batch, and how many times the second night's cost the last one's may be."""


def main() -> None:
    options = _options()
    before = machine.facts()
    with tempfile.TemporaryDirectory(prefix="fingerprint-incremental-", dir=options.work) as folder:
        work = Path(folder)
        truth = work / "truth.parquet"
        config = simulate.preset(
            options.preset, rows=options.rows * options.nights, days=options.nights, seed=options.seed
        )
        files = simulate.write(config, work / "traffic", truth=truth)
        nights = _worker(["nights", *map(str, files)], work)
        batch = _worker(["batch", *map(str, files)], work)
        comparison = compared(truth, work, nights, batch)
    print(summary_text(comparison))
    limits = bars(comparison)
    print(title("Bars"))
    print(as_text(limits))
    if options.json:
        run = {"preset": options.preset, "rows_a_night": options.rows, "nights": options.nights}
        machine.save(
            {"machine": before, "run": run, **comparison, "bars": [asdict(b) for b in limits]}, options.json
        )


def compared(truth: Path, work: Path, nights: list[dict[str, Any]], batch: dict[str, Any]) -> dict[str, Any]:
    """Set what the nights found beside what the batch found, and both beside the truth."""
    known = read_truth(truth)
    parts = [read(work / f"nights-{n}.parquet", ASSIGNMENTS) for n in range(len(nights))]
    one, other = (
        assigned(known, pa.concat_tables(parts)),
        assigned(known, read(work / "batch.parquet", ASSIGNMENTS)),
    )
    in_both = (one.of >= 0) & (other.of >= 0)
    roles = {role: known.is_role(role) for role in known.role.names}
    return {
        "nights": nights,
        "batch": batch,
        "agreement": adjusted_rand(_alone(one), _alone(other)),
        "agreement_of_requests_in_families_of_both": adjusted_rand(one.of[in_both], other.of[in_both]),
        "agreement_by_role": {
            role: adjusted_rand(_alone(one)[rows], _alone(other)[rows]) for role, rows in roles.items()
        },
        "share_in_families_by_role": {
            role: {
                "nights": float((one.of[rows] >= 0).mean()),
                "batch": float((other.of[rows] >= 0).mean()),
                "both": float(in_both[rows].mean()),
            }
            for role, rows in roles.items()
        },
        "micro_f1": {
            "nights": families(known, one).overall.f1,
            "batch": families(known, other).overall.f1,
        },
        "growth": _cost(nights[-3:]) / _cost(nights[1:4]),
    }


def bars(comparison: dict[str, Any]) -> list[Bar]:
    """List what is asked of many nights."""
    return [
        Bar("agreement with one batch", comparison["agreement"], SAME, SAME),
        Bar(
            "cost of the last nights over that of the second", comparison["growth"], GROWTH, GROWTH, most=True
        ),
    ]


def _alone(predicted: Names) -> np.ndarray[Any, Any]:
    return np.where(predicted.of >= 0, predicted.of, -1 - np.arange(len(predicted.of)))


def _cost(nights: list[dict[str, Any]]) -> float:
    """Processor seconds of the middle one of some nights."""
    return float(np.median([night["cpu_seconds"] for night in nights]))


def summary_text(comparison: dict[str, Any]) -> str:
    """Write the nights as a table, and what they have in common with the batch."""
    rows: list[tuple[object, ...]] = [
        (n, row["seconds"], row["cpu_seconds"], row["families"], row["new_families"], row["in_families"])
        for n, row in enumerate(comparison["nights"], 1)
    ]
    batch = comparison["batch"]
    rows.append(
        ("batch", batch["seconds"], batch["cpu_seconds"], batch["families"], "", batch["in_families"])
    )
    head = table(["night", "seconds", "cpu", "families", "new", "requests in families"], rows)
    facts = {k: v for k, v in comparison.items() if k not in ("nights", "batch")}
    return f"{title('Nights, and all of them as one batch')}\n{head}\n{json.dumps(facts, indent=1)}"


def _worker(arguments: list[str], work: Path) -> Any:
    return json.loads(
        machine.run(
            [sys.executable, "-m", "benchmarks.quality.incremental", "--worker", str(work), *arguments], work
        ).output
    )


def _work(folder: Path, how: str, files: list[str]) -> Any:
    """Work files as nights of one home, or as one batch."""
    if how == "batch":
        return _night(files, Home(folder / "one"), folder / "batch.parquet")
    home = Home(folder / "many")
    return [_night([file], home, folder / f"nights-{n}.parquet") for n, file in enumerate(files)]


def _night(files: list[str], home: Home, out: Path) -> dict[str, Any]:
    began, used = time.monotonic(), time.process_time()
    report = nightly(files, home, assignments=out)
    return {
        "seconds": round(time.monotonic() - began, 2),
        "cpu_seconds": round(time.process_time() - used, 2),
        "families": report.families,
        "new_families": report.new_families,
        "in_families": report.assigned,
        "home_bytes": sum(p.stat().st_size for p in home.path.rglob("*") if p.is_file()),
        "stages": dict(report.seconds),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nights", type=int, default=30)
    parser.add_argument("--rows", type=int, default=20_000, help="requests of each night")
    parser.add_argument("--preset", default="default", choices=sorted(simulate.PRESETS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, help="where traffic and homes go while it runs")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the measurements")
    return parser.parse_args()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        print(json.dumps(_work(Path(sys.argv[2]), sys.argv[3], sys.argv[4:])))
    else:
        main()
