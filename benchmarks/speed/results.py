"""Time and memory, as sections of docs/results.md."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable

from benchmarks.common.results import (
    Run,
    number,
    paragraph,
    percent,
    points,
    read,
    section,
    table,
    was_measured,
)

SCALE_STAGES = {
    "read": ("read",),
    "samples: read, n-grams, cluster, families": ("sample", "shingle", "cluster", "refine"),
    "claims": ("claim",),
    "settle": ("settle",),
    "describe": ("describe",),
    "assess, fill": ("judge", "fill"),
    "store, publish": ("store", "publish"),
}
"""What the page calls stages, and their names in results, without the number of a round."""

PARTS = {"ingest JSONL.gz": "read JSONL.gz", "ingest Parquet": "read Parquet", "shingle": "n-grams"}
"""What the page calls parts of a night whose names in results are older."""

RAY_STAGES = {
    "read": ("read",),
    "samples, three rounds": ("sample", "shingle", "cluster", "refine"),
    "claims, three rounds": ("claim",),
    **{name: (name,) for name in ("settle", "describe")},
    "assess": ("judge",),
    "fill": ("fill",),
    "store, publish": ("store", "publish"),
}


def speed() -> str:
    """Write the speed of nights, their parts, lookups and `--help`."""
    run, days = read("speed"), read("quality-days-one-batch")["nights"][0]
    rows = []
    for count, night in run["nights"].items():
        seconds = night["process"]["seconds"]
        peak = max(stage["peak_mb"] for stage in night["stages"].values())
        rows.append(_night(f"a simulated night of {int(count):,} requests", int(count), seconds, peak))
    rows.append(
        _night(
            f"three labelled days in one night, {days['requests']:,} requests",
            days["requests"],
            days["seconds"],
            days["peak_mb"],
        )
    )
    parts = [
        [f"part of a night: {PARTS.get(name, name)}", f"{part['rows_per_second']:,} rows/s"]
        for name, part in run["parts"].items()
    ]
    one = run["lookup"]
    return section(
        "Speed",
        paragraph("""Start of the program included, kernels compiled (`python -m benchmarks.speed.speed`). The first
            night after an installation takes some 25 s more, while kernels are compiled."""),
        table(
            ["", ""],
            [
                *rows,
                *parts,
                [
                    f"lookup of one prompt, {one['families']:,} families",
                    f"median {one['median_ms']:.2f} ms, p99 {one['p99_ms']:.2f} ms",
                ],
                ["lookup of batches", f"{one['batch_rows_per_second']:,} rows/s"],
                ["`fingerprint --help`", f"{run['help_seconds']:.2f} s"],
            ],
        ),
    )


def long_texts() -> str:
    """Write lookups of long texts, in process and over HTTP."""
    run = read("long_texts")
    http, load = run["service"], run["machine"]["load_average"]
    return section(
        "Long texts",
        paragraph(f"""Lookups among {run["setup"]["families"]:,} families of texts that are prompts of a simulated day,
            disguised ones included, one after the other; each is another one (`python -m benchmarks.speed.long_texts`). The
            next turn adds 600 characters to a conversation that was looked up before. Others worked on the machine
            meanwhile: its load was {load[0]:.0f} at the beginning, on two cores."""),
        table(
            ["", "median ms", "p99 ms"],
            [
                *(
                    [name, f"{t['p50_ms']:.2f}", f"{t['p99_ms']:.1f}"]
                    for name, t in run["in_process"].items()
                ),
                *(
                    [name, f"{http[key]['p50_ms']:.1f}", f"{http[key]['p99_ms']:.0f}"]
                    for name, key in (
                        ("20 small lookups a second over HTTP, one worker", "light_alone"),
                        (
                            f"… beside {run['setup']['connections']} connections that send 1 MB after 1 MB",
                            "light_beside",
                        ),
                    )
                ),
            ],
        ),
    )


def scale() -> str:
    """Write nights of growing size."""
    run = read("scale")
    nights = run["nights"]
    simulated, labelled = run["text"]["simulated"], run["text"]["day1.jsonl.gz"]
    rows = [
        *_costs(nights),
        *([name, *(number(night[key]) for night in nights)] for name, key in _SCORES.items()),
        [
            f"campaigns of 0.01 % found, of {nights[0]['small_campaigns']['campaigns']}",
            *(percent(night["small_campaigns"]["share_found"]) for night in nights),
        ],
        *_scale_stages(nights),
    ]
    return section(
        "Nights of growing size",
        paragraph("""Simulated traffic of the preset `scale`: 24,000 accounts, 16 campaigns of 20 % down to 0.01 % of
            the traffic and 40 more of 0.01 %, which disguise up to 30 % of a template's requests, and 3,000 honest
            templates (`python -m benchmarks.speed.scale`). Each night runs in a process of its own, from Parquet to
            stored signatures and assignments; kernels were compiled. A campaign counts as found if half of its
            requests are in families that are mostly its own."""),
        table(["requests", *(f"{night['rows']:,}" for night in nights)], rows),
        points(
            f"""The cost exponent over these sizes is {run["exponent"]:.2f} (processor seconds; 1 is linear): samples
            have 200 MB at most, and prompts that are explained are not compared again.""",
            """Disk is most just after a night was stored (D-040). The machine's speed varies by a third from hour to
            hour.""",
            f"""How the simulated text compares with a labelled day: a median of
            {simulated["tokens, 50th percentile"]:.0f} tokens ({labelled["tokens, 50th percentile"]:.0f} there),
            {percent(simulated["distinct prompts"])} distinct prompts ({percent(labelled["distinct prompts"])}),
            {percent(simulated["popular repeats in background"], 1)} popular repeats in the background
            ({percent(labelled["popular repeats in background"], 1)}), and
            {percent(simulated[_COMMON])} of the background's 4-grams in eight prompts or more ({percent(labelled[_COMMON])}):
            simulated background shares less of its wording than life.""",
        ),
        "![Cost against size](../benchmarks/results/scale.svg)\n",
        *_lifelike_scale(),
    )


def _lifelike_scale() -> list[str]:
    if not was_measured("scale-lifelike"):
        return []
    run = read("scale-lifelike")
    nights = run["nights"]
    rows = [
        ["bytes of text a request", *(f"{night['text_bytes'] / night['rows']:,.0f}" for night in nights)],
        *_costs(nights),
        *([name, *(number(night[key]) for night in nights)] for name, key in _SCORES.items()),
        *_scale_stages(nights),
    ]
    return [
        paragraph(f"""The same of the preset `lifelike` with as many turns of growing chats (`--preset lifelike`), much honest
            software, and long texts; the exponent is {run["exponent"]:.2f}:"""),
        table(["requests", *(f"{night['rows']:,}" for night in nights)], rows),
    ]


def _costs(nights: list[Run]) -> list[list[str]]:
    return [
        ["seconds", *(f"{night['seconds']:,.0f}" for night in nights)],
        ["processor seconds", *(f"{night['cpu_seconds']:,.0f}" for night in nights)],
        ["rows/s", *(f"{night['rows'] / night['seconds']:,.0f}" for night in nights)],
        ["peak MB", *(f"{night['peak_mb']:,.0f}" for night in nights)],
        ["disk over input", *(f"{night['disk_bytes'] / night['input_bytes']:.2f}" for night in nights)],
    ]


def _scale_stages(nights: list[Run]) -> list[list[str]]:
    return [
        [f"seconds: {name}", *(_short(_stages(night["stages"], stages, "seconds")) for night in nights)]
        for name, stages in SCALE_STAGES.items()
    ]


_SCORES = {
    "micro F1": "micro_f1",
    "macro F1 over templates": "macro_f1",
    "precision": "precision",
    "recall": "recall",
}
_COMMON = "4-grams of background in 8 prompts or more"


def hunts() -> str:
    """Write hunts for one family in past traffic."""
    rows = [
        [
            hunt["what"],
            f"{hunt['requests']:,}",
            f"{hunt['hits']:,}",
            f"{hunt['seconds']:.1f}",
            f"{hunt['rate']:,.0f}",
            f"{1e6 * hunt['cpu_seconds'] / hunt['requests']:.0f}",
            f"{hunt['peak_mb']:,.0f}",
        ]
        for hunt in read("hunt")["hunts"]
    ]
    return section(
        "Hunting",
        paragraph("One family in past simulated traffic (`python -m benchmarks.speed.hunt`); two cores:"),
        table(["", "requests", "hits", "seconds", "requests/s", "processor µs a request", "peak MB"], rows),
    )


def watches() -> str:
    """Write minutes and requests until a campaign is raised and flagged from a stream."""
    run = read("watch-lifelike")
    rows = [[name, cell] for name, cell in _watch(run).items()]
    return section(
        "Watching a stream",
        paragraph("""The first labelled day near to life (2 % campaigns) is replayed by its own times to a `watch` with its usual
            settings, in a home that knows no family (`python -m benchmarks.speed.watch`). Minutes count from a campaign's
            first request; most of these campaigns spread theirs over the day."""),
        table(["", ""], rows),
        paragraph(f"""Campaigns that were raised and not flagged sent few requests that day: {_unflagged([run])}. The longest
            round of a new installation includes compiling the kernels."""),
    )


def _watch(run: Run) -> dict[str, str]:
    raised = [c["raised_minutes"] for c in run["caught"] if c["raised_minutes"] is not None]
    flagged = [c for c in run["caught"] if c["flagged_minutes"] is not None]
    minutes = [c["flagged_minutes"] for c in flagged]
    sent = [c["sent_before_flag"] for c in flagged]
    rounds = run["round_seconds"]
    return {
        "requests": f"{run['requests']:,}",
        "campaigns: raised, flagged": f"{len(run['caught'])}: {len(raised)}, {len(flagged)}",
        "minutes until raised, median": f"{statistics.median(raised):.1f}",
        "minutes until flagged, median (longest)": f"{statistics.median(minutes):.1f} ({max(minutes):.0f})",
        "requests sent until flagged, median (fewest, most)": f"{statistics.median(sent):.0f} ({min(sent)}, {max(sent)})",
        "flagged families that are no campaign's": f"{run['wrongly_flagged']} of {run['flagged_families']}",
        "processor seconds, whole day": f"{run['cpu_seconds']:.0f}",
        "processor seconds of a round, median (longest)": f"{statistics.median(rounds):.1f} ({max(rounds):.0f})",
    }


def _unflagged(runs: Iterable[Run]) -> str:
    few = [c["requests"] for run in runs for c in run["caught"] if c["flagged_minutes"] is None]
    return " and ".join(map(str, sorted(few)))


def gpu() -> str:
    """Write embedding, neighbours and a night on a GPU."""
    run = read("gpu")
    embedding, night = run["embedding"], run["night"]
    device, plain = night["minilm on the device"], night["static on the processor"]
    rows = [
        [
            f"all-MiniLM-L6-v2, {embedding['prompts']:,} prompts of {embedding['mean_characters']} characters on average: prompts/s",
            f"{embedding['device_per_second']:,.0f}",
            f"{embedding['processor_per_second']:,.0f}",
        ],
        *(
            [
                f"30 neighbours of {graph['points']:,} vectors of 384 dimensions: seconds (recall)",
                f"{graph['device_seconds']:.2f} ({graph['recall'][0]:.3f})",
                f"{graph['processor_seconds']:.1f} ({graph['recall'][1]:.3f})",
            ]
            for graph in run["graph"]
        ),
        [
            "a night of 26,000 simulated requests, MiniLM with `--device cuda`: seconds (F1)",
            f"{device['seconds']:.0f} ({device['f1']:.3f})",
            "–",
        ],
        ["the same with the default model", "–", f"{plain['seconds']:.0f} ({plain['f1']:.3f})"],
    ]
    machine = run["machine"]
    return section(
        "On a GPU",
        paragraph(f"""One {run["gpu"]} beside {machine["cores"]} cores of an {machine["cpu"].replace("(R)", "")}, which alone would do the same
            with FAISS and torch on the CPU (`python -m benchmarks.speed.gpu`):"""),
        table(["", "GPU", f"its {machine['cores']} cores"], rows),
        paragraph(f"""Neighbours and their similarities are equal where FAISS is exact
            (`tests/clustering/test_knn_gpu.py`, which ran there). The night with MiniLM includes loading torch and the
            model, and tokenising, which stays on the CPU; that with the default model embeds
            {embedding["static_on_processor_per_second"]:,.0f} prompts a second without a GPU."""),
    )


def ray() -> str:
    """Write a night on Ray, and what a larger cluster would take by a model."""
    run = read("cluster")
    nights, predicted = run["nights"], run["predicted"]
    measured = [
        [
            f"{night['rows']:,}",
            f"{night['seconds']:.0f}",
            f"{night['driver_peak_mb'] / 1e3:.1f} GB",
            f"{night['worker_mb']} MB",
            f"{night['families']:,}",
        ]
        for night in nights
    ]
    keys = ("driver", "driver_row_us", "workers", "workers_row_us")
    stages = [
        [name, *(f"{_stages(run['constants'], parts, key):.1f}" for key in keys)]
        for name, parts in RAY_STAGES.items()
    ]
    cores = sorted({line["cores"] for line in predicted})
    hours = {(line["rows"], line["cores"]): line["hours"] for line in predicted}
    return section(
        "A night on Ray",
        paragraph(f"""Simulated nights (preset `scale`) on a local Ray of {run["workers"]} workers on two cores
            (`python -m benchmarks.speed.cluster`):"""),
        table(
            ["requests", "seconds", "head's peak", "a worker, without the object store", "families"], measured
        ),
        paragraph("""From these a model, with n requests, c processors of workers, and for each stage the processor
            seconds of the head h and of the workers w:"""),
        "    seconds = Σ max(h₀ + h₁ · n, (w₀ + w₁ · n) / c)\n",
        table(
            ["stage", "head, fixed s", "head, µs a request", "workers, fixed s", "workers, µs a request"],
            stages,
        ),
        paragraph(
            "What the model says of larger nights, in hours; no night of these sizes was run on a cluster:"
        ),
        table(
            ["requests", *(f"{count} processors" for count in cores)],
            [
                [f"{rows:,}", *(f"{hours[rows, count]:.2f}" for count in cores)]
                for rows in sorted({line["rows"] for line in predicted})
            ],
        ),
        paragraph("""A night of more than 1.6 GB of text takes samples of up to 200 MB where these took 60 MB, so the
            model takes the fixed seconds of samples and of describe 3.3 times. It adds the head's seconds as if they
            came one after the other. Describe and assess grow with families (here from 555 to 995), which the model
            counts as growth with requests: too much. The network is left out. Beyond 8 processors the head alone
            decides."""),
    )


def _night(name: str, requests: int, seconds: float, peak_mb: float) -> list[str]:
    return [name, f"{seconds:.0f} s, {requests / seconds:,.0f} rows/s, {peak_mb:,.0f} MB"]


def _stages(stages: Run, names: tuple[str, ...], key: str) -> float:
    """Add up one figure of some stages, over all rounds."""
    return float(
        sum(figures[key] for stage, figures in stages.items() if re.sub(r" \d+$", "", stage) in names)
    )


def _short(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds < 10 else f"{seconds:,.0f}"
