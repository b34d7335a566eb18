"""Asks an HTTP server over kept-alive connections: as fast as answers come, or at an even rate whatever comes."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.request import urlopen

import numpy as np


@dataclass
class Answers:
    """What came back: latencies in ms by the time they were due (s since the begin), statuses, and failures."""

    due: list[float] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def summary(self) -> dict[str, object]:
        """Sum it up."""
        p50, p99, p999 = (round(float(np.percentile(self.ms, p)), 2) for p in (50, 99, 99.9))
        return {
            "requests": len(self.ms),
            "seconds": round(self.seconds, 1),
            "requests_per_second": round(len(self.ms) / self.seconds, 1),
            "p50_ms": p50,
            "p99_ms": p99,
            "p999_ms": p999,
            "max_ms": round(max(self.ms), 2),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "failures": dict(self.failures),
        }


class Connection(asyncio.Protocol):
    """One connection, one request at a time; body: of the last answer."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[int] | None = None
        self.body = b""
        self._read = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def data_received(self, data: bytes) -> None:
        """Read an answer, as far as it came."""
        self._read += data
        end = self._read.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._read[:end]).lower()
        at = head.find(b"content-length:")
        length = (
            int(head[at + 15 : head.find(b"\r\n", at) if b"\r\n" in head[at:] else None]) if at > 0 else 0
        )
        if len(self._read) >= end + 4 + length and self.answer is not None:
            status = int(head[9:12])
            self.body = bytes(self._read[end + 4 : end + 4 + length])
            del self._read[: end + 4 + length]
            self.answer.set_result(status)

    def connection_lost(self, error: Exception | None) -> None:
        """Fail what waits for an answer."""
        self.transport = None
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(error or ConnectionResetError("closed"))

    async def ask(self, request: bytes) -> int:
        """Send a request, and return its answer's status."""
        assert self.transport is not None
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.answer


def request(host: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """Write a request down."""
    lines = [f"POST {path} HTTP/1.1", f"host: {host}", "content-type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


async def flood(port: int, requests: Iterator[bytes], seconds: float, connections: int) -> Answers:
    """Keep so many connections busy."""
    answered, begin = Answers(), time.perf_counter()

    async def one() -> None:
        connection = await connect(port)
        while time.perf_counter() - begin < seconds:
            sent = time.perf_counter()
            status = await connection.ask(next(requests))
            answered.due.append(sent - begin)
            answered.ms.append((time.perf_counter() - sent) * 1000)
            answered.statuses[status] += 1

    await asyncio.gather(*(one() for _ in range(connections)))
    answered.seconds = time.perf_counter() - begin
    return answered


async def stream(
    port: int, requests: Iterator[bytes], seconds: float, rate: float, connections: int
) -> Answers:
    """Ask at an even rate, whether or not answers came; a latency counts from when its request was due."""
    answered, begin = Answers(), time.perf_counter()
    free: deque[Connection] = deque([await connect(port) for _ in range(connections)])
    asking: set[asyncio.Task[None]] = set()

    async def one(due: float) -> None:
        try:
            connection = free.pop() if free else await connect(port)
            if connection.transport is None:
                connection = await connect(port)
            status = await connection.ask(next(requests))
            free.append(connection)
            answered.statuses[status] += 1
        except OSError as error:
            answered.failures[type(error).__name__] += 1
        answered.due.append(due)
        answered.ms.append((time.perf_counter() - begin - due) * 1000)

    count = int(seconds * rate)
    for number in range(count):
        due = number / rate
        wait = due - (time.perf_counter() - begin)
        if wait > 0:
            await asyncio.sleep(wait)
        task = asyncio.create_task(one(due))
        asking.add(task)
        task.add_done_callback(asking.discard)
    await asyncio.gather(*asking)
    answered.seconds = time.perf_counter() - begin
    return answered


def answers(port: int, path: str) -> bool:
    """Tell whether this machine answers a GET with 200."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def around(answered: Answers, moments: Sequence[float], before: float, after: float) -> Answers:
    """Take what was due within so many seconds of some moments."""
    due = np.asarray(answered.due)
    near = np.zeros(len(due), dtype=bool)
    for moment in moments:
        near |= (due >= moment - before) & (due <= moment + after)
    rows = np.flatnonzero(near).tolist()
    return Answers(
        due=[answered.due[i] for i in rows],
        ms=[answered.ms[i] for i in rows],
        seconds=answered.seconds,
    )


async def connect(port: int) -> Connection:
    """Open a connection to this machine."""
    _, protocol = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return protocol
