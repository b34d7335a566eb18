"""Measure lookups of long texts: in process, and over HTTP beside a client of small ones.

    python -m benchmarks.speed.long_texts --json long_texts.json      # about 2 minutes

Texts are prompts of a simulated day that the home has not seen, joined; each is another one. The load comes from
processes of its own, on the same cores; what sends the bodies of 1 MB gives way to the service (nice 10).
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from benchmarks.common import machine
from benchmarks.quality.bars import Bar, as_text
from benchmarks.service import http_load
from benchmarks.service.serve import PORT, Prepared, prepare, served
from fingerprint.domain.schemas import TURN_END
from fingerprint.jobs.lookup import open_matcher

SIZES = {"100 KB": 100_000, "1 MB": 1_000_000}
TURN = 600
CONNECTIONS, BODY, RATE = 16, 1_000_000, 20.0


class Texts:
    """Texts of any length, made of prompts."""

    def __init__(self, prompts: Sequence[str], seed: int = 1) -> None:
        self._prompts = prompts
        self._rng = random.Random(seed)

    def of(self, size: int) -> str:
        """Join prompts to so many characters."""
        parts: list[str] = []
        length = 0
        while length < size:
            parts.append(self._rng.choice(self._prompts))
            length += len(parts[-1]) + 1
        return "\n".join(parts)[:size]


def in_process(prepared: Prepared, count: int) -> dict[str, dict[str, float]]:
    """Time lookups one after the other in this process, which has loaded everything."""
    matcher = open_matcher(prepared.home)
    texts = Texts([asked.prompt for asked in prepared.asked])
    timed = {}
    for name, size in SIZES.items():
        timed[name] = _timed(matcher.one, (texts.of(size) for _ in range(count + 3)))
    conversation = texts.of(SIZES["1 MB"])
    matcher.one(conversation)

    def turns() -> Iterator[str]:
        text = conversation
        while True:
            text += TURN_END + texts.of(TURN)
            yield text

    timed["next turn of 1 MB"] = _timed(matcher.one, itertools.islice(turns(), 4 * count))
    return timed


def _timed(work: Callable[[str], object], texts: Iterator[str]) -> dict[str, float]:
    took = []
    for text in texts:
        began = time.perf_counter()
        work(text)
        took.append((time.perf_counter() - began) * 1000)
    return {f"p{share}_ms": round(float(np.percentile(took[3:], share)), 2) for share in (50, 99)}


def over_http(prepared: Prepared, seconds: float) -> dict[str, Any]:
    """Ask for small prompts at an even rate: alone, and beside connections that send bodies of 1 MB one after the other."""
    small = prepared.requests()
    with served(prepared, 1):
        uvloop.run(http_load.flood(PORT, small, 2, 4))  # warm
        alone = uvloop.run(http_load.stream(PORT, small, seconds, RATE, 4)).summary()
        command = ["nice", "-n", "10", sys.executable, "-m", "benchmarks.speed.long_texts"]
        command += ["--flood", str(seconds + 4)]
        command += ["--key", prepared.key]
        prompts = json.dumps([asked.prompt for asked in prepared.asked[:2000]])
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as heavy:
            assert heavy.stdin is not None
            assert heavy.stdout is not None
            heavy.stdin.write(prompts)
            heavy.stdin.close()
            heavy.stdout.readline()  # it begins
            beside = uvloop.run(http_load.stream(PORT, small, seconds, RATE, 4)).summary()
            large = json.loads(heavy.stdout.readline())
    return {"light_alone": alone, "light_beside": beside, "large": large}


def flood(seconds: float, key: str) -> None:
    """Send large bodies for so long; a process of its own. Prompts come on stdin as JSON."""
    texts = Texts(json.load(sys.stdin), seed=2)
    bodies = [
        http_load.request(
            "127.0.0.1",
            "/v1/lookup",
            json.dumps({"messages": [{"role": "user", "content": texts.of(BODY)}]}).encode(),
            {"x-api-key": key, "x-request-timeout-ms": "20000"},
        )
        for _ in range(4 * CONNECTIONS)
    ]
    print("begun", flush=True)
    answered = uvloop.run(http_load.flood(PORT, itertools.cycle(bodies), seconds, CONNECTIONS))
    print(json.dumps(answered.summary()), flush=True)


def bars(figures: dict[str, Any]) -> list[Bar]:
    """List the bars."""
    alone = figures["in_process"]
    limits = {"100 KB": 3.0, "1 MB": 30.0, "next turn of 1 MB": 1.0}
    out = [
        Bar(f"lookup of {name}, p50 ms", alone[name]["p50_ms"], limit, None, most=True)
        for name, limit in limits.items()
    ]
    beside = figures["service"]["light_beside"]["p99_ms"]
    return [*out, Bar("small lookups beside 16 connections of 1 MB, p99 ms", beside, 50.0, None, most=True)]


def main() -> None:
    options = _options()
    if options.flood:
        flood(options.flood, options.key)
        return
    before = machine.facts()
    with tempfile.TemporaryDirectory(prefix="fingerprint-long-") as folder:
        prepared = prepare(options.work or Path(folder), options.families, options.rows)
        figures: dict[str, Any] = {
            "in_process": in_process(prepared, options.count),
            "service": over_http(prepared, options.seconds),
            "setup": {"families": options.families, "connections": CONNECTIONS},
        }
    print(json.dumps(figures, indent=1))
    print(as_text(bars(figures)))
    if options.json:
        machine.save({"machine": before, **figures}, options.json)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--families", type=int, default=1000, help="stored families")
    parser.add_argument("--rows", type=int, default=8000, help="requests of the simulated days")
    parser.add_argument("--count", type=int, default=40, help="lookups of each size")
    parser.add_argument("--seconds", type=float, default=15.0, help="of the light client's requests")
    parser.add_argument("--work", type=Path, metavar="DIR", help="where the home stays for the next run")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the measurements")
    parser.add_argument("--flood", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--key", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
