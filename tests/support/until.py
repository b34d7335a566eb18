"""Waiting for what other threads and processes do, as long as a busy machine may need."""

from __future__ import annotations

import time
from collections.abc import Callable

WAIT_S = 60


def until(holds: Callable[[], object], seconds: float = WAIT_S, *, pause_s: float = 0.002) -> None:
    """Return as soon as it holds; fails the test where it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not so after {seconds} s"
        time.sleep(pause_s)
