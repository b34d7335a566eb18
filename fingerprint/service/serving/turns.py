"""Whose turn it is among threads that work for several keys: one works at a time, and who used least time goes first."""

from __future__ import annotations

import time
from threading import Condition


class Turns:
    """Hands the turn over between keys by the seconds that each has used (start-time fair queueing; Goyal et al. 1996)."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._used: dict[str, float] = {}
        self._waiting: dict[str, int] = {}
        self._taken = False
        self._began = 0.0
        self._now = 0.0
        """The time used by whoever got the turn last: a key that comes back after a pause has no credit from before."""

    def used(self, key: str) -> float:
        """Tell what a key has used, in seconds, its pauses counted."""
        with self._changed:
            return max(self._used.get(key, 0.0), self._now)

    def take(self, key: str) -> None:
        """Wait for the turn."""
        with self._changed:
            self._used[key] = max(self._used.get(key, 0.0), self._now)
            self._waiting[key] = self._waiting.get(key, 0) + 1
            self._changed.wait_for(lambda: not self._taken and self._first() == key)
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]
            self._taken, self._began, self._now = True, time.monotonic(), self._used[key]

    def give(self, key: str) -> None:
        """Let others have the turn."""
        with self._changed:
            self._account(key)
            self._taken = False
            self._changed.notify_all()

    def others_first(self, key: str) -> None:
        """Let those go first who used less, if any wait, and come back."""
        with self._changed:
            self._account(key)
            first = self._first()
            if first is None or self._used[first] >= self._used[key]:
                return
        self.give(key)
        self.take(key)

    def _account(self, key: str) -> None:
        now = time.monotonic()
        self._used[key] += now - self._began
        self._began = now

    def _first(self) -> str | None:
        return min(self._waiting, key=self._used.__getitem__, default=None)
