"""Work that takes long, beside the event loop: in a few threads of which one works at a time, shared fairly among keys.

One at a time, because further ones would take the processor and the interpreter's lock away from small lookups (D-150).
Between its pieces a job lets other keys go first, and shorter jobs of its own, and gives up when nobody waits for it any
more.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, TypeVar

from fingerprint.matching.long_texts import Between
from fingerprint.service.http.problems import Problem
from fingerprint.service.serving import metrics
from fingerprint.service.serving.turns import Place, Turns

THREADS = 8
SPARE_THREADS = 2
"""Of THREADS those that only short jobs get."""

OWN_THREADS = 2
"""Jobs of one key that have begun; a short one may begin beside two long ones."""

SHORT = 65_536
"""Bytes that a short job reads: one piece."""

PATIENCE_S = 3e-6
"""Seconds that a job lets shorter ones of its key overtake it, for each byte that it reads: 3 s of 1 MB, whose work takes 25 ms."""

BEGUN_BYTES = 32 << 20
"""Bytes of the bodies of jobs that have begun: they take several times as much while they are read. One may be larger."""

Answer = TypeVar("Answer")


@dataclass(eq=False, slots=True)
class _Job:
    """A job; place: when its patience ends, of two at once the earlier one."""

    key: str
    place: Place
    size: int
    deadline: float
    work: Callable[[Between], Any]
    answer: asyncio.Future[Any] | None


class Aside:
    """The jobs of one event loop; clock: seconds, which only go forward."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pool = ThreadPoolExecutor(THREADS, "aside")
        self._turns = Turns(clock)
        self._waiting: dict[str, list[tuple[Place, _Job]]] = {}
        self._begun: list[_Job] = []
        self._numbers = count()

    async def run(self, key: str, size: int, work: Callable[[Between], Answer], deadline: float) -> Answer:
        """Do some work for a key; size: bytes that it reads. Raises what it raises, and Problem 503 at the deadline.

        work: gets what it should call between its pieces. deadline: on the clock.
        """
        coming = asyncio.get_running_loop().create_future()
        place = (self._clock() + PATIENCE_S * size, next(self._numbers))
        job = _Job(key, place, size, deadline, work, coming)
        heapq.heappush(self._waiting.setdefault(key, []), (place, job))
        self._begin()
        try:
            await asyncio.wait((coming,), timeout=max(0.0, deadline - self._clock()))
            if not coming.done():
                raise too_late()
            answer: Answer = coming.result()
            return answer
        finally:
            coming.cancel()  # whoever waited has gone
            job.work = _nothing  # and what it read need not wait with it
            # an error refers to this frame: were it to refer to the error, the body would stay until a collection
            del coming, job

    def _begin(self) -> None:
        """Begin as many jobs as may run, those of keys first that used least."""
        while len(self._begun) < THREADS:
            first = {
                key: job for key, jobs in self._waiting.items() if (job := _first_live(jobs)) is not None
            }
            self._waiting = {key: self._waiting[key] for key in first}
            ready = [key for key, job in first.items() if self._may_begin(job)]
            if not ready:
                return
            _, job = heapq.heappop(self._waiting[min(ready, key=self._turns.used)])
            self._begun.append(job)
            work = asyncio.get_running_loop().run_in_executor(self._pool, self._worked, job)
            work.add_done_callback(partial(self._ended, job))

    def _may_begin(self, job: _Job) -> bool:
        own = [begun.size for begun in self._begun if begun.key == job.key]
        if self._begun and sum(begun.size for begun in self._begun) + job.size > BEGUN_BYTES:
            return False
        if job.size <= SHORT:
            return len(own) < OWN_THREADS or min(own) > SHORT
        return len(own) < OWN_THREADS and len(self._begun) < THREADS - SPARE_THREADS

    def _worked(self, job: _Job) -> Any:
        def between() -> None:
            if job.answer is None or job.answer.cancelled() or self._clock() > job.deadline:
                raise too_late()
            self._turns.others_first(job.key, job.place)

        self._turns.take(job.key, job.place)
        try:
            between()
            return job.work(between)
        finally:
            self._turns.give(job.key)

    def _ended(self, job: _Job, done: asyncio.Future[Any]) -> None:
        self._begun.remove(job)
        answer, job.answer = job.answer, None  # as above
        error = done.exception()
        if answer is not None and not answer.done():
            if error is None:
                answer.set_result(done.result())
            else:
                answer.set_exception(error)
        self._begin()


def _nothing(_between: Between) -> None:
    """Do what is left of a job that nobody waits for."""


def _first_live(jobs: list[tuple[Place, _Job]]) -> _Job | None:
    """Return the first of a heap of jobs after dropping those before it that nobody waits for; None where none is left."""
    while jobs:
        job = jobs[0][1]
        if job.answer is not None and not job.answer.done():
            return job
        heapq.heappop(jobs)
    return None


def too_late() -> Problem:
    """Count and name what came too late."""
    metrics.SHED.labels("deadline").inc()
    return Problem(503, "the deadline passed while the lookup waited", headers={"Retry-After": "1"})
