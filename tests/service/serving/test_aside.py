"""Large work beside the event loop: in turns among keys, bounded in bytes, and given up at the deadline."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest
from support.until import WAIT_S, until

from fingerprint.matching.long_texts import Between
from fingerprint.service.http.problems import Problem
from fingerprint.service.serving import in_flight
from fingerprint.service.serving.aside import OWN_THREADS, PATIENCE_S, SHORT, THREADS, Aside
from fingerprint.service.serving.in_flight import FREE, InFlight


class Stage:
    """Jobs whose pieces take the seconds that they say, on a clock of their own, and whose order no thread's start changes.

    Others are let go first only when every job that has begun waits for its turn. log: the pieces' names as they were done.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.aside = Aside(lambda: self.now)
        self.log: list[str] = []
        self._loop = asyncio.get_running_loop()
        self._later: dict[int, Callable[[], None]] = {}
        self._tasks: list[asyncio.Task[str]] = []

    def job(self, name: str, key: str, size: int, count: int, seconds: float) -> None:
        """Ask for a job of so many pieces."""

        def work(between: Between) -> str:
            for _ in range(count):
                self._on_loop(self._due)
                until(lambda: self._on_loop(self._settled))
                between()
                self.now += seconds
                self.log.append(name)
            return name

        self._tasks.append(asyncio.create_task(self.aside.run(key, size, work, self.now + 100), name=name))

    def after(self, pieces: int, action: Callable[[], None]) -> None:
        """Do something on the loop when so many pieces are done."""
        self._later[pieces] = action

    async def all_done(self) -> None:
        """Wait for all jobs, those that come meanwhile too."""
        for task in self._tasks:
            assert await task == task.get_name()
        assert not self._later

    def _on_loop(self, step: Callable[[], Coroutine[Any, Any, bool]]) -> bool:
        return asyncio.run_coroutine_threadsafe(step(), self._loop).result(WAIT_S)

    async def _due(self) -> bool:
        self._later.pop(len(self.log), bool)()
        return True

    async def _settled(self) -> bool:
        return sum(map(len, self.aside._turns._waiting.values())) == len(self.aside._begun) - 1


def soon(seconds: float = WAIT_S) -> float:
    return time.monotonic() + seconds


def test_a_key_that_comes_later_need_not_wait_for_what_another_has_begun() -> None:
    async def asked() -> list[str]:
        stage = Stage()
        for _ in range(THREADS):
            stage.job("greedy", "greedy", 1, 20, 0.01)
        stage.after(5, lambda: stage.job("modest", "modest", 1, 3, 0.01))
        await stage.all_done()
        return stage.log

    log = asyncio.run(asked())
    assert log.count("greedy") == 20 * THREADS
    assert log[5:8] == ["modest"] * 3, "it used nothing, the other key five pieces' time"


def test_two_keys_get_alike_whatever_their_number_of_jobs() -> None:
    async def asked() -> list[str]:
        stage = Stage()
        for _ in range(8):
            stage.job("many", "many", 1, 10, 0.02)
        stage.job("one", "one", 1, 20, 0.02)
        await stage.all_done()
        return stage.log

    log = asyncio.run(asked())
    half = log[: max(n for n, name in enumerate(log) if name == "one")]
    assert 0.45 < half.count("one") / len(half) < 0.55


def test_a_deadline_ends_the_wait_at_once_and_the_work_at_its_next_piece() -> None:
    go_on, begun, ended = threading.Event(), list[int](), list[int]()

    def work(between: Between) -> None:
        for piece in range(100):
            between()
            begun.append(piece)
            go_on.wait(WAIT_S)
            ended.append(piece)

    async def asked() -> None:
        aside = Aside()
        with pytest.raises(Problem) as refused:
            await aside.run("a", 1, work, soon(0.1))
        assert refused.value.status == 503
        assert not ended
        go_on.set()
        assert await aside.run("b", 1, lambda _between: "next", soon()) == "next"

    asyncio.run(asked())
    assert len(begun) <= 1, "a busy machine may not have begun it in time"


