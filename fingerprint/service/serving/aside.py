"""Work that takes long, beside the event loop: in a few threads of which one works at a time, shared fairly among keys.

One at a time, because further ones would take the processor and the interpreter's lock away from small lookups (D-150).
Between its pieces a job lets other keys go first, and gives up when nobody waits for it any more.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from fingerprint.matching.long_texts import Between
from fingerprint.service.http.problems import Problem
from fingerprint.service.serving import metrics
from fingerprint.service.serving.turns import Turns

THREADS = 8
OWN_THREADS = 2
"""Jobs of one key that have begun."""

BEGUN_BYTES = 32 << 20
"""Bytes of the bodies of jobs that have begun: they take several times as much while they are read. One may be larger."""

Answer = TypeVar("Answer")


@dataclass(eq=False, slots=True)
class _Job:
    key: str
    size: int
    deadline: float
    work: Callable[[Between], Any]
    answer: asyncio.Future[Any] | None


class Aside:
    """The jobs of one event loop."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, "aside")
        self._turns = Turns()
        self._waiting: dict[str, deque[_Job]] = {}
        self._begun: list[_Job] = []

    async def run(self, key: str, size: int, work: Callable[[Between], Answer], deadline: float) -> Answer:
        """Do some work for a key; size: bytes that it reads. Raises what it raises, and Problem 503 at the deadline.

        work: gets what it should call between its pieces. deadline: on the monotonic clock.
        """
        coming = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(_Job(key, size, deadline, work, coming))
        self._begin()
        try:
            await asyncio.wait((coming,), timeout=max(0.0, deadline - time.monotonic()))
            if not coming.done():
                raise too_late()
            answer: Answer = coming.result()
            return answer
        finally:
            coming.cancel()  # whoever waited has gone
            # an error refers to this frame: were it to refer to the error, the body would stay until a collection
            del coming

    def _begin(self) -> None:
        """Begin as many jobs as may run, those of keys first that used least."""
        while len(self._begun) < THREADS:
            for key in [key for key, jobs in self._waiting.items() if _only_live(jobs)]:
                if not self._waiting[key]:
                    del self._waiting[key]
            ready = [key for key, jobs in self._waiting.items() if jobs and self._may_begin(jobs[0])]
            if not ready:
                return
            job = self._waiting[min(ready, key=self._turns.used)].popleft()
            self._begun.append(job)
            work = asyncio.get_running_loop().run_in_executor(self._pool, self._worked, job)
            work.add_done_callback(partial(self._ended, job))

    def _may_begin(self, job: _Job) -> bool:
        own = sum(begun.key == job.key for begun in self._begun)
        size = sum(begun.size for begun in self._begun)
        return own < OWN_THREADS and (not self._begun or size + job.size <= BEGUN_BYTES)

    def _worked(self, job: _Job) -> Any:
        def between() -> None:
            if job.answer is None or job.answer.cancelled() or time.monotonic() > job.deadline:
                raise too_late()
            self._turns.others_first(job.key)

        self._turns.take(job.key)
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


def _only_live(jobs: deque[_Job]) -> bool:
    """Drop the jobs at the front that nobody waits for; tells whether any was."""
    before = len(jobs)
    while jobs and (jobs[0].answer is None or jobs[0].answer.done()):
        jobs.popleft()
    return len(jobs) < before or not jobs


def too_late() -> Problem:
    """Count and name what came too late."""
    metrics.SHED.labels("deadline").inc()
    return Problem(503, "the deadline passed while the lookup waited", headers={"Retry-After": "1"})
