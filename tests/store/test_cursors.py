"""Cursors survive the way through a URL, and nothing else is one."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.domain.errors import UsageError
from fingerprint.store.cursors import Cursor

RANKS = st.floats(allow_nan=False, allow_infinity=False)
IDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
TIMES = st.none() | st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=2))]))


@given(RANKS, IDS, TIMES)
def test_a_cursor_is_read_as_it_was_written(rank: float, row_id: str, as_of: datetime | None) -> None:
    cursor = Cursor(rank, row_id, as_of)
    assert Cursor.read(str(cursor)) == cursor
    assert str(cursor).replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "content",
    [
        ["a", "b"],
        [1],
        [1, 2],
        [1, "a\0"],
        [float("nan"), "a"],
        [float("inf"), "a"],
        {"rank": 1},
        [1, "a", "2026-03-02T00:00:00"],
        [1, "a", "yesterday"],
        [1, "a", 3],
        [10**400, "a"],
    ],
)
def test_what_was_never_written_is_refused(content: object) -> None:
    text = base64.urlsafe_b64encode(json.dumps(content).encode()).decode()
    with pytest.raises(UsageError, match="a cursor of an earlier page expected"):
        Cursor.read(text)


@given(st.text(max_size=50))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        cursor = Cursor.read(text)
    except UsageError:
        return
    assert isinstance(cursor, Cursor)
