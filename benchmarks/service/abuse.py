"""Bodies that nobody should send, over all routes; and a service from under which things are taken away.

    python -m benchmarks.service.abuse --bodies 1000000 --minutes 20   # until so many bodies, or so long
    python -m benchmarks.service.abuse --soak 600                      # 300 lookups a second meanwhile

The bodies come from another process, at no more than `--rate` a second and in few connections, so that the service has a core
for itself. During the soak the snapshots and the database are taken away, and the disk is full (no file may grow), three times.

Bars, printed at the end; the status is 1 where one is missed: no status of 500 or more but 503 with Retry-After; no request of a
light client that takes 250 ms or more while the service works (what other programs of the machine take is told apart by
the processor time that the service had meanwhile); no growth of memory; and in the soak no lookup that fails.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import multiprocessing
import queue
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import uvloop

from benchmarks.common import machine
from benchmarks.quality.bars import Bar, as_text
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
WEIGHTS = [
    20 if (method == "POST" and "/v1/" in path) or path.startswith("/beta") else 2 if method == "POST" else 1
    for method, path in ROUTES
]
"""Of a thousand bodies some eight hundred go where clients' bodies go; pages take the service many times as long."""

KINDS = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x")
SENDERS = 2
LIGHT_S = 0.05
STALL_MS = 250.0
GROWTH_MB, PEAK_MB = 60.0, 1200.0


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
    """A client that asks for a small prompt every LIGHT_S, and writes down how long it waited, and what the service worked meanwhile."""

    def __init__(self, prepared: Prepared, worker: psutil.Process) -> None:
        self.waits: list[tuple[float, float]] = []
        self._key, self._worker = prepared.key, worker
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
        headers = {"x-api-key": self._key, "content-type": "application/json"}
        while not self._stop.wait(LIGHT_S):
            begin, worked = time.perf_counter(), _processor_s(self._worker)
            connection.request("POST", "/v1/lookup", b'{"prompt":"How do I prune a pear tree?"}', headers)
            assert connection.getresponse().read()
            ms = 1000 * (time.perf_counter() - begin)
            self.waits.append((ms, 1000 * (_processor_s(self._worker) - worked)))

    def end(self) -> dict[str, Any]:
        """Stop, and sum up; a stall is the service's own if it worked for so long itself."""
        self._stop.set()
        self._thread.join()
        ms = sorted(wait for wait, _ in self.waits)
        return {
            "light_p99_ms": round(ms[int(0.99 * len(ms))], 1),
            "light_max_ms": round(ms[-1], 1),
            "stalls": sum(wait >= STALL_MS for wait, _ in self.waits),
            "own_stalls": sum(min(wait, worked) >= STALL_MS for wait, worked in self.waits),
        }


def _processor_s(worker: psutil.Process) -> float:
    times = worker.cpu_times()
    return float(times.user + times.system)


@dataclass
class Sent:
    """What became of the bodies that a process sent."""

    bodies: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    unannounced: list[str] = field(default_factory=list)


def send(
    key: str, seed: int, bodies: int, seconds: float, rate: float, told: multiprocessing.Queue[Sent]
) -> None:
    """Send so many bodies, or as many as go in so long, at no more than `rate` a second; tells what became of them."""
    sent, rng, begin = Sent(), random.Random(seed), time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    while sent.bodies < bodies and (now := time.monotonic() - begin) < seconds:
        time.sleep(max(0.0, sent.bodies / rate - now))
        sent.bodies += 1
        method, path = rng.choices(ROUTES, WEIGHTS)[0]
        kind = rng.choice(KINDS)
        keys = {"x-api-key": key, "x-fingerprint-key": key} if rng.random() < 0.9 else {}
        try:
            connection.request(method, path, body(rng), {"content-type": kind, "if-match": "*", **keys})
            answer = connection.getresponse()
            answer.read()
        except (http.client.HTTPException, OSError) as error:
            # a body that is refused unread ends a connection
            sent.statuses[type(error).__name__] += 1
            connection.close()
            continue
        sent.statuses[str(answer.status)] += 1
        if answer.status >= 500 and not (answer.status == 503 and answer.headers["retry-after"]):
            sent.unannounced.append(f"{answer.status} {method} {path}")
    told.put(sent)


