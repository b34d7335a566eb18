"""What a night on Ray costs, stage by stage, and what it would cost on a cluster: a model of measured constants.

    seconds = Σ over stages of max(driver, workers / c)      driver, workers = fixed seconds + rows · each microseconds

Nights of two sizes on this machine give the two constants of each stage, in processor seconds, so that a machine that
others use too falsifies them little. Stages that work a sample are fixed, and are scaled to the largest sample.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import machine
from benchmarks.common.tables import table, title
from fingerprint import simulate
from fingerprint.nights import memory

WORKER = "benchmarks.speed.cluster_worker"
SAMPLED = ("sample", "shingle", "cluster", "refine")
"""Stages whose cost is that of a sample, of at most memory.MOST_SAMPLE bytes; that of `describe` is in part."""

Constants = dict[str, dict[str, float]]


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="fingerprint-cluster-", dir=options.work) as folder:
        nights = [night(rows, options.memory, options.workers, Path(folder)) for rows in sorted(options.rows)]
    for one in nights:
        lines = [
            (name, *(f"{row[k]:.1f}" for k in ("seconds", "driver_cpu", "workers_cpu")))
            for name, row in one["stages"].items()
        ]
        print(title(f"{one['rows']:,} requests: {one['seconds']:.0f} s, a worker {one['worker_mb']} MB"))
        print(table(["", "seconds", "driver cpu", "workers cpu"], lines))
    figures = {"machine": machine.facts(), "workers": options.workers, "nights": nights}
    if len(nights) > 1:
        known = constants(nights[0], nights[-1])
        figures |= {"constants": known, "predicted": predictions(known, options.predict, options.cores)}
        print(title("Hours of a night, by cores of workers"))
        print(as_text(figures["predicted"], options.cores))
    if options.json:
        machine.save(figures, options.json)


def night(rows: int, memory_gb: float, workers: int, work: Path) -> dict[str, Any]:
    """Simulate a night of so many requests and work it on a local Ray."""
    traffic = simulate.write(simulate.preset("scale", rows=rows), work / f"{rows}.parquet")[0]
    command = [
        sys.executable,
        "-m",
        WORKER,
        str(traffic),
        str(work / str(rows)),
        str(memory_gb),
        str(workers),
    ]
    ran = machine.run(command, work)
    return {"rows": rows, "seconds": ran.seconds, "driver_peak_mb": ran.peak_mb, **json.loads(ran.output)}


def constants(small: dict[str, Any], large: dict[str, Any]) -> Constants:
    """Fit fixed seconds, and microseconds a row, to each stage of two nights; neither is below 0.

    A round that the small night did not need costs by the row, or, where it works a sample, what it cost.
    """
    out: Constants = {}
    for name, after in large["stages"].items():
        before = small["stages"].get(name)
        row: dict[str, float] = {}
        for side in ("driver", "workers"):
            b = after[f"{side}_cpu"]
            a, fewer = (before[f"{side}_cpu"], small["rows"]) if before else (0.0, 0)
            each = max(0.0, (b - a) / (large["rows"] - fewer))
            if name.split()[0] in SAMPLED:
                each = 0.0
            row |= {
                side: round(max(0.0, b - each * large["rows"]), 2),
                f"{side}_row_us": round(1e6 * each, 2),
            }
        out[name] = row
    return out


def seconds(known: Constants, rows: int, cores: int) -> float:
    """Return what the model says of a night of so many rows on workers of so many cores."""
    scale = memory.MOST_SAMPLE / memory.LEAST_SAMPLE
    total = 0.0
    for name, row in known.items():
        sampled = name.split()[0] in (*SAMPLED, "describe")
        driver, workers = (
            row[side] * (scale if sampled else 1.0) + row[f"{side}_row_us"] * rows / 1e6
            for side in ("driver", "workers")
        )
        total += max(driver, workers / cores)
    return total


def predictions(known: Constants, rows: Sequence[int], cores: Sequence[int]) -> list[dict[str, float]]:
    """Return rows, cores and hours of each combination."""
    return [{"rows": n, "cores": c, "hours": seconds(known, n, c) / 3600} for n in rows for c in cores]


def as_text(predicted: Sequence[dict[str, float]], cores: Sequence[int]) -> str:
    """Lay predictions out, a line for each number of rows."""
    rows = sorted({int(p["rows"]) for p in predicted})
    hours = {(p["rows"], p["cores"]): p["hours"] for p in predicted}
    return table(
        ["requests", *(str(c) for c in cores)],
        [(f"{n:,}", *(f"{hours[n, c]:.2f}" for c in cores)) for n in rows],
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[200_000, 500_000])
    parser.add_argument("--workers", type=int, default=2, help="of the local Ray that is measured")
    parser.add_argument("--memory", type=float, default=12.0, help="GB that a night may take")
    parser.add_argument("--predict", type=int, nargs="+", default=[16_000_000, 190_000_000], metavar="ROWS")
    parser.add_argument(
        "--cores", type=int, nargs="+", default=[2, 8, 32, 128], help="of the workers, predicted"
    )
    parser.add_argument("--work", type=Path, help="where traffic and homes go while it runs")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the measurements")
    return parser.parse_args()


if __name__ == "__main__":
    main()
