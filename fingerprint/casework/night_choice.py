"""Which night is meant, and what is odd about it beside the nights before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

from fingerprint.domain.errors import NotFound, UsageError
from fingerprint.domain.results import NightReport, TrafficWarning

LONG_GAP, LATE = timedelta(hours=12), timedelta(hours=48)
"""Time without traffic between two nights, and between a night's traffic and its work, that is warned of."""

MANY_REJECTED, TIMES_BEFORE = 0.05, 2.0
"""Share of rejected rows that is warned of, where it is so many times that of the nights before."""


def number_of(nights: Sequence[NightReport], typed: str | None) -> int:
    """Return the place of a night among the nights, oldest first: None is the last one.

    typed: its number from 1 on, the day of its traffic as YYYY-MM-DD, or the beginning of its id. Raises NotFound where
    there is none, UsageError where several are meant.
    """
    if not nights:
        raise NotFound("no night is stored yet; `fingerprint nightly TRAFFIC` works one")
    if typed is None:
        return len(nights) - 1
    if re.fullmatch(r"\d{1,5}", typed) and 1 <= int(typed) <= len(nights):
        return int(typed) - 1
    meant = [
        place
        for place, night in enumerate(nights)
        if night.batch_id.startswith(typed) or typed in days_of(night)
    ]
    if not typed or not meant:
        raise NotFound(
            f"no night {typed}: a number from 1 to {len(nights)}, a day, or the beginning of an id expected"
        )
    if len(meant) > 1:
        numbers = ", ".join(str(place + 1) for place in meant)
        raise UsageError(f"{typed} is said of several nights: give one of the numbers {numbers}")
    return meant[0]


def days_of(night: NightReport) -> tuple[str, ...]:
    """Return the UTC days of a night's traffic, YYYY-MM-DD; none where that was not stored."""
    if night.first_request is None or night.last_request is None:
        return ()
    first, last = night.first_request.date(), night.last_request.date()
    return tuple((first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1))


def warnings_of(night: NightReport, earlier: Sequence[NightReport]) -> tuple[TrafficWarning, ...]:
    """Return what was odd when the night was read, and what is odd beside the nights before it."""
    out = list(night.ingest.warnings)
    share, before = _rejected([night]), _rejected(earlier)
    if share > MANY_REJECTED and share > TIMES_BEFORE * before:
        usual = f", {before:.1%} on the nights before" if earlier else ""
        out.append(TrafficWarning("many_rejected", f"{share:.1%} of the rows were rejected{usual}"))
    previous = earlier[-1].last_request if earlier else None
    if previous is not None and night.first_request is not None and night.first_request - previous > LONG_GAP:
        words = f"nothing was read of the time from {previous:%Y-%m-%d %H:%M} to {night.first_request:%Y-%m-%d %H:%M} UTC"
        out.append(TrafficWarning("gap", words))
    if night.last_request is not None and night.started - night.last_request > LATE:
        days = (night.started - night.last_request) / timedelta(days=1)
        out.append(
            TrafficWarning("late", f"the last request was {days:,.0f} days old when the night was worked")
        )
    return tuple(out)


def _rejected(nights: Sequence[NightReport]) -> float:
    rows = sum(n.ingest.rows_read for n in nights)
    return sum(n.ingest.rejected for n in nights) / rows if rows else 0.0
