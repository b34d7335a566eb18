"""The service and the console under load, as a section of docs/results.md."""

from __future__ import annotations

from benchmarks.common.results import Run, paragraph, percent, read, section, table


def service() -> str:
    """Write lookups over HTTP, the console's pages, and whether HTTP and the command line agree."""
    run, pages, compared = read("serve"), read("console"), read("agree")
    return section(
        "The service",
        paragraph(f"""{run["setup"]["families"]:,} families (simulated), {run["setup"]["workers"]} workers and the load
            generator on the same cores (`python -m benchmarks.service.serve`, `console`, `agree`):"""),
        table(
            ["", ""],
            [
                *_lookups(run),
                *_swaps(run["swaps"]),
            ],
        ),
        paragraph("Pages of the console, server time:"),
        table(
            ["page", "median ms", "worst ms"],
            [[name, f"{p['median_ms']:.0f}", f"{p['worst_ms']:.0f}"] for name, p in pages["pages"].items()],
        ),
        paragraph(f"""Lookups of a labelled day over HTTP and by `fingerprint lookup`:
            {compared["batches"]["asked"]:,} in batches, {compared["batches"]["different"]} differ;
            {compared["single"]["asked"]:,} one by one, {compared["single"]["different"]} differ."""),
    )


def _lookups(run: Run) -> list[list[str]]:
    alone, flood, steady = run["in_process"], run["flood"], run["steady"]
    return [
        ["one lookup in process", f"median {alone['p50_ms']:.2f} ms, p99 {alone['p99_ms']:.1f} ms"],
        [
            f"{run['setup']['connections']} connections that ask again at once",
            f"{flood['requests_per_second']:,.0f} requests/s",
        ],
        [
            f"{steady['requests_per_second']:.0f} requests/s offered",
            f"median {steady['p50_ms']:.1f} ms, p99 {steady['p99_ms']:.1f} ms",
        ],
        ["resident memory of a worker", f"{max(worker['rss_mb'] for worker in run['memory']):,.0f} MB"],
    ]


def _swaps(swaps: Run) -> list[list[str]]:
    failed = sum(swaps["failures"].values()) + swaps["requests"] - swaps["statuses"].get("200", 0)
    memory = swaps["rss_mb_over_time"]
    growth = max(end / begin for begin, end in zip(memory[len(memory) // 3], memory[-1], strict=True)) - 1
    return [
        [
            f"{swaps['seconds'] / 60:.0f} minutes at {swaps['requests_per_second']:.0f} requests/s, "
            f"{swaps['snapshots_published']} new snapshots, PostgreSQL stopped and started {len(swaps['database_away_seconds'])} times",
            f"{failed} of {swaps['requests']:,} failed",
        ],
        ["… median, p99", f"{swaps['p50_ms']:.1f} ms, {swaps['p99_ms']:.0f} ms"],
        ["… p99 around new snapshots", f"{swaps['p99_ms_around_swaps']:.0f} ms"],
        ["… growth of a worker's memory from a third of the time to the end", percent(growth, 1)],
    ]
