"""Whose turn it is among threads that work for several keys: one works at a time, and who used least time goes first."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Condition

Place = tuple[float, int]
"""A job's place among those of its key, the lowest first; of no two jobs the same."""


class Turns:
    """Hands the turn over between keys by the seconds that each has used (start-time fair queueing; Goyal et al. 1996)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = Condition()
        self._used: dict[str, float] = {}
        self._waiting: dict[str, list[Place]] = {}
        self._taken = False
        self._began = 0.0
        self._now = 0.0
        """The time used by whoever got the turn last: a key that comes back after a pause has no credit from before."""

    def used(self, key: str) -> float:
        """Tell what a key has used, in seconds, its pauses counted."""
        with self._changed:
            return max(self._used.get(key, 0.0), self._now)

    def take(self, key: str, place: Place) -> None:
        """Wait for the turn."""
        with self._changed:
            self._used[key] = max(self._used.get(key, 0.0), self._now)
            self._waiting.setdefault(key, []).append(place)
            self._changed.wait_for(lambda: not self._taken and self._first() == (key, place))
            self._waiting[key].remove(place)
            if not self._waiting[key]:
                del self._waiting[key]
            self._taken, self._began, self._now = True, self._clock(), self._used[key]

    def give(self, key: str) -> None:
        """Let others have the turn."""
        with self._changed:
            self._account(key)
            self._taken = False
            self._changed.notify_all()

    def others_first(self, key: str, place: Place) -> None:
        """Let those go first, if any wait, whose key used less, or who go before among those of this key; and come back."""
        with self._changed:
            self._account(key)
            first = self._first()
            if first is None:
                return
            other, before = first
            if before > place if other == key else self._used[other] >= self._used[key]:
                return
        self.give(key)
        self.take(key, place)

    def _account(self, key: str) -> None:
        now = self._clock()
        self._used[key] += now - self._began
        self._began = now

    def _first(self) -> tuple[str, Place] | None:
        key = min(self._waiting, key=self._used.__getitem__, default=None)
        return None if key is None else (key, min(self._waiting[key]))
