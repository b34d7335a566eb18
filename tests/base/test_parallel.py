"""Results come in the order of the items, and errors where their result would stand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Event

import pytest

from fingerprint.base.parallel import in_order, prefetch, reading_ahead, workers


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_order(threads: int) -> None:
    def work(n: int) -> int:
        time.sleep(0.002 * (n % 3))
        return n * n

    assert list(in_order(work, range(20), threads=threads)) == [n * n for n in range(20)]


@pytest.mark.parametrize("threads", [1, 3])
def test_few_items_are_taken_ahead(threads: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for n in range(50):
            taken.append(n)
            yield n

    results = in_order(lambda n: n, items(), threads=threads)
    assert next(results) == 0
    assert len(taken) <= threads + 1


def test_an_error_is_raised_in_its_place() -> None:
    results = in_order(lambda n: 1 // (2 - n), range(9), threads=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_there_is_a_worker() -> None:
    assert workers() >= 1


def test_items_are_made_before_they_are_asked_for() -> None:
    second = Event()

    def items() -> Iterator[int]:
        yield 0
        second.set()
        yield from range(1, 5)

    with reading_ahead(items(), 2) as coming:
        assert second.wait(60)
        assert list(coming) == [0, 1, 2, 3, 4]
    assert list(prefetch(iter(range(4)))) == [0, 1, 2, 3]


def test_to_stop_makes_no_more_than_was_begun() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for n in range(50):
            taken.append(n)
            yield n

    with reading_ahead(items(), 2) as coming:
        assert next(coming) == 0
    assert len(taken) <= 3


def test_what_cannot_be_made_is_an_error_when_it_is_asked_for() -> None:
    def items() -> Iterator[int]:
        yield 0
        raise ValueError("cut short")

    with reading_ahead(items(), 2) as coming:
        assert next(coming) == 0
        with pytest.raises(ValueError, match="cut short"):
            next(coming)
    with reading_ahead(items(), 2):
        pass