def test_one_works_at_a_time_and_one_key_begins_few() -> None:
    at_work, most, begun = [0], [0], [0]
    aside: list[Aside] = []

    def work(_between: Between) -> None:
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])
        begun[0] = max(begun[0], len(aside[0]._begun))
        time.sleep(0.01)
        at_work[0] -= 1

    async def asked() -> None:
        aside.append(Aside())
        await asyncio.gather(*(aside[0].run("a", 1, work, soon()) for _ in range(12)))

    asyncio.run(asked())
    assert most[0] == 1
    assert begun[0] <= OWN_THREADS


def test_a_short_job_overtakes_long_ones_of_its_key_but_not_for_ever() -> None:
    long = 100 * SHORT

    async def asked() -> list[str]:
        stage = Stage()

        def much_later() -> None:
            stage.now += PATIENCE_S * long
            stage.job("later", "a", 2, 1, 0.0)

        for n in range(12):
            stage.job(f"long {n}", "a", long, 5, 0.01)
        stage.after(1, lambda: stage.job("short", "a", 1, 1, 0.0))
        stage.after(20, much_later)
        await stage.all_done()
        return stage.log

    log = asyncio.run(asked())
    long_ones = [f"long {n}" for n in range(12) for _ in range(5)]
    # what has begun lets it go first after a piece, and one that came long ago is no longer overtaken
    assert log == [*long_ones[:1], "short", *long_ones[1:], "later"]


def test_long_jobs_of_many_keys_leave_threads_for_short_ones() -> None:
    async def asked() -> list[str]:
        stage = Stage()
        for n in range(THREADS):
            stage.job("long", f"k{n}", 2 * SHORT, 3, 0.01)
        stage.after(1, lambda: stage.job("short", "other", 1, 1, 0.0))
        await stage.all_done()
        return stage.log

    log = asyncio.run(asked())
    assert log.index("short") < THREADS
    assert log.count("long") == 3 * THREADS


def test_what_fails_fails_for_who_asked() -> None:
    def work(_between: Between) -> None:
        raise KeyError("x")

    async def asked() -> str:
        aside = Aside()
        with pytest.raises(KeyError):
            await aside.run("a", 1, work, soon())
        return await aside.run("a", 1, lambda _between: "goes on", soon())

    assert asyncio.run(asked()) == "goes on"


def test_bytes_in_flight_are_bounded_for_a_key_and_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_flight, "OWN", 200_000)
    monkeypatch.setattr(in_flight, "ALL", 300_000)
    flight = InFlight()
    with flight.of("a") as first, flight.of("a") as second, flight.of("b") as other:
        for _ in range(4):
            first(FREE)
        second(FREE)
        with pytest.raises(Problem) as refused:
            second(FREE)
        assert refused.value.headers["Retry-After"] == "1"
        other(FREE)
        other(100_000)
        with pytest.raises(Problem), flight.of("c") as third:
            third(100_000)
    with flight.of("a") as alone:
        alone(10_000_000)  # one body of any size
    assert flight._all == 0
    assert not flight._of


def test_what_waits_longest_keeps_nothing_of_its_body_after_its_deadline() -> None:
    go_on = threading.Event()

    async def asked() -> None:
        aside = Aside()
        body = set[str]()
        kept = weakref.ref(body)
        short = [
            asyncio.create_task(aside.run("a", 1, lambda _between: go_on.wait(WAIT_S), soon()))
            for _ in range(4)
        ]
        await asyncio.sleep(0)  # they stand before it now
        with pytest.raises(Problem):
            await aside.run("a", 50 * SHORT, lambda _between, held=body: len(held), soon(0.02))
        del body
        assert kept() is None, "short ones stand before it"
        go_on.set()
        assert all(await asyncio.gather(*short))

    asyncio.run(asked())


def test_what_failed_keeps_nothing_of_its_body() -> None:
    kept: list[weakref.ref[object]] = []

    async def refused(body: set[str]) -> None:
        kept.append(weakref.ref(body))

        def work(_between: Between) -> None:
            raise Problem(413, f"{len(body)} values")

        with suppress(Problem):
            await Aside().run("a", 1, work, soon())

    gc.disable()
    try:
        for _ in range(5):
            asyncio.run(refused(set()))
        gone = [one() is None for one in kept]
    finally:
        gc.enable()
    assert all(gone)
