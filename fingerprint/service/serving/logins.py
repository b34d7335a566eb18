"""Wrong keys at log-in: after a few of them for one key from one address, that key waits there."""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock

from fingerprint.service.http.problems import Problem
from fingerprint.store import api_keys

WRONG = 10
"""Wrong secrets that an address may try for one key within WINDOW_S."""

WINDOW_S = 60.0

REMEMBERED = 10_000
"""Pairs of address and key that are remembered; those that began longest ago are forgotten first."""


class Logins:
    """Counts the wrong keys by address and by the id that they name; safe to use from several threads.

    Analysts may share an address, that of a proxy or of an office: who mistypes makes nobody else wait.
    """

    def __init__(self) -> None:
        self._wrong: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()
        self._guard = Lock()

    def admit(self, address: str, key: str) -> None:
        """Raise Problem 429 where too many wrong ones of this key's id, or of no id, came from an address."""
        with self._guard:
            began, count = self._wrong.get(_who(address, key), (0.0, 0))
        left = began + WINDOW_S - time.monotonic()
        if count >= WRONG and left > 0:
            raise Problem(
                429, "too many wrong keys: wait a minute", headers={"Retry-After": str(int(left) + 1)}
            )

    def failed(self, address: str, key: str) -> None:
        """Count a wrong key."""
        now, who = time.monotonic(), _who(address, key)
        with self._guard:
            began, count = self._wrong.get(who, (now, 0))
            if now - began > WINDOW_S:
                began, count = now, 0
                self._wrong.pop(who, None)
            self._wrong[who] = (began, count + 1)
            while len(self._wrong) > REMEMBERED:
                self._wrong.popitem(last=False)


def _who(address: str, key: str) -> tuple[str, str]:
    return address, api_keys.id_in(key) or ""
