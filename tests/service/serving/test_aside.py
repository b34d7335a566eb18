"""Large work beside the event loop: in turns among keys, bounded in bytes, and given up at the deadline."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import Callable
from contextlib import suppress

import pytest

from fingerprint.matching.long_texts import Between
from fingerprint.service.http.problems import Problem
from fingerprint.service.serving import in_flight
from fingerprint.service.serving.aside import OWN_THREADS, PATIENCE_S, SHORT, THREADS, Aside
from fingerprint.service.serving.in_flight import FREE, InFlight


def pieces(count: int, seconds: float, log: list[str], name: str) -> Callable[[Between], str]:
    """Work of so many pieces."""

    def work(between: Between) -> str:
        for _ in range(count):
            between()
            time.sleep(seconds)
            log.append(name)
        return name

    return work


def soon(seconds: float = 60) -> float:
    return time.monotonic() + seconds


def test_a_key_that_comes_later_need_not_wait_for_what_another_has_begun() -> None:
    log: list[str] = []

    async def asked() -> None:
        aside = Aside()
        greedy = [
            asyncio.create_task(aside.run("greedy", 1, pieces(20, 0.01, log, "greedy"), soon()))
            for _ in range(6)
        ]
        await asyncio.sleep(0.05)
        began = time.monotonic()
        assert await aside.run("modest", 1, pieces(3, 0.01, log, "modest"), soon()) == "modest"
        assert time.monotonic() - began < 0.5, "the others take more than a second"
        await asyncio.gather(*greedy)

    asyncio.run(asked())
    assert log.count("greedy") == 120


def test_two_keys_get_alike_whatever_their_number_of_jobs() -> None:
    log: list[str] = []

    async def asked() -> None:
        aside = Aside()
        jobs = [aside.run("many", 1, pieces(10, 0.02, log, "many"), soon()) for _ in range(8)]
        jobs += [aside.run("one", 1, pieces(20, 0.02, log, "one"), soon())]
        await asyncio.gather(*jobs)

    asyncio.run(asked())
    half = log[: max(n for n, name in enumerate(log) if name == "one")]
    assert 0.35 < half.count("one") / len(half) < 0.65


def test_a_deadline_ends_the_wait_at_once_and_the_work_at_its_next_piece() -> None:
    log: list[str] = []

    async def asked() -> None:
        aside = Aside()
        began = time.monotonic()
        with pytest.raises(Problem) as refused:
            await aside.run("a", 1, pieces(100, 0.05, log, "a"), soon(0.12))
        assert refused.value.status == 503
        assert time.monotonic() - began < 0.3
        assert await aside.run("b", 1, lambda _between: "next", soon()) == "next"

    asyncio.run(asked())
    assert len(log) <= 4


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
    log: list[str] = []
    long = 100 * SHORT

    async def asked() -> None:
        aside = Aside()
        jobs = [
            asyncio.create_task(aside.run("a", long, pieces(5, 0.01, log, f"long {n}"), soon()))
            for n in range(12)
        ]
        await asyncio.sleep(0.02)
        short = asyncio.create_task(aside.run("a", 1, pieces(1, 0.0, log, "short"), soon()))
        await short
        assert len(log) <= 8, "what has begun lets it go first after a piece"
        # one that came long ago is no longer overtaken
        patient = aside._waiting["a"][0][0]
        later = asyncio.create_task(aside.run("a", 2, pieces(1, 0.0, log, "later"), soon()))
        await asyncio.sleep(0)
        assert patient > (time.monotonic() + 2 * PATIENCE_S, 0), "it has waited less than its patience"
        await asyncio.gather(later, *jobs)

    asyncio.run(asked())
    assert log.count("short") == log.count("later") == 1
    assert len(log) == 62


def test_long_jobs_of_many_keys_leave_threads_for_short_ones() -> None:
    log: list[str] = []

    async def asked() -> None:
        aside = Aside()
        jobs = [
            asyncio.create_task(aside.run(f"k{n}", 2 * SHORT, pieces(3, 0.01, log, "long"), soon()))
            for n in range(THREADS)
        ]
        await asyncio.sleep(0.015)
        await aside.run("other", 1, pieces(1, 0.0, log, "short"), soon())
        assert log.count("long") < THREADS
        await asyncio.gather(*jobs)

    asyncio.run(asked())


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
    async def asked() -> None:
        aside, log = Aside(), list[str]()
        body = set[str]()
        kept = weakref.ref(body)
        short = [asyncio.create_task(aside.run("a", 1, pieces(1, 0.05, log, "s"), soon())) for _ in range(4)]
        await asyncio.sleep(0.01)
        with pytest.raises(Problem):
            await aside.run("a", 50 * SHORT, lambda _between, held=body: len(held), soon(0.02))
        del body
        assert kept() is None, "short ones stand before it"
        await asyncio.gather(*short)

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