def fuzz(
    prepared: Prepared, worker: psutil.Process, bodies: int, seconds: float, rate: float
) -> dict[str, Any]:
    """Send so many bodies, or as many as go in so long, over SENDERS connections."""
    told: multiprocessing.Queue[Sent] = multiprocessing.Queue()
    share = (bodies // SENDERS, seconds, rate / SENDERS, told)
    senders = [multiprocessing.Process(target=send, args=(prepared.key, n, *share)) for n in range(SENDERS)]
    begin, light, memory = time.monotonic(), Light(prepared, worker), [worker.memory_info().rss]
    for sender in senders:
        sender.start()
    every: list[Sent] = []
    while len(every) < SENDERS:
        with suppress(queue.Empty):
            every.append(told.get(timeout=1))
        memory.append(worker.memory_info().rss)
    for sender in senders:
        sender.join()
    sent = sum(one.bodies for one in every)
    took = time.monotonic() - begin
    return {
        "bodies": sent,
        "seconds": round(took, 1),
        "bodies_per_second": round(sent / took, 1),
        "statuses": dict(sum((one.statuses for one in every), Counter())),
        "unannounced": [what for one in every for what in one.unannounced][:20],
        **light.end(),
        **_memory(memory),
    }


def _memory(rss: list[int]) -> dict[str, Any]:
    """Sum up resident bytes: by how much the last quarter's median is above the second's, which comes after the first requests."""
    mb = [value / 1e6 for value in rss]
    quarter = max(1, len(mb) // 4)
    growth = statistics.median(mb[-quarter:]) - statistics.median(mb[quarter : 2 * quarter] or mb[:quarter])
    sampled = [round(value) for value in mb[:: max(1, len(mb) // 10)]]
    return {"memory_mb": sampled, "peak_mb": round(max(mb)), "growth_mb": round(growth, 1)}


async def soak(prepared: Prepared, worker: psutil.Process, seconds: float, rate: float) -> dict[str, Any]:
    """Offer so many lookups a second while labels are given, and things are taken away in turn."""
    with Store.open(prepared.home.path) as store:
        family = store.families(limit=1)[0].family_id
    labels: Counter[str] = Counter()
    memory: list[int] = []

    async def labelling() -> None:
        while True:
            labels[await asyncio.to_thread(_label, prepared.key, family)] += 1
            memory.append(worker.memory_info().rss)
            await asyncio.sleep(1)

    spoiling = _spoiling(prepared.home.path, worker, seconds)
    jobs = [asyncio.create_task(work) for work in (labelling(), spoiling)]
    answered = await http_load.stream(PORT, prepared.requests(), seconds, rate, CONNECTIONS)
    faults = [str(job.exception()) for job in jobs if job.done() and job.exception() is not None]
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    return {**answered.summary(), "labels": dict(labels), "faults": faults, **_memory(memory)}


def _label(key: str, family: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    headers = {"x-api-key": key, "content-type": "application/json", "if-match": "*"}
    connection.request("POST", f"/v1/families/{family}/labels", b'{"label":"benign"}', headers)
    answer = connection.getresponse()
    answer.read()
    announced = answer.status == 503 and bool(answer.headers["retry-after"])
    return "503 announced" if announced else str(answer.status)


async def _spoiling(home: Path, worker: psutil.Process, seconds: float) -> None:
    """Three times: the snapshots are removed and the database is away, both come back, and the disk is full for a while."""
    away, begin, pause = home.with_name("away"), time.monotonic(), min(15.0, seconds / 12)
    away.mkdir(exist_ok=True)
    for share in (0.1, 0.4, 0.7):
        await asyncio.sleep(max(0.0, begin + share * seconds - time.monotonic()))
        await asyncio.to_thread(shutil.rmtree, home / "snapshots")
        files = list(home.glob("fingerprint.db*"))
        for file in files:
            file.rename(away / file.name)
        await asyncio.sleep(pause)
        for file in files:
            (away / file.name).rename(file)
        command = [sys.executable, "-m", "fingerprint", "publish", "--wait", "--home", str(home)]
        await asyncio.to_thread(subprocess.run, command, stdout=subprocess.DEVNULL, check=True)
        _, most = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (0, most))
        await asyncio.sleep(pause)
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (most, most))


def bars(figures: dict[str, Any]) -> list[Bar]:
    """List what must hold."""
    fuzzed, soaked = figures["fuzz"], figures.get("soak")
    found = [
        Bar(
            "fuzz: statuses of 500 and more but announced 503s",
            len(fuzzed["unannounced"]),
            None,
            0,
            most=True,
        ),
        Bar("fuzz: the service's own stalls of 250 ms", fuzzed["own_stalls"], None, 0, most=True),
        Bar("fuzz: growth of memory, MB", fuzzed["growth_mb"], None, GROWTH_MB, most=True),
        Bar("fuzz: peak memory, MB", fuzzed["peak_mb"], None, PEAK_MB, most=True),
    ]
    if soaked is not None:
        lookups = sum(count for status, count in soaked["statuses"].items() if status != "200")
        labels = sum(n for what, n in soaked["labels"].items() if what not in ("200", "201", "503 announced"))
        found += [
            Bar("soak: failed lookups", lookups + sum(soaked["failures"].values()), None, 0, most=True),
            Bar("soak: labels neither kept nor told with 503", labels, None, 0, most=True),
            Bar("soak: faults of the benchmark itself", len(soaked["faults"]), None, 0, most=True),
            Bar("soak: growth of memory, MB", soaked["growth_mb"], None, GROWTH_MB, most=True),
        ]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bodies", type=int, default=20_000, help="made-up bodies to send")
    parser.add_argument("--minutes", type=float, default=1.0, help="the longest that they may take")
    parser.add_argument("--rate", type=float, default=900.0, help="bodies a second, at most")
    parser.add_argument(
        "--soak", type=float, default=0.0, metavar="SECONDS", help="of the run with things away"
    )
    parser.add_argument("--lookups", type=float, default=SWAPPING, help="lookups a second of that run")
    parser.add_argument("--families", type=int, default=1000, help="stored families")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the measurements")
    options = parser.parse_args()
    before = machine.facts()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="fingerprint-abuse-") as folder:
        prepared = prepare(Path(folder), options.families, 4000)
        with served(prepared, 1) as (worker,):
            figures["fuzz"] = fuzz(prepared, worker, options.bodies, 60 * options.minutes, options.rate)
            if options.soak:
                figures["soak"] = uvloop.run(soak(prepared, worker, options.soak, options.lookups))
    print(json.dumps(figures, indent=1))
    if options.json:
        machine.save({"machine": before, **figures}, options.json)
    found = bars(figures)
    print(as_text(found))
    sys.exit(any(bar.reached(bar.final) is False for bar in found))


if __name__ == "__main__":
    main()
