from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support.stored_nights import NOON, make_night

from fingerprint.casework.night_choice import number_of, warnings_of
from fingerprint.domain.errors import NotFound, UsageError
from fingerprint.domain.results import NightReport, TrafficWarning

DAY = timedelta(days=1)


def night(number: int, batch_id: str, rejected: int = 0) -> NightReport:
    made = make_night(batch_id, started=NOON + number * DAY)
    begin = NOON + (number - 1) * DAY
    ingest = replace(made.ingest, rows_read=100, accepted=100 - rejected, rejected=rejected, warnings=())
    return replace(made, ingest=ingest, first_request=begin, last_request=begin + timedelta(hours=20))


NIGHTS = [night(0, "aa10"), night(1, "aa20"), night(2, "bb30")]


def test_a_night_is_named_by_number_day_or_id() -> None:
    assert [number_of(NIGHTS, typed) for typed in (None, "1", "3", "bb", "aa2")] == [2, 0, 2, 2, 1]
    day = (NOON - DAY).date().isoformat()
    assert number_of(NIGHTS, day) == 0
    with pytest.raises(UsageError, match="aa is said of several nights: give one of the numbers 1, 2"):
        number_of(NIGHTS, "aa")
    for typed in ("0", "4", "zz", ""):
        with pytest.raises(NotFound, match="a number from 1 to 3, a day, or the beginning of an id expected"):
            number_of(NIGHTS, typed)
    with pytest.raises(NotFound, match="no night is stored yet"):
        number_of([], None)


def kinds(found: tuple[TrafficWarning, ...]) -> list[str]:
    return [warning.kind for warning in found]


def test_a_usual_night_has_no_warnings_but_those_of_its_reading() -> None:
    assert warnings_of(NIGHTS[2], NIGHTS[:2]) == ()
    odd = TrafficWarning("one_account", "one account sent 95% of the requests")
    read = replace(NIGHTS[2], ingest=replace(NIGHTS[2].ingest, warnings=(odd,)))
    assert warnings_of(read, NIGHTS[:2]) == (odd,)


def test_time_that_nobody_read_and_traffic_of_long_ago_are_told() -> None:
    later = replace(NIGHTS[1], first_request=NOON + 3 * DAY, last_request=NOON + 4 * DAY)
    [warning] = warnings_of(later, NIGHTS[:1])
    assert warning.kind == "gap"
    assert "2026-" in warning.words
    assert kinds(warnings_of(replace(later, started=NOON + 9 * DAY), NIGHTS[:1])) == ["gap", "late"]
    unknown = replace(NIGHTS[0], first_request=None, last_request=None)
    assert warnings_of(NIGHTS[1], [unknown]) == ()


def test_many_rejected_rows_are_told_where_they_are_more_than_before() -> None:
    many = night(2, "cc", rejected=12)
    [warning] = warnings_of(many, NIGHTS[:2])
    assert warning.words == "12.0% of the rows were rejected, 0.0% on the nights before"
    assert warnings_of(many, [night(0, "a", rejected=10), night(1, "b", rejected=9)]) == ()
