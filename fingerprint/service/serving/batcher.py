"""Looks prompts up for requests that come at the same time: together, in one queue of bounded length, keys in turn.

Small work is done on the event loop's own thread: a lookup takes about a millisecond, handing it to another thread and
waiting for the interpreter's lock takes longer. What is larger, to be parsed or to be looked up, is done aside.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from fingerprint.domain.results import Match
from fingerprint.matching.live import Live, LookupRequest, Serving, answers
from fingerprint.matching.long_texts import Between
from fingerprint.service.http.problems import Problem
from fingerprint.service.serving import metrics
from fingerprint.service.serving.aside import Aside, too_late

MAX_BATCH = 16
"""Prompts looked up in one go: more take longer than others should wait (D-005)."""

BATCHED = 4_000
"""Prompts of batches in work before further batches are refused; they do not count against single lookups (D-008)."""

SMALL = 8_192
"""Bytes of a body, and characters of a prompt, that are worked on the event loop: 0.3 ms of English, 5 ms of the worst."""

WIDE = 4
"""Characters that one counts for where a prompt is not ASCII: they take longer to normalise."""

EXPLAINED = 1 << 18
"""Characters of the longest text that is explained: all of it is held against the template, at a stretch."""

ALL_SHARE = 2
"""Times what one key may have waiting that all together may: who floods the queue leaves room for others."""

Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Waiting:
    query: LookupRequest
    cost: int
    deadline: float
    answer: asyncio.Future[tuple[Match, Serving]]


class Batcher:
    """The queue of one event loop."""

    def __init__(self, live: Live, *, most_waiting: int) -> None:
        self._live = live
        self._most = most_waiting
        self._queue: dict[str, deque[_Waiting]] = {}
        self._queued = 0
        self._large = 0
        self._batched = 0
        self._aside = Aside()
        self._draining = False

    def __len__(self) -> int:
        """Return how many prompts wait."""
        return self._queued + self._large + self._batched

    def serving(self) -> Serving:
        """Return what answers now; raises Problem 503 before the first night."""
        if self._live.serving is None:
            raise Problem(503, "no snapshot yet: no night is stored", headers={"Retry-After": "30"})
        return self._live.serving

    async def ask(self, query: LookupRequest, deadline: float, key: str = "") -> tuple[Match, Serving]:
        """Look one prompt up; deadline: on the monotonic clock; key: who asks.

        Raises Problem 503 at once when too many wait, and when the deadline passes meanwhile.
        """
        self.serving()
        cost = cost_of(query)
        if cost > SMALL:
            return await self._apart(key, cost, lambda between: self._answered(query, between), deadline)
        self._admit(1, self._queued + self._large, ALL_SHARE * self._most)
        self._admit(1, len(self._queue.get(key, ())), self._most)
        own = self._queue.setdefault(key, deque())
        loop = asyncio.get_running_loop()
        waiting = _Waiting(query, cost, deadline, loop.create_future())
        own.append(waiting)
        self._queued += 1
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
        self,
        size: int,
        read: Callable[[], LookupRequest],
        deadline: float,
        *,
        key: str = "",
        explained: bool = False,
    ) -> tuple[LookupRequest, Match, Serving]:
        """Read a request from a body of `size` bytes, look it up, and tell what it said.

        explained: as in `explain`. Raises what `read` does, and Problem 503 as `ask` does.
        """
        if size <= SMALL:
            query = read()
            asked = self.explain(query, deadline, key) if explained else self.ask(query, deadline, key)
            return query, *await asked
        self.serving()

        def answered(between: Between) -> tuple[LookupRequest, Match, Serving]:
            query = read()
            between()
            return query, *(self._explained(query, between) if explained else self._answered(query, between))

        return await self._apart(key, size, answered, deadline)

    async def explain(self, query: LookupRequest, deadline: float, key: str = "") -> tuple[Match, Serving]:
        """Look one prompt up, with the template's segments that it contains and the text between them."""
        self.serving()
        return await self._apart(
            key, cost_of(query), lambda between: self._explained(query, between), deadline
        )

    async def aside(self, size: int, work: Callable[[], Answer], deadline: float, key: str = "") -> Answer:
        """Do some work on a body of `size` bytes, aside if it is large. Raises Problem 503 as `ask`."""
        if size <= SMALL:
            return work()
        return await self._apart(key, size, lambda _between: work(), deadline)

    async def ask_all(
        self, queries: list[LookupRequest], deadline: float, key: str = ""
    ) -> tuple[list[Match], Serving]:
        """Look a batch up in one snapshot, letting others in between; raises Problem 503 as `ask` does."""
        serving = self.serving()
        self._admit(len(queries), self._batched, BATCHED)
        matches: list[Match] = []
        self._batched += len(queries)
        try:
            for begin in range(0, len(queries), MAX_BATCH):
                part = queries[begin : begin + MAX_BATCH]
                size = sum(map(cost_of, part))
                matches += await self._aside.run(key, size, partial(answers, serving.matcher, part), deadline)
        finally:
            self._batched -= len(queries)
        return matches, serving

    def _answered(self, query: LookupRequest, between: Between) -> tuple[Match, Serving]:
        serving = self.serving()
        return answers(serving.matcher, [query], between)[0], serving

    def _explained(self, query: LookupRequest, between: Between) -> tuple[Match, Serving]:
        serving = self.serving()
        short = len(query.prompt) + len(query.system or "") <= EXPLAINED
        match = serving.matcher.one(
            query.prompt, query.system, query.account, explained=short, between=between, said=query.said
        )
        return match, serving

    async def _apart(self, key: str, size: int, work: Callable[[Between], Answer], deadline: float) -> Answer:
        self._admit(1, self._queued + self._large, ALL_SHARE * self._most)
        self._large += 1
        try:
            return await self._aside.run(key, size, work, deadline)
        finally:
            self._large -= 1

    def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer the first that wait, and come back for the others after the event loop looked around."""
        now = time.monotonic()
        part: list[_Waiting] = []
        cost = 0
        while self._queue and len(part) < MAX_BATCH and cost < SMALL:
            waiting = self._next()
            if waiting is None or waiting.answer.done():  # its client went away
                continue
            if now > waiting.deadline:
                waiting.answer.set_exception(too_late())
            else:
                part.append(waiting)
                cost += waiting.cost
        if part:
            self._answer(part)
        self._draining = bool(self._queue)
        if self._draining:
            loop.call_soon(self._drain, loop)

    def _next(self) -> _Waiting | None:
        """Take one of the key whose turn it is, which is the last then; None where a key has none left."""
        key = next(iter(self._queue))
        own = self._queue.pop(key)
        if not own:
            return None
        waiting = own.popleft()
        self._queued -= 1
        if own:
            self._queue[key] = own
        return waiting

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


def cost_of(query: LookupRequest) -> int:
    """Tell what a lookup takes, in characters of English."""
    texts = (query.prompt, query.system or "")
    return sum(len(text) if text.isascii() else WIDE * len(text) for text in texts)
