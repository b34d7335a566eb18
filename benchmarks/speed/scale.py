"""Measure nights of growing size on simulated traffic: time and memory by stage, disk, scores, and how cost grows.

    python -m benchmarks.speed.scale --rows 100000 1000000 --json benchmarks/results/scale.json --plot scale.png
    python -m benchmarks.speed.scale --rows 16000000 --memory 12
    python -m benchmarks.speed.scale --preset lifelike --rows 1000000 4000000    # half of it chats: 4 KB a request
    python -m benchmarks.speed.scale --small 1000000      # 60 campaigns of 0.01 % of the traffic each, and none larger
    python -m benchmarks.speed.scale --statistics TRAFFIC TRUTH     # what the text is like, beside the simulated one

Every night is worked in a process of its own. Seconds mean little on a machine that does other things: processor
seconds and the load average at the start are given with them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.common import machine, scores
from benchmarks.common.labelled import ASSIGNMENTS, assigned, read, read_truth
from benchmarks.common.tables import table, title
from benchmarks.common.textstats import comparison_text, statistics
from benchmarks.quality.bars import Bar, as_text
from fingerprint import simulate
from fingerprint.simulate.config import Config

WORKER = "benchmarks.speed.scale_worker"
Preset = Literal["scale", "lifelike"]

CHATS = 0.55
"""Share of the requests of a lifelike night that are turns of growing chats; with them a request has 4 KB on average."""

CHAT_TURNS_EACH = 13
"""Turns that an account of chats sends a day, about."""

SMALL = 0.0001
"""Share of the traffic of a small campaign."""


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="fingerprint-scale-", dir=options.work) as folder:
        work = Path(folder)
        before = machine.facts()
        figures: dict[str, Any] = {"machine": before}
        if options.statistics:
            traffic, truth = _simulated(26_000, work)
            figures["text"] = {
                "simulated": statistics(traffic, truth),
                options.statistics[0].name: statistics(*options.statistics),
            }
            print(comparison_text(figures["text"]))
        nights = [
            night(rows, options.memory, work, preset=options.preset, made=options.traffic)
            for rows in sorted(options.rows)
        ]
        for one in nights:
            one["machine"] = before
            print(_as_text(one))
        nights = sorted([*nights, *_earlier(options.add)], key=lambda one: int(one["rows"]))
        if nights:
            figures |= {
                "preset": options.preset,
                "nights": nights,
                "exponent": exponent(nights),
                "bars": [asdict(b) for b in bars(nights, options.preset)],
            }
            print(title("Bars"))
            print(as_text(bars(nights, options.preset)))
        if options.small:
            figures["small_campaigns"] = small(options.small, options.memory, work)
            print(title(f"60 campaigns of 0.01 % each in {options.small:,} requests"))
            print(json.dumps(figures["small_campaigns"]["small_campaigns"]))
    if options.plot:
        plot(nights, options.plot)
    if options.json:
        machine.save(figures, options.json)


def night(
    rows: int,
    memory_gb: float,
    work: Path,
    *,
    preset: Preset = "scale",
    made: Path | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """Simulate a night of so many requests, work it, and score what was found; made: where simulations are kept."""
    place = work if made is None else made / (str(rows) if preset == "scale" else f"{preset}-{rows}")
    if not ((place / "truth.parquet").exists() and (place / "traffic").exists()):
        place.mkdir(parents=True, exist_ok=True)
        _simulated(rows, place, preset, **changes)
    traffic, truth = place / "traffic", place / "truth.parquet"
    command = [sys.executable, "-m", WORKER, str(traffic), str(work / "home"), str(memory_gb)]
    ran = machine.run(command, work)
    measured: dict[str, Any] = json.loads(ran.output)
    known, given = read_truth(truth), read(work / "home.parquet", ASSIGNMENTS)
    result = assigned(known, given)
    shutil.rmtree(work / "home")
    size, texts = sum(file.stat().st_size for file in traffic.iterdir()), text_bytes(traffic)
    (work / "home.parquet").unlink()
    if made is None:
        shutil.rmtree(traffic)
        truth.unlink()
    quality, each = scores.families(known, result), scores.shares_found(known, result)
    return {
        "rows": rows,
        "seconds": ran.seconds,
        "cpu_seconds": ran.cpu_seconds,
        # the worker forgets the peak after each stage
        "peak_mb": max(ran.peak_mb, *(stage["peak_mb"] for stage in measured["stages"].values())),
        "input_bytes": size,
        "text_bytes": texts,
        "disk_bytes": measured.pop("disk_bytes"),
        **measured,
        "micro_f1": quality.overall.f1,
        "macro_f1": quality.macro_f1_over_families,
        "precision": quality.overall.precision,
        "recall": quality.overall.recall,
        "by_evasion": {name: part.f1 for name, part in quality.by_evasion.items()},
        "background_unrepeated_in_families": quality.background_unrepeated_in_families,
        "small_campaigns": share_found(each, most=1.5 * SMALL * rows),
        "campaigns": each,
    }


def text_bytes(traffic: Path) -> int:
    """Return the bytes of all texts, of system prompts and user turns, in a folder of Parquet files."""
    return sum(
        pc.sum(pc.binary_length(column)).as_py() or 0
        for file in sorted(traffic.iterdir())
        for part in pq.ParquetFile(file).iter_batches(columns=["system", "prompt"])
        for column in part.columns
    )


def share_found(each: dict[str, dict[str, float]], most: float) -> dict[str, float]:
    """Count campaigns of at most so many requests; found is one half of which is in families of its own."""
    shares = np.array([c["found"] for c in each.values() if c["requests"] <= most])
    return {"campaigns": len(shares), "share_found": float((shares >= 0.5).mean()) if len(shares) else 1.0}


def small(rows: int, memory_gb: float, work: Path) -> dict[str, Any]:
    """Work a night whose campaigns are all small."""
    changes: dict[str, Any] = {"campaigns": 60, "largest": SMALL, "smallest": SMALL, "more": 0}
    return night(rows, memory_gb, work, **changes)


def exponent(nights: Sequence[dict[str, Any]], cost: str = "cpu_seconds") -> float | None:
    """Fit cost = a · rows^b by least squares of logarithms, and return b; None for one night."""
    if len(nights) < 2:
        return None
    x, y = np.log([n["rows"] for n in nights]), np.log([n[cost] for n in nights])
    return float(np.polyfit(x, y, 1)[0])


def bars(nights: Sequence[dict[str, Any]], preset: Preset = "scale") -> list[Bar]:
    """List the bars that these nights can be held against; those of single sizes are for the preset `scale`."""
    out = []
    for one in nights:
        rows = one["rows"]
        if preset == "scale" and rows == 1_000_000:
            out += [
                Bar("1 million: minutes", one["seconds"] / 60, 2.5, 2.5, most=True),
                Bar("1 million: micro F1", one["micro_f1"], 0.98, 0.98),
            ]
        if preset == "scale" and rows == 16_000_000:
            out += [
                Bar("16 million: minutes", one["seconds"] / 60, 45.0, 45.0, most=True),
                Bar("16 million: peak GB", one["peak_mb"] / 1e3, 16.0, 16.0, most=True),
                Bar("16 million: micro F1", one["micro_f1"], 0.97, 0.97),
                Bar("16 million: campaigns of 0.01 %", one["small_campaigns"]["share_found"], 0.9, 0.9),
            ]
        out.append(
            Bar(f"{rows:,}: disk over input", one["disk_bytes"] / one["input_bytes"], 3.0, 3.0, most=True)
        )
    grown = exponent(nights)
    if grown is not None:
        out.append(Bar("cost exponent", grown, 1.10, 1.10, most=True))
    return out


def plot(nights: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw cost against size on logarithmic axes, with the fitted line."""
    import matplotlib.pyplot as plt

    rows = np.array([n["rows"] for n in nights], dtype=np.float64)
    figure, axes = plt.subplots(figsize=(6, 4))
    for cost, name in (("cpu_seconds", "processor seconds"), ("seconds", "seconds")):
        grown = exponent(nights, cost)
        label = name if grown is None else f"{name}, exponent {grown:.2f}"
        axes.loglog(rows, [n[cost] for n in nights], marker="o", label=label)
    axes.set_xlabel("requests of the night")
    axes.set_ylabel("cost")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)


