"""Compare with what a user would take instead: other tools group the same labelled prompts.

    python -m benchmarks.peers.peers --traffic day1.jsonl.gz --truth truth.jsonl.gz --json peers.json
    python -m benchmarks.peers.peers --simulate 200000 --only fingerprint semhash minhash drain3

The tools are installed into an environment of their own (--venv, made from requirements.txt). Each one and
each of its settings is a process of its own; all are scored alike, and of its settings the one with the best F1 by
the truth is shown, which favours the others: this project runs with its defaults. What needs
all-MiniLM-L6-v2's vectors shares them (--cache keeps them from call to call), and their time counts for each. A tool
that takes longer than --minutes is stopped, and reported so.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import venv
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.common import machine, scores
from benchmarks.common.labelled import ASSIGNMENTS, Names, Truth, aligned, assigned, read, read_truth
from benchmarks.common.tables import table, title
from fingerprint import simulate
from fingerprint.traffic.reader import read_traffic

HERE = Path(__file__).parent
WORKER = HERE / "peers_worker.py"  # a script: the other tools' environment lacks this project
MODEL = machine.ROOT / "models" / "static-minilm-256"

SETTINGS = {
    "semhash": ("0.7", "0.8", "0.9"),
    "minhash": ("0.1", "0.3", "0.5"),
    "drain3": ("0.4", "0.6"),
    "bertopic": ("10",),
    "hdbscan": ("8",),
}
"""What is tried: thresholds; for the last two the fewest prompts of a cluster."""

BEST = {"semhash": "0.7", "minhash": "0.3", "drain3": "0.4"}
"""The settings that had the best F1 on the first labelled day."""

EMBEDDED = ("bertopic", "hdbscan")

KILLED = (137, 247, -9)
"""What a run ends with that was stopped after its time, by whoever hands the signal on."""

WORDS = {
    "fingerprint": "nightly, its defaults",
    "semhash": "SemHash, static model, cosine {}",
    "minhash": "MinHash LSH (rensa, 128, 5 words), Jaccard {}, components",
    "drain3": "Drain3, similarity {}",
    "bertopic": "BERTopic: MiniLM, UMAP, HDBSCAN, {} prompts at least",
    "hdbscan": "MiniLM, HDBSCAN, {} prompts at least",
}


@dataclass(frozen=True, slots=True)
class Result:
    """What one tool made of the traffic; without scores where it did not finish.

    seconds, cpu_seconds: reading of files and start of the program included. embedding_seconds are part of both.
    campaigns_found: those of which half of the requests are in groups that are mostly the campaign's.
    finished: False where it was stopped; `note` says after how long, or what was extrapolated from what.
    """

    tool: str
    setting: str
    seconds: float
    cpu_seconds: float
    peak_mb: float
    micro_f1: float | None = None
    macro_f1: float | None = None
    unrepeated_background: float | None = None
    groups: int | None = None
    campaigns: int | None = None
    campaigns_found: int | None = None
    embedding_seconds: float = 0.0
    finished: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """Where a comparison works: the traffic's files and truth, its texts, the other tools' python, the cache."""

    files: tuple[Path, ...]
    truth: Truth
    texts: Path
    python: Path
    cache: Path
    folder: Path
    minutes: float
    best: bool


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="fingerprint-peers-") as folder:
        before = machine.facts()
        work = _prepared(options, Path(folder))
        results = []
        for tool in options.only:
            results += compared(work, tool)
            print(_as_text(results[-1:]), flush=True)
    print(_as_text(results))
    if options.json:
        facts = {"machine": before, "traffic": _name(options), "requests": len(work.truth)}
        versions = _versions(work.python)
        machine.save({**facts, "versions": versions, "results": [asdict(r) for r in results]}, options.json)


def compared(work: Work, tool: str) -> list[Result]:
    """Run a tool with each of its settings; the best by micro F1 comes last."""
    if tool == "fingerprint":
        return [_own(work)]
    embedding = _embedded(work) if tool in EMBEDDED else None
    if embedding is not None and not embedding.finished:
        return [_renamed(embedding, tool)]
    settings = (BEST[tool],) if work.best and tool in BEST else SETTINGS[tool]
    results = [_peer(work, tool, setting, embedding) for setting in settings]
    return sorted(results, key=lambda r: r.micro_f1 if r.micro_f1 is not None else -1.0)


def _own(work: Work) -> Result:
    out = work.folder / "own.parquet"
    arguments: list[str | Path] = ["nightly", *work.files, "--home", work.folder / "home", "--quiet"]
    ran = machine.fingerprint(*arguments, "--assignments", out, scratch=work.folder)
    return _scored(work, "fingerprint", "", ran, assigned(work.truth, read(out, ASSIGNMENTS)))


def _peer(work: Work, tool: str, setting: str, embedding: Result | None) -> Result:
    out = work.folder / f"{tool}-{setting}.parquet"
    command = [str(work.python), str(WORKER), tool, str(work.texts), str(out), setting]
    command += [str(MODEL)] if tool == "semhash" else [str(work.cache)] if tool in EMBEDDED else []
    limit = ["timeout", "--signal=KILL", str(60 * work.minutes)]
    try:
        ran = machine.run([*limit, *command], work.folder)
    except subprocess.CalledProcessError as error:
        if error.returncode not in KILLED:
            raise
        return _stopped(tool, setting, work.minutes, embedding)
    groups = pq.read_table(out)["group"]
    numbers = pc.if_else(pc.less(groups, 0), None, groups).cast(pa.large_string())
    ids = pq.read_table(work.texts, columns=["request_id"])["request_id"]
    given = aligned(work.truth, pa.table({"request_id": ids, "family_id": numbers}))
    result = _scored(work, tool, setting, ran, Names.encode(given["family_id"]))
    return result if embedding is None else _with_embedding(result, embedding)


def _embedded(work: Work) -> Result:
    """Embed what the cache lacks, for `minutes` at most; times are those of all parts, whenever they were made."""
    command = [str(work.python), str(WORKER), "embed", str(work.texts), str(work.cache), str(work.minutes)]
    printed: dict[str, Any] = json.loads(machine.run(command, work.folder).output)
    times = np.array(list(json.loads((work.cache / "times.json").read_text()).values()))
    seconds, cpu = times.sum(axis=0).tolist()
    done = printed["done"] == printed["of"]
    whole = printed["of"] / printed["done"]
    note = (
        ""
        if done
        else (
            f"not finished: {printed['done']:,} of {printed['of']:,} embedded in {seconds / 60:.0f} min; "
            f"embedding alone, extrapolated: {seconds * whole / 60:.0f} min"
        )
    )
    peak = json.loads((work.cache / "peak.json").read_text())
    return Result("embed", "", seconds, cpu, peak, embedding_seconds=seconds, finished=done, note=note)


def _with_embedding(result: Result, embedding: Result) -> Result:
    return _changed(
        result,
        seconds=result.seconds + embedding.seconds,
        cpu_seconds=result.cpu_seconds + embedding.cpu_seconds,
        peak_mb=max(result.peak_mb, embedding.peak_mb),
        embedding_seconds=embedding.seconds,
    )


def _stopped(tool: str, setting: str, minutes: float, embedding: Result | None) -> Result:
    before = embedding.seconds if embedding else 0.0
    note = f"not finished within {minutes:.0f} min"
    return Result(
        tool,
        setting,
        before + 60 * minutes,
        float("nan"),
        float("nan"),
        embedding_seconds=before,
        finished=False,
        note=note,
    )


def _renamed(result: Result, tool: str) -> Result:
    return _changed(result, tool=tool, setting=SETTINGS[tool][0])


def _changed(result: Result, **values: Any) -> Result:
    return Result(**{**asdict(result), **values})


def _scored(work: Work, tool: str, setting: str, ran: machine.Run, predicted: Names) -> Result:
    score = scores.families(work.truth, predicted)
    each = scores.shares_found(work.truth, predicted)
    return Result(
        tool,
        setting,
        ran.seconds,
        ran.cpu_seconds,
        ran.peak_mb,
        score.overall.f1,
        score.macro_f1_over_families,
        score.background_unrepeated_in_families,
        score.predicted_families,
        len(each),
        sum(one["found"] >= 0.5 for one in each.values()),
    )


def _prepared(options: argparse.Namespace, folder: Path) -> Work:
    truth_file = options.truth
    files: tuple[Path, ...] = tuple(options.traffic or ())
    if options.simulate:
        truth_file = folder / "truth.parquet"
        config = simulate.preset("default", rows=options.simulate, days=1, seed=1, evasion="mix")
        files = tuple(simulate.write(config, folder / "traffic", truth=truth_file))
    truth = read_truth(truth_file)
    texts = folder / "texts.parquet"
    rows = _texts(files)
    pq.write_table(rows, texts)
    days = truth.days[: len(files)] if options.traffic else truth.days
    cache = (options.cache or folder) / f"minilm-{_name(options)}"
    python = _environment(options.venv)
    return Work(files, truth.on(*days), texts, python, cache, folder, options.minutes, options.best)


def _texts(files: tuple[Path, ...]) -> pa.Table:
    """Read each request's text as the other tools get it: system prompt, an empty line, user turns."""
    parts = []
    for batch in read_traffic(list(files), rejects=None):
        whole = pc.binary_join_element_wise(
            pc.fill_null(batch.column("system"), ""),
            batch.column("prompt"),
            pa.scalar("\n\n", pa.large_string()),
        )
        parts.append(
            pa.table({"request_id": batch.column("request_id"), "text": pc.utf8_trim_whitespace(whole)})
        )
    return pa.concat_tables(parts)


