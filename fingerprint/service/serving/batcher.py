"""Looks prompts up for requests that come at the same time: together, in one queue of bounded length.

Work is done on the event loop's own thread: a lookup takes about a millisecond, handing it to another thread and waiting
for the interpreter's lock takes longer. Only what is large, to be parsed and to be looked up, goes to a thread, and to
one only: further ones would take the processor and the lock away from small lookups (D-150).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from fingerprint.domain.results import Match
from fingerprint.matching.live import Live, LookupRequest, Serving, answers
from fingerprint.service.http.problems import Problem
from fingerprint.service.serving import metrics

MAX_BATCH = 16
"""Prompts looked up in one go: more take longer than others should wait (D-005)."""

BATCHED = 4_000
"""Prompts of batches in work before further batches are refused; they do not count against single lookups (D-008)."""

LARGE_CHARACTERS = 50_000
"""Characters from which on a lookup leaves the event loop, and bytes from which on a body does."""

LARGE_WAITING = 256 << 20
"""Bytes of large bodies that may wait; further ones are refused with 503."""

Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Waiting:
    query: LookupRequest
    deadline: float
    answer: asyncio.Future[tuple[Match, Serving]]


class Batcher:
    """The queue of one event loop."""

    def __init__(self, live: Live, *, most_waiting: int) -> None:
        self._live = live
        self._most = most_waiting
        self._queue: deque[_Waiting] = deque()
        self._large = 0
        self._large_bytes = 0
        self._batched = 0
        self._aside = ThreadPoolExecutor(1, "large")
        # one part of one batch at a time, so that who asks for one prompt waits for no more than that
        self._turn = asyncio.Lock()
        self._draining = False

    def __len__(self) -> int:
        """Return how many prompts wait."""
        return len(self._queue) + self._large + self._batched

    def serving(self) -> Serving:
        """Return what answers now; raises Problem 503 before the first night."""
        if self._live.serving is None:
            raise Problem(503, "no snapshot yet: no night is stored", headers={"Retry-After": "30"})
        return self._live.serving

    async def ask(self, query: LookupRequest, deadline: float) -> tuple[Match, Serving]:
        """Look one prompt up; deadline: on the monotonic clock.

        Raises Problem 503 at once when too many wait, and later when the deadline passed meanwhile.
        """
        self.serving()
        self._admit(1, len(self._queue) + self._large, self._most)
        size = len(query.prompt) + len(query.system or "")
        if size > LARGE_CHARACTERS:
            return await self._apart(size, deadline, lambda: self._answered(query))
        loop = asyncio.get_running_loop()
        waiting = _Waiting(query, deadline, loop.create_future())
        self._queue.append(waiting)
        if not self._draining:
            self._draining = True
            loop.call_soon(self._drain, loop)
        return await waiting.answer

    def _admit(self, count: int, waiting: int, most: int) -> None:
        """Raise Problem 503 unless so many more may wait; an empty queue takes any number."""
        if waiting and waiting + count > most:
            metrics.SHED.labels("queue").inc()
            raise Problem(503, f"{waiting} lookups wait already", headers={"Retry-After": "1"})

    async def ask_body(
        self, size: int, read: Callable[[], LookupRequest], deadline: float, *, explained: bool = False
    ) -> tuple[LookupRequest, Match, Serving]:
        """Read a request from a body of `size` bytes, look it up, and tell what it said.

        explained: as in `explain`. Raises what `read` does, and Problem 503 as `ask` does.
        """
        if size <= LARGE_CHARACTERS:
            query = read()
            return query, *await (self.explain(query, deadline) if explained else self.ask(query, deadline))
        self.serving()
        self._admit(1, len(self._queue) + self._large, self._most)

        def answered() -> tuple[LookupRequest, Match, Serving]:
            query = read()
            return query, *(self._explained(query) if explained else self._answered(query))

        return await self._apart(size, deadline, answered)

    async def explain(self, query: LookupRequest, deadline: float) -> tuple[Match, Serving]:
        """Look one prompt up, with the template's segments that it contains and the text between them."""
        self.serving()
        self._admit(1, len(self._queue) + self._large, self._most)
        return await self._apart(len(query.prompt), deadline, lambda: self._explained(query))

    async def aside(self, size: int, work: Callable[[], Answer], deadline: float) -> Answer:
        """Do some work that takes long, in the thread for it; size: of its body in bytes. Raises Problem 503 as `ask`."""
        if size <= LARGE_CHARACTERS:
            return work()
        return await self._apart(size, deadline, work)

    async def ask_all(self, queries: list[LookupRequest], deadline: float) -> tuple[list[Match], Serving]:
        """Look a batch up in one snapshot, letting others in between; raises Problem 503 as `ask` does."""
        serving = self.serving()
        self._admit(len(queries), self._batched, BATCHED)
        matches: list[Match] = []
        self._batched += len(queries)
        try:
            for begin in range(0, len(queries), MAX_BATCH):
                async with self._turn:
                    if time.monotonic() > deadline:
                        raise _too_late()
                    matches += await self._part(queries[begin : begin + MAX_BATCH], serving)
        finally:
            self._batched -= len(queries)
        return matches, serving

    async def _part(self, queries: list[LookupRequest], serving: Serving) -> list[Match]:
        if sum(len(a.prompt) + len(a.system or "") for a in queries) > LARGE_CHARACTERS:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._aside, answers, serving.matcher, queries)
        matches = answers(serving.matcher, queries)
        await asyncio.sleep(0)
        return matches

    def _answered(self, query: LookupRequest) -> tuple[Match, Serving]:
        serving = self.serving()
        return answers(serving.matcher, [query])[0], serving

    def _explained(self, query: LookupRequest) -> tuple[Match, Serving]:
        serving = self.serving()
        return serving.matcher.one(query.prompt, query.system, query.account, explained=True), serving

    async def _apart(self, size: int, deadline: float, work: Callable[[], Answer]) -> Answer:
        if self._large_bytes and self._large_bytes + size > LARGE_WAITING:
            metrics.SHED.labels("large").inc()
            raise Problem(503, "many large bodies wait already", headers={"Retry-After": "1"})

        def in_time() -> Answer:
            if time.monotonic() > deadline:
                raise _too_late()
            return work()

        self._large += 1
        self._large_bytes += size
        try:
            return await asyncio.get_running_loop().run_in_executor(self._aside, in_time)
        finally:
            self._large -= 1
            self._large_bytes -= size

    def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer the first that wait, and come back for the others after the event loop looked around."""
        now = time.monotonic()
        part: list[_Waiting] = []
        while self._queue and len(part) < MAX_BATCH:
            waiting = self._queue.popleft()
            if waiting.answer.done():  # its client went away
                continue
            if now > waiting.deadline:
                waiting.answer.set_exception(_too_late())
            else:
                part.append(waiting)
        if part:
            self._answer(part)
        self._draining = bool(self._queue)
        if self._draining:
            loop.call_soon(self._drain, loop)

    def _answer(self, part: list[_Waiting]) -> None:
        metrics.BATCH_SIZES.observe(len(part))
        try:
            serving = self.serving()
            matches = answers(serving.matcher, [waiting.query for waiting in part])
        except Exception as error:
            for waiting in part:
                waiting.answer.set_exception(error)
            return
        for waiting, match in zip(part, matches, strict=True):
            waiting.answer.set_result((match, serving))


def _too_late() -> Problem:
    metrics.SHED.labels("deadline").inc()
    return Problem(503, "the deadline passed while the lookup waited", headers={"Retry-After": "1"})
