"""Measure how fast logs are read that hold whole conversations as gateways write them.

    python -m benchmarks.speed.logs
    python -m benchmarks.speed.logs --rows 20000 --json logs.json

Simulated rows become LiteLLM payloads with a system prompt, several turns and the answers to them. Printed are the
megabytes a second, by the clock and by the processor time of the process, the best of a few readings.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
import pyarrow.parquet as pq

from benchmarks.common import machine
from fingerprint import simulate
from fingerprint.traffic.reader import read_traffic

TURNS = 3
"""Prompts of other rows that stand before a row's own, each with an answer."""


@dataclass(frozen=True, slots=True)
class Read:
    """One file: its rows and megabytes, and the megabytes a second by the clock and by processor time."""

    rows: int
    megabytes: float
    by_clock: float
    by_processor: float


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="fingerprint-logs-") as folder:
        before = machine.facts()
        path = payloads(options.rows, options.seed, Path(folder))
        result = measured(path, options.repeat)
    print(
        f"{result.rows:,} payloads, {result.megabytes:.0f} MB: {result.by_clock:.0f} MB/s by the clock, "
        f"{result.by_processor:.0f} MB/s of processor time"
    )
    if options.json:
        machine.save({"machine": before, "read": asdict(result)}, options.json)


def payloads(rows: int, seed: int, folder: Path) -> Path:
    """Write a simulated day as LiteLLM payloads, a line each."""
    files = simulate.write(
        simulate.preset("default", seed=seed, rows=rows), folder / "traffic", truth=folder / "truth.parquet"
    )
    day = pq.read_table(files[0]).to_pylist()
    path = folder / "payloads.jsonl"
    with path.open("wb") as out:
        for number, row in enumerate(day):
            said = [day[(number + n) % len(day)]["prompt"] for n in range(1, TURNS + 1)]
            turns = [{"role": "system", "content": row["system"] or "You are a helpful assistant."}]
            for text in said:
                turns += [{"role": "user", "content": text}, {"role": "assistant", "content": text[::-1]}]
            turns.append({"role": "user", "content": row["prompt"]})
            out.write(orjson.dumps(_payload(row, turns)) + b"\n")
    return path


def _payload(row: dict[str, object], turns: list[dict[str, str]]) -> dict[str, object]:
    metadata = orjson.loads(str(row["metadata"])) if row["metadata"] else {}
    owner = {"user_api_key_hash": row["account_id"], "user_api_key_team_id": None}
    return {
        "id": f"chatcmpl-{row['request_id']}",
        "litellm_call_id": row["request_id"],
        "call_type": "acompletion",
        "status": "success",
        "response_cost": 0.001,
        "startTime": row["timestamp"].timestamp(),  # type: ignore[attr-defined]
        "model": row["model"],
        "model_group": row["model"],
        "model_parameters": {"temperature": 0.2, "max_tokens": 512},
        "metadata": {**owner, **metadata},
        "messages": turns,
        "response": {"choices": [{"message": {"role": "assistant", "content": turns[-1]["content"]}}]},
    }


def measured(path: Path, repeat: int) -> Read:
    """Read a file a few times."""
    clock, processor, rows = [], [], 0
    for _ in range(repeat):
        begun, used = time.perf_counter(), time.process_time()
        rows = sum(map(len, read_traffic([path], rejects=None)))
        clock.append(time.perf_counter() - begun)
        processor.append(time.process_time() - used)
    megabytes = path.stat().st_size / 1e6
    return Read(rows, megabytes, megabytes / min(clock), megabytes / min(processor))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