def _environment(folder: Path) -> Path:
    """Return the python of the other tools' environment, making that where it is missing."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        needed = HERE / "requirements.txt"
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(needed)], check=True)
    return python


def _versions(python: Path) -> dict[str, str]:
    named = [line.split(">")[0] for line in (HERE / "requirements.txt").read_text().splitlines()]
    listed = subprocess.run(
        [str(python), "-m", "pip", "list", "--format=json"], capture_output=True, check=True, text=True
    )
    installed = {row["name"].lower(): row["version"] for row in json.loads(listed.stdout)}
    return {name: installed[name] for name in named if name in installed}


def _name(options: argparse.Namespace) -> str:
    if options.simulate:
        return f"simulated-{options.simulate}"
    return "+".join(file.name.partition(".")[0] for file in options.traffic)


def _as_text(results: list[Result]) -> str:
    rows = [
        [
            WORDS[r.tool].format(r.setting),
            _figure(r.micro_f1),
            _figure(r.macro_f1),
            _figure(r.unrepeated_background),
            "–" if r.campaigns is None else f"{r.campaigns_found} of {r.campaigns}",
            f"{r.seconds:,.0f}" if r.finished else r.note,
            f"{r.cpu_seconds:,.0f}",
            f"{r.peak_mb:,.0f}",
        ]
        for r in results
    ]
    head = ["tool", "micro F1", "macro F1", "background", "campaigns", "seconds", "CPU s", "MB"]
    return title("Families by other tools") + table(head, rows)


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--simulate", type=int, metavar="ROWS", help="make so many rows of traffic")
    source.add_argument("--traffic", nargs="+", type=Path, metavar="DAY", help="files, in the order of days")
    parser.add_argument("--truth", type=Path, help="what each request of --traffic is")
    parser.add_argument(
        "--only", nargs="+", choices=sorted(WORDS), default=list(WORDS), help="these tools, in this order"
    )
    parser.add_argument(
        "--best", action="store_true", help="each tool with the setting that was best on day 1"
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="most for each tool, embedding apart")
    parser.add_argument("--cache", type=Path, help="keep MiniLM's vectors here")
    parser.add_argument("--venv", type=Path, default=HERE / ".peers", help="the other tools' environment")
    parser.add_argument(
        "--json", type=Path, metavar="OUT", help="write the figures, with machine and versions"
    )
    options = parser.parse_args()
    if bool(options.traffic) != bool(options.truth):
        parser.error("--traffic and --truth expected together")
    return options


if __name__ == "__main__":
    main()
