"""Bodies that nobody should send, over all routes; and a service from under which things are taken away.

    python -m benchmarks.service.abuse --bodies 1000000 --minutes 20   # until so many bodies, or so long
    python -m benchmarks.service.abuse --soak 600                      # 300 lookups a second meanwhile

Bars: no status of 500 or more but 503 with Retry-After, no request of a light client that takes 250 ms or more, no growth of
memory; while the database and the snapshots are away, no lookup fails, and labels are told with 503.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import uvloop

from benchmarks.common import machine
from benchmarks.service import http_load
from benchmarks.service.serve import CONNECTIONS, PORT, SWAPPING, Prepared, prepare, served
from fingerprint.store.store import Store

ROUTES = (
    *(("POST", path) for path in ("/v1/lookup", "/v1/lookup/batch", "/beta/litellm_basic_guardrail_api")),
    *(("POST", f"/v1/envoy/authz/v1/{name}") for name in ("messages", "chat/completions")),
    *(("POST", f"/v1/families/x/{name}") for name in ("labels",)),
    *(("POST", path) for path in ("/login", "/logout", "/act", "/undo", "/views", "/try")),
    *(("POST", f"/families/x/{name}") for name in ("notes", "preview", "edit", "split", "hunt")),
    *(("GET", path) for path in ("/v1/families", "/v1/audit", "/v1/campaigns", "/metrics", "/overview", "/")),
)
LIGHT_S = 0.05
STALL_MS = 250.0


def body(rng: random.Random) -> bytes:
    """Make up a body: spoilt JSON, deep or wide JSON, odd characters, or a form; a few are megabytes."""
    size = rng.choice((10, 100, 1000, 1000, 10_000)) if rng.random() < 0.998 else 2_000_000
    letter = rng.choice(("a", "word ", "\u06de", "\ufdfa", "x1", "1:1", "\u0301", "\\ud800", "[", '"', "=&"))
    text = letter * (size // len(letter) + 1)
    kind = rng.randrange(7)
    if kind == 0:
        return bytes(rng.randrange(256) for _ in range(min(size, 2000)))
    if kind == 1:
        return (rng.choice(("[", '{"a":', '{"messages":[{"content":[')) * (size // 8 + 1)).encode()
    if kind == 2:
        return f'{{"prompt":"x","a":[{rng.choice(("1,", "[],", "{},")) * (size // 3)}1]}}'.encode()
    if kind == 3:
        return "&".join(f"{rng.choice(('family', 'key', 'what'))}={n}" for n in range(size // 8 + 1)).encode()
    value: Any = rng.choice((text, [text], {"text": text}, 7, None, [[]], True))
    made = {
        "prompt": value,
        "messages": [{"role": rng.choice(("user", "tool", 7, None)), "content": value}] * rng.randrange(4),
        "requests": [{"prompt": value, "explain": True}],
        "structured_messages": [{"role": "user", "content": value}],
        "label": value,
    }
    raw = json.dumps({name: made[name] for name in rng.sample(sorted(made), rng.randrange(1, 4))}).encode()
    return raw[: rng.randrange(len(raw))] if kind == 4 else raw


class Light:
    """A client that asks for a small prompt every LIGHT_S, and writes down how long it waited."""

    def __init__(self, prepared: Prepared) -> None:
        self.ms: list[float] = []
        self._key = prepared.key
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
        headers = {"x-api-key": self._key, "content-type": "application/json"}
        while not self._stop.wait(LIGHT_S):
            begin = time.perf_counter()
            connection.request("POST", "/v1/lookup", b'{"prompt":"How do I prune a pear tree?"}', headers)
            assert connection.getresponse().read()
            self.ms.append(1000 * (time.perf_counter() - begin))

    def end(self) -> list[float]:
        """Stop, and return the latencies in order."""
        self._stop.set()
        self._thread.join()
        return sorted(self.ms)


def fuzz(prepared: Prepared, workers: list[psutil.Process], bodies: int, seconds: float) -> dict[str, Any]:
    """Send so many bodies, or as many as go in so long."""
    statuses: Counter[str] = Counter()
    unannounced: list[str] = []
    rng, begin = random.Random(7), time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    light, memory, sent = Light(prepared), [], 0
    while sent < bodies and time.monotonic() - begin < seconds:
        method, path = rng.choice(ROUTES)
        kind = rng.choice(
            ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x")
        )
        keys = {"x-api-key": prepared.key, "x-fingerprint-key": prepared.key} if rng.random() < 0.9 else {}
        try:
            connection.request(method, path, body(rng), {"content-type": kind, "if-match": "*", **keys})
            answer = connection.getresponse()
            answer.read()
        except (
            http.client.HTTPException,
            OSError,
        ) as error:  # a body that is refused unread ends a connection
            statuses[type(error).__name__] += 1
            connection.close()
            continue
        finally:
            sent += 1
        statuses[str(answer.status)] += 1
        if answer.status >= 500 and not (answer.status == 503 and answer.headers["retry-after"]):
            unannounced.append(f"{answer.status} {method} {path}")
        if sent % 1000 == 0:
            memory.append(round(sum(w.memory_info().rss for w in workers) / 1e6))
    ms = light.end()
    return {
        "bodies": sent,
        "seconds": round(time.monotonic() - begin, 1),
        "statuses": dict(statuses),
        "unannounced": unannounced[:20],
        "light_p99_ms": round(ms[int(0.99 * len(ms))], 1),
        "light_max_ms": round(ms[-1], 1),
        "stalls": sum(m >= STALL_MS for m in ms),
        "memory_mb": memory[:: max(1, len(memory) // 10)],
    }


async def soak(prepared: Prepared, workers: list[psutil.Process], seconds: float) -> dict[str, Any]:
    """Offer SWAPPING lookups a second while labels are given, snapshots made, and database and snapshots taken away."""
    home = prepared.home.path
    with Store.open(home) as store:
        family = store.families(limit=1)[0].family_id
    path, begin = f"/v1/families/{family}/labels", time.monotonic()
    labels: Counter[str] = Counter()
    memory: list[int] = []

    def label() -> str:
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
        headers = {"x-api-key": prepared.key, "content-type": "application/json", "if-match": "*"}
        connection.request("POST", path, b'{"label":"benign"}', headers)
        answer = connection.getresponse()
        answer.read()
        announced = answer.status == 503 and bool(answer.headers["retry-after"])
        return "503 announced" if announced else str(answer.status)

    async def labelling() -> None:
        while True:
            labels[await asyncio.to_thread(label)] += 1
            memory.append(round(sum(w.memory_info().rss for w in workers) / 1e6))
            await asyncio.sleep(1)

    async def spoiling() -> None:
        away = home.with_name("away")
        for share in (0.2, 0.5, 0.8):
            await asyncio.sleep(max(0.0, begin + share * seconds - time.monotonic()))
            await asyncio.to_thread(shutil.rmtree, home / "snapshots")
            away.mkdir(exist_ok=True)
            files = list(home.glob("fingerprint.db*"))
            for file in files:
                file.rename(away / file.name)
            await asyncio.sleep(min(15.0, seconds / 10))
            for file in files:
                (away / file.name).rename(file)
            command = [sys.executable, "-m", "fingerprint", "publish", "--wait", "--home", str(home)]
            await asyncio.to_thread(subprocess.run, command, stdout=subprocess.DEVNULL, check=True)

    jobs = [asyncio.create_task(work()) for work in (labelling, spoiling)]
    answered = await http_load.stream(PORT, prepared.requests(), seconds, SWAPPING, CONNECTIONS)
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    return {**answered.summary(), "labels": dict(labels), "memory_mb": memory[:: max(1, len(memory) // 10)]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bodies", type=int, default=20_000, help="made-up bodies to send")
    parser.add_argument("--minutes", type=float, default=1.0, help="the longest that they may take")
    parser.add_argument(
        "--soak", type=float, default=0.0, metavar="SECONDS", help="of the run with things away"
    )
    parser.add_argument("--families", type=int, default=1000, help="stored families")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the measurements")
    options = parser.parse_args()
    before = machine.facts()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="fingerprint-abuse-") as folder:
        prepared = prepare(Path(folder), options.families, 4000)
        with served(prepared, 1) as workers:
            figures["fuzz"] = fuzz(prepared, workers, options.bodies, 60 * options.minutes)
            if options.soak:
                figures["soak"] = uvloop.run(soak(prepared, workers, options.soak))
    print(json.dumps(figures, indent=1))
    if options.json:
        machine.save({"machine": before, **figures}, options.json)


if __name__ == "__main__":
    main()
