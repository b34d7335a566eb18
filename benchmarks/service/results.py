"""The service and the console under load, as a section of docs/results.md."""

from __future__ import annotations

from benchmarks.common.results import Run, paragraph, read, section, table


def service() -> str:
    """Write lookups over HTTP, the console's pages, and whether HTTP and the command line agree."""
    run, pages, compared = read("serve"), read("console"), read("agree")
    soaked, fuzzed = read("soak")["soak"], read("fuzz")["fuzz"]
    return section(
        "The service",
        paragraph(f"""{run["setup"]["families"]:,} families (simulated), {run["setup"]["workers"]} workers and the load
            generator on the same cores (`python -m benchmarks.service.serve`,
            `abuse`, `console`, `agree`):"""),
        table(
            ["", ""],
            [
                *_lookups(run),
                *_soaked(soaked),
                *_fuzzed(fuzzed),
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


def _soaked(soak: Run) -> list[list[str]]:
    failed = sum(soak["failures"].values()) + soak["requests"] - soak["statuses"].get("200", 0)
    labels = soak["labels"]
    return [
        [
            f"{soak['seconds'] / 60:.0f} minutes at {soak['requests_per_second']:.0f} requests/s; three times the database and the "
            "snapshots are taken away, and the disk is full",
            f"{failed} of {soak['requests']:,} failed; median {soak['p50_ms']:.1f} ms, p99 {soak['p99_ms']:.0f} ms",
        ],
        [
            "… labels given meanwhile",
            f"{labels.get('201', 0)} kept, {labels.get('503 announced', 0)} answered 503 with a time to come again",
        ],
        ["… growth of the worker's memory", f"{soak['growth_mb']:.0f} MB"],
    ]


def _fuzzed(fuzz: Run) -> list[list[str]]:
    return [
        [
            f"{fuzz['bodies']:,} bodies that nobody should send, over all routes, {fuzz['bodies_per_second']:.0f} a second",
            f"{len(fuzz['unannounced'])} statuses of 500 and more but 503 with a time to come again",
        ],
        [
            "… a client that asks for a small prompt 20 times a second",
            f"p99 {fuzz['light_p99_ms']:.0f} ms, slowest {fuzz['light_max_ms']:.0f} ms",
        ],
        ["… growth of the worker's memory", f"{fuzz['growth_mb']:.0f} MB"],
    ]
