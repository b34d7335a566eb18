"""Work on a stream by several threads, its results in order; the kernels and Arrow let go of the interpreter's lock."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def workers() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prefetch(items: Iterator[Item]) -> Iterator[Item]:
    """Yield the items, while another thread makes the next one; to stop waits for that one."""
    with reading_ahead(items, 1) as coming:
        yield from coming


@contextmanager
def reading_ahead(items: Iterator[Item], count: int) -> Iterator[Iterator[Item]]:
    """Begin to make items in another thread, `count` before they are asked for; to stop waits for the one that is made.

    An error is raised where its item would stand.
    """
    end: Any = object()
    with ThreadPoolExecutor(1) as pool:
        coming = deque(pool.submit(next, items, end) for _ in range(count))

        def each() -> Iterator[Item]:
            while (item := coming.popleft().result()) is not end:
                coming.append(pool.submit(next, items, end))
                yield item

        try:
            yield each()
        finally:
            for future in coming:
                future.cancel()


def in_order(work: Callable[[Item], Result], items: Iterable[Item], *, threads: int) -> Iterator[Result]:
    """Yield work(item) of each item, in the order of the items; at most `threads` + 1 are held at once.

    One thread does the work itself, without a pool. An error is raised where its result would stand.
    """
    if threads <= 1:
        yield from map(work, items)
        return
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
