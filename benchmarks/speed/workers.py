"""What speed.py runs in processes of its own; each worker prints one JSON object.

python -m benchmarks.speed.workers night TRAFFIC HOME      stages of a night: seconds and peak memory
python -m benchmarks.speed.workers parts TRAFFIC           the same of the functions that the stages call
python -m benchmarks.speed.workers lookup HOME TRAFFIC     latency of one prompt at a time, and batches
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa

from fingerprint.domain.settings import Home
from fingerprint.embedding.embedder import Embedder
from fingerprint.jobs.nightly import nightly
from fingerprint.matching.matcher import Matcher
from fingerprint.text.ngrams import shingle
from fingerprint.text.normalise import normalise_batch
from fingerprint.text.sentences import heads
from fingerprint.text.tokenise import tokens
from fingerprint.traffic.reader import read_traffic

Result = TypeVar("Result")

WARM, TIMED = 300, 3000
"""Lookups made before timing begins, and then timed."""


class Stages:
    """Listens to a job's progress and notes each stage's seconds and peak memory."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, float]] = {}
        self._stage = "model"
        self._since = time.monotonic()

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Note that a stage begins, or that the running one is over."""
        if (done, total) == (1, 1) or stage != self._stage:
            self.end()
            self._stage = stage

    def end(self) -> None:
        """Note the running stage."""
        now, before = time.monotonic(), self.rows.get(self._stage, {"seconds": 0.0, "peak_mb": 0.0})
        self.rows[self._stage] = {
            "seconds": round(before["seconds"] + now - self._since, 3),
            "peak_mb": max(before["peak_mb"], peak_mb()),
        }
        self._since = now
        forget_peak()


def night(traffic: Path, home: Path) -> dict[str, object]:
    """Work a night; "model" is what comes before the first stage: the home opened and the model loaded."""
    stages = Stages()
    report = nightly([traffic], Home(home), on_progress=stages)
    stages.end()
    return {"stages": stages.rows, "report": {k: v for k, v in asdict(report).items() if isinstance(v, int)}}


def parts(traffic: Path, lines: Path) -> dict[str, object]:
    """Time the functions that the stages call, one after the other; lines: as many requests as traffic, in JSONL."""
    embedder = Embedder.load("static")
    took: dict[str, float] = {}
    next(iter(read_traffic([lines], rejects=None)))  # its kernels are loaded; below, those of the others
    _, took["ingest JSONL.gz"] = _timed(lambda: list(read_traffic([lines], rejects=None)))
    batches, took["ingest Parquet"] = _timed(lambda: list(read_traffic([traffic], rejects=None)))
    _prepare(batches[0].slice(0, 500), embedder)
    texts, took["normalise"] = _timed(lambda: [normalise_batch(batch) for batch in batches])
    tokenised, took["tokenise"] = _timed(lambda: [tokens(text) for text in texts])
    _, took["shingle"] = _timed(lambda: [shingle(t.hashes, t.section, t.row_offsets) for t in tokenised])
    _, took["embed"] = _timed(lambda: [embedder.encode(heads(text)) for text in texts])
    rows = sum(map(len, batches))
    return {
        name: {"seconds": round(seconds, 3), "rows_per_second": round(rows / seconds)}
        for name, seconds in took.items()
    }


def lookup(home: Path, traffic: Path) -> dict[str, object]:
    """Time lookups of single prompts, then of whole batches, in a process that has loaded everything."""
    matcher = Matcher.open(home)
    batches = list(read_traffic([traffic], rejects=None))
    pairs = zip(_texts(batches, "prompt"), _texts(batches, "system"), strict=True)
    times_ms, matched = [], 0
    for number, (prompt, system) in enumerate(islice(pairs, WARM + TIMED)):
        began = time.perf_counter()
        match = matcher.one(str(prompt), system)
        if number >= WARM:
            times_ms.append((time.perf_counter() - began) * 1000)
            matched += match.family_id is not None
    _, seconds = _timed(lambda: [matcher.find(normalise_batch(batch)) for batch in batches])
    shares = {"median_ms": 50, "p90_ms": 90, "p99_ms": 99, "max_ms": 100}
    return {
        "families": len(matcher.families),
        "prompts": len(times_ms),
        "matched": matched,
        **{name: round(float(np.percentile(times_ms, share)), 3) for name, share in shares.items()},
        "batch_rows_per_second": round(sum(map(len, batches)) / seconds),
        "peak_mb": peak_mb(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def _texts(batches: Iterable[pa.RecordBatch], name: str) -> Iterable[str | None]:
    return (text for batch in batches for text in batch.column(name).to_pylist())


def _prepare(few: pa.RecordBatch, embedder: Embedder) -> None:
    """Run all once, so that no kernel is compiled or loaded while the clock runs."""
    tokenised = tokens(normalise_batch(few))
    shingle(tokenised.hashes, tokenised.section, tokenised.row_offsets)
    embedder.encode(heads(normalise_batch(few)))


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    began = time.monotonic()
    result = work()
    return result, time.monotonic() - began


def peak_mb() -> float:
    """Return the peak of resident memory since `forget_peak`, in 10^6 bytes; since the start where there is no /proc."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    return next(round(int(line.split()[1]) * 1024 / 1e6, 1) for line in lines if line.startswith("VmHWM:"))


def forget_peak() -> None:
    """Let `peak_mb` count from now on."""
    status = Path("/proc/self/clear_refs")
    if status.exists():
        status.write_text("5")


WORKERS: dict[str, Callable[..., dict[str, object]]] = {"night": night, "parts": parts, "lookup": lookup}

if __name__ == "__main__":
    print(json.dumps(WORKERS[sys.argv[1]](*map(Path, sys.argv[2:]))))
