"""Wrong keys at log-in: after a few of them an address waits."""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock

from fingerprint.service.http.problems import Problem

WRONG = 10
"""Wrong keys that an address may try within WINDOW_S."""

WINDOW_S = 60.0

REMEMBERED = 10_000
"""Addresses that are remembered; those that began longest ago are forgotten first."""


class Logins:
    """Counts the wrong keys of each address; safe to use from several threads."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._guard = Lock()

    def admit(self, address: str) -> None:
        """Raise Problem 429 for an address that tried too many wrong keys."""
        with self._guard:
            began, count = self._wrong.get(address, (0.0, 0))
        left = began + WINDOW_S - time.monotonic()
        if count >= WRONG and left > 0:
            raise Problem(
                429, "too many wrong keys: wait a minute", headers={"Retry-After": str(int(left) + 1)}
            )

    def failed(self, address: str) -> None:
        """Count a wrong key."""
        now = time.monotonic()
        with self._guard:
            began, count = self._wrong.get(address, (now, 0))
            if now - began > WINDOW_S:
                began, count = now, 0
                self._wrong.pop(address, None)
            self._wrong[address] = (began, count + 1)
            while len(self._wrong) > REMEMBERED:
                self._wrong.popitem(last=False)
