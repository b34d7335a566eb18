"""Print the tables of README.md from results/*.json; --write puts them there."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.common.machine import RESULTS

BEGIN, END = "<!-- results begin -->\n", "<!-- results end -->\n"

RUNS = {
    "three days": "quality-days",
    "no metadata": "quality-days-no-metadata",
    "in one night": "quality-days-one-batch",
    "default": "quality-default",
    "hard": "quality-hard",
    "crowded": "quality-crowded",
}
CUTS = {"1e-3": "background@0.001", "1e-4": "background@0.0001"}
EVASIONS = [
    "none",
    "nonce",
    "case",
    "homoglyph",
    "inject_start",
    "inject_middle",
    "inject_end",
    "swap",
    "shuffle",
    "payload_domination",
    "paraphrase",
    "translation",
]

Run = dict[str, Any]
Figure = Callable[[Run], object]


def each(what: str, *path: str) -> Figure:
    """Take a figure of every day: first / second / third."""
    return lambda run: " / ".join(_number(_at(scores, path)) for scores in run[what].values())


def last(what: str, *path: str) -> Figure:
    """Take a figure over all days."""
    return lambda run: _number(_at(list(run[what].values())[-1], path)) if run[what] else None


FIGURES: dict[str, Figure] = {
    "families: micro F1, by day": each("families", "overall", "f1"),
    "families: macro F1": each("families", "macro_f1_over_families"),
    "unrepeated background in families": each("families", "background_unrepeated_in_families"),
    **{f"lookup: TPR at FPR {name}": last("lookup", "overall", "tpr", cut) for name, cut in CUTS.items()},
    "lookup: TPR at own thresholds": last("lookup", "overall", "tpr_own_threshold"),
    "lookup: FPR at own thresholds": last("lookup", "fpr_background"),
    "campaigns: precision": each("campaigns", "precision"),
    "campaigns: recall": each("campaigns", "recall"),
    "campaigns: average precision": each("campaigns", "average_precision"),
    "accounts: recall at FPR 0.3 %": each("accounts", "recall_at_rate"),
    "continuity: same id": each("continuity", "share_same"),
    "nights: seconds": lambda run: " / ".join(f"{night['seconds']:.0f}" for night in run["nights"]),
    "nights: peak MB": lambda run: " / ".join(f"{night['peak_mb']:,.0f}" for night in run["nights"]),
}


def tables() -> str:
    """Lay out what results there are, as Markdown."""
    runs = {name: _read(file) for name, file in RUNS.items() if _read(file)}
    quality = _markdown(
        ["", *runs], [[name, *map(figure, runs.values())] for name, figure in FIGURES.items()]
    )
    by_kind = [
        [kind, *(f"{each('families', 'by_evasion', kind, 'f1')(run)}" for run in runs.values())]
        for kind in EVASIONS
    ]
    evasion = _markdown(["F1 by evasion, by day", *runs], by_kind)
    lookups = {name: run for name, run in runs.items() if run["lookup"]}
    by_match = [
        [kind, *(last("lookup", "by_evasion", kind, "tpr", CUTS["1e-3"])(run) for run in lookups.values())]
        for kind in EVASIONS
    ]
    found = _markdown(["lookup: TPR at FPR 1e-3", *lookups], by_match)
    return "\n".join([quality, evasion, found, _speed(_read("speed")), _service(), _machines()])


def _speed(run: Run) -> str:
    if not run:
        return ""
    rows = []
    for count, night in run["nights"].items():
        peak = max(stage["peak_mb"] for stage in night["stages"].values())
        seconds = night["process"]["seconds"]
        rows.append(
            [
                f"a night of {int(count):,}",
                f"{seconds:.0f} s, {int(count) / seconds:,.0f} rows/s, {peak:,.0f} MB",
            ]
        )
    rows += [[name, f"{part['rows_per_second']:,} rows/s"] for name, part in run["parts"].items()]
    one = run["lookup"]
    rows.append(
        [
            f"lookup of one prompt, {one['families']:,} families",
            f"median {one['median_ms']:.2f} ms, p99 {one['p99_ms']:.2f} ms",
        ]
    )
    rows.append(["lookup of batches", f"{one['batch_rows_per_second']:,} rows/s"])
    rows.append(["`fingerprint --help`", f"{run['help_seconds']:.2f} s"])
    return _markdown(["speed", ""], rows)


def _service() -> str:
    run, pages, agreed = _read("serve"), _read("console"), _read("agree")
    rows: list[list[object]] = []
    if run:
        alone, flood, steady = run["in_process"], run["flood"], run["steady"]
        rows = [
            ["in process, one lookup", f"median {alone['p50_ms']:.2f} ms, p99 {alone['p99_ms']:.2f} ms"],
            ["flood, 64 connections", f"{flood['requests_per_second']:,.0f} requests/s"],
            ["steady, 200 requests/s", f"median {steady['p50_ms']:.1f} ms, p99 {steady['p99_ms']:.1f} ms"],
            ["memory of a worker", f"{max(worker['rss_mb'] for worker in run['memory']):,.0f} MB"],
        ]
    if swaps := _read("serve").get("swaps"):
        failed = sum(swaps["failures"].values()) + swaps["requests"] - swaps["statuses"].get("200", 0)
        rows += [
            [
                f"{swaps['seconds'] / 60:.0f} minutes of swaps, 300 requests/s",
                f"{swaps['requests']:,} requests, {failed} failed; {swaps['snapshots_published']} snapshots; "
                f"median {swaps['p50_ms']:.1f} ms, p99 {swaps['p99_ms']:.1f} ms, around swaps {swaps['p99_ms_around_swaps']:.1f} ms",
            ]
        ]
    rows += [
        [f"console: {name}", f"median {page['median_ms']:.0f} ms, worst {page['worst_ms']:.0f} ms"]
        for name, page in pages.get("pages", {}).items()
    ]
    rows += [
        [
            f"HTTP and command line, {name}",
            f"{agreed[name]['asked']:,} asked, {agreed[name]['different']} different",
        ]
        for name in ("batches", "single")
        if agreed
    ]
    return _markdown(["service, 10,000 families", ""], rows) if rows else ""


def _machines() -> str:
    lines = []
    for file in sorted(RESULTS.glob("*.json")):
        at = json.loads(file.read_text())["machine"]
        changed = " with changes" if at["uncommitted_changes"] else ""
        lines.append(
            f"- `{file.name}`: {at['cores']} cores {at['cpu']}, {at['memory_gb']:.0f} GB, Python {at['python']}, "
            f"commit {at['commit'][:10]}{changed}, load average {at['load_average'][0]}"
        )
    return "\n".join(lines) + "\n"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(str(value or '') for value in line)} |\n" for line in lines)


def _at(value: Any, path: Sequence[str]) -> Any:
    for key in path:
        value = value.get(key) if value is not None else None
    return value


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}" if 0 < value < 0.01 else f"{value:.3f}"


def _read(name: str) -> Run:
    file = RESULTS / f"{name}.json"
    return json.loads(file.read_text()) if file.exists() else {}


def main() -> None:
    if "--write" not in sys.argv:
        print(tables())
        return
    readme = RESULTS.parent / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    readme.write_text(before + BEGIN + "\n" + tables() + "\n" + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
