"""Bytes of bodies that are being read or worked on: bounded for all together, and for each key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fingerprint.service.http.problems import Problem
from fingerprint.service.serving import metrics

ALL = 192 << 20
OWN = 96 << 20
"""Bytes of all keys and of one; a key that has nothing in flight may bring one body of any size."""

FREE = 65_536
"""Bytes of a body that do not count: most have no more."""


class InFlight:
    """What is in flight in one worker; only the event loop's thread uses it."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()
        self._all = 0

    @contextmanager
    def of(self, key: str) -> Iterator[Callable[[int], None]]:
        """Count one body: yields what to call with the size of each part, which raises Problem 503 when there are too many."""
        own = read = 0

        def take(size: int) -> None:
            nonlocal own, read
            read += size
            if read <= FREE:
                return
            if (self._of[key] > own and self._of[key] + size > OWN) or (
                self._all > own and self._all + size > ALL
            ):
                metrics.SHED.labels("bytes").inc()
                raise Problem(503, "many large bodies are being read already", headers={"Retry-After": "1"})
            own += size
            self._of[key] += size
            self._all += size

        try:
            yield take
        finally:
            self._all -= own
            self._of[key] -= own
            if not self._of[key]:
                del self._of[key]
