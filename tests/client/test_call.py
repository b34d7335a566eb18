"""When a call is tried again, on a clock of the test's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from fingerprint.client.call import FIRST_WAIT_S, LONGEST_WAIT_S, Call, LookupFailed, retry_after_s
from fingerprint.client.options import Options


def call(retries: int, timeout_s: float = 1000.0, jitter: float = 1.0) -> Call:
    return Call(Options(retries=retries), timeout_s, clock=lambda: 0.0, jitter=lambda: jitter)


def test_waits_double_up_to_the_longest() -> None:
    tried = call(8)
    waits = [tried.broken(OSError("away")) for _ in range(8)]
    assert waits == [min(FIRST_WAIT_S * 2**n, LONGEST_WAIT_S) for n in range(8)]
    with pytest.raises(LookupFailed, match=r"OSError: away \(9 tries\)"):
        tried.broken(OSError("away"))


def test_jitter_shortens_a_wait_but_never_what_was_asked_for() -> None:
    assert call(1, jitter=0.0).broken(OSError()) == 0.0
    assert call(1, jitter=0.0).failed(503, {"retry-after": "7"}, b"") == 7.0


def test_retry_after_is_seconds_or_a_date() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=60)
    assert 55 < retry_after_s(format_datetime(soon, usegmt=True)) <= 60
    assert retry_after_s("12") == 12
    for nothing in (None, "", "-3", "soon", "１２", "Mon, 01 Jan 1990 00:00:00 GMT"):
        assert retry_after_s(nothing) == 0