def _earlier(file: Path | None) -> list[dict[str, Any]]:
    return [] if file is None else list(json.loads(file.read_text())["nights"])


def _simulated(rows: int, work: Path, preset: Preset = "scale", **changes: Any) -> tuple[Path, Path]:
    """Write traffic/*.parquet and truth.parquet; return the largest of the first, and the second."""
    truth, folder = work / "truth.parquet", work / "traffic"
    configs: list[Config] = [simulate.preset(preset, rows=rows, days=1, **changes)]
    if preset == "lifelike":
        turns = round(CHATS * rows)
        chats = {"rows": turns, "seed": configs[0].seed + 1, "accounts": max(20, turns // CHAT_TURNS_EACH)}
        configs = [replace(configs[0], rows=rows - turns), simulate.preset("chats", **chats)]
    truths = [work / f"truth{number}.parquet" for number in range(len(configs))]
    for number, config in enumerate(configs):
        simulate.write(config, folder / f"part{number}.parquet", truth=truths[number])
    with pq.ParquetWriter(truth, pq.read_schema(truths[0])) as whole:
        for part in truths:
            whole.write_table(pq.read_table(part))
            part.unlink()
    return folder / "part0.parquet", truth


def _as_text(one: dict[str, Any]) -> str:
    rows = one["rows"]
    lines = [
        (
            name,
            f"{s['seconds']:.1f}",
            f"{s['cpu_seconds']:.1f}",
            round(rows / max(s["seconds"], 1e-9)),
            s["peak_mb"],
        )
        for name, s in one["stages"].items()
    ]
    lines.append(
        (
            "whole process",
            f"{one['seconds']:.1f}",
            f"{one['cpu_seconds']:.1f}",
            round(rows / one["seconds"]),
            one["peak_mb"],
        )
    )
    head = title(
        f"{rows:,} requests, {one['families']} families: micro F1 {one['micro_f1']:.4f}, macro {one['macro_f1']:.4f}, "
        f"disk {one['disk_bytes'] / one['input_bytes']:.2f} × input, {one['text_bytes'] / rows:,.0f} bytes a request"
    )
    return f"{head}\n{table(['', 'seconds', 'cpu', 'rows/s', 'peak MB'], lines)}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[], help="requests of each night")
    parser.add_argument("--preset", choices=get_args(Preset), default="scale", help="what is simulated")
    parser.add_argument("--small", type=int, metavar="ROWS", help="a night with small campaigns only")
    parser.add_argument("--memory", type=float, default=12.0, help="GB that a night may take")
    parser.add_argument("--statistics", type=Path, nargs=2, metavar=("TRAFFIC", "TRUTH"))
    parser.add_argument("--add", type=Path, metavar="JSON", help="nights that an earlier run measured, too")
    parser.add_argument("--work", type=Path, help="where traffic and homes go while it runs")
    parser.add_argument(
        "--traffic", type=Path, metavar="DIR", help="keep the simulated traffic here, and take what is here"
    )
    parser.add_argument("--plot", type=Path, metavar="OUT", help="draw cost against size (.png, .svg)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the measurements")
    return parser.parse_args()


if __name__ == "__main__":
    main()
