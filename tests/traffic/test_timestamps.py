from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.traffic.timestamps import UTC_MICROS, describe, utc_column, utc_values

NOON = datetime(2026, 3, 2, 12, 0, 0, 250_000, tzinfo=UTC)
SECONDS = 1772452800.25


@pytest.mark.parametrize(
    "value",
    [
        "2026-03-02T12:00:00.250Z",
        "2026-03-02T12:00:00.25+00:00",
        "2026-03-02 13:00:00.250+01:00",
        "2026-03-02T17:30:00.250+0530",
        "2026-03-02T12:00:00.250",
        "2026-03-02T12:00:00.250000000Z",
        "20260302T120000.250Z",
        " 2026-03-02T12:00:00.250Z ",
        "2026-03-02T12:00:00.250Z[UTC]",
        "2026-03-02T13:00:00.250+01:00[Europe/Berlin]",
        "2026-03-02T11:59:60.250Z",
        {"$date": "2026-03-02T12:00:00.250Z"},
        {"$date": {"$numberLong": "1772452800250"}},
        {"seconds": 1772452800, "nanos": 250_000_000},
        {"seconds": "1772452800", "nanos": 250_000_000},
        "1772452800.25",
        "1.77245280025e9",
        "1772452800250",
        SECONDS,
        1772452800250,
        1772452800250_000,
        1772452800250_000_000,
        "1772452800250000000",
        NOON,
        NOON.replace(tzinfo=None),
        NOON.astimezone(timezone(timedelta(hours=9))),
    ],
)
def test_one_moment_in_many_writings(value: object) -> None:
    assert utc_values([value]).to_pylist() == [NOON]
    assert utc_values([value, 17, "x", value]).to_pylist() == [NOON, None, None, NOON]
    if not isinstance(value, dict):
        assert utc_column(pa.array([value])).to_pylist() == [NOON]


@pytest.mark.parametrize(
    "value",
    [
        "Mon, 02 Mar 2026 12:00:00 GMT",
        "Mon, 02 Mar 2026 13:00:00 +0100",
        "02/Mar/2026:12:00:00 +0000",
        "2026/03/02 12:00:00",
        {"seconds": 1772452800},
    ],
)
def test_writings_without_fractions(value: object) -> None:
    assert utc_values([value]).to_pylist() == [NOON.replace(microsecond=0)]


@pytest.mark.parametrize(
    "value",
    ["", "yesterday", "2026-13-01", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00",
     "9999-12-31T23:59:59-14:00", "1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z", 0, -1, 5, 1e300, float("inf"), -0.5,
     2**63, 10**30, "9" * 19, "-1772452800", True, None, [], {}, "03/02/2026 10:00:00 AM", "2026-03-02T25:00:00Z",
     "9999-12-31T23:59:60Z", {"$date": None}, {"$date": {}}, {"$date": []}, {"seconds": "x", "nanos": 1}, {"seconds": 1.5},
     {"seconds": 1772452800, "nanos": -1}, {"seconds": 1772452800, "nanos": "x"}, "[UTC]", "1.5e99"],
)  # fmt: skip
def test_what_is_no_time_is_null(value: object) -> None:
    times = utc_values([value, NOON])
    assert times.type == UTC_MICROS
    assert times.to_pylist() == [None, NOON]


def test_columns_of_every_type() -> None:
    for column in (
        pa.array([NOON, None], pa.timestamp("ms", tz="Europe/Berlin")),
        pa.array([NOON.replace(tzinfo=None), None], pa.timestamp("ns")),
        pa.array([SECONDS, None]),
        pa.array([Decimal("1772452800.25"), None]),
        pa.array([1772452800250, None], pa.uint64()),
        pa.array(["2026-03-02T12:00:00.250Z", None]).dictionary_encode(),
    ):
        assert utc_column(column).to_pylist() == [NOON, None], column.type
    assert utc_column(pa.array([date(2026, 3, 2)])).to_pylist() == [NOON.replace(hour=0, microsecond=0)]
    assert utc_column(pa.array([[1]])).to_pylist() == [None]
    assert utc_column(pa.array([float("nan"), float("inf"), 1e300, -1.0])).null_count == 4
    assert utc_column(pa.array([], pa.large_string())).to_pylist() == []


@given(
    st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30), timezones=st.just(UTC)), st.integers(-14, 14)
)
def test_text_and_numbers_come_back_exactly(moment: datetime, hours: int) -> None:
    text = moment.astimezone(timezone(timedelta(hours=hours))).isoformat()
    micros = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    column = utc_values([text])
    assert column.to_pylist() == [moment]
    assert utc_values([text, 5])[0] == column[0]
    if micros > 10**14:  # below it, in 1973, a number of microseconds would count milliseconds
        assert utc_values([micros]).to_pylist() == [moment]


@given(st.text(st.sampled_from("0123456789-:T.Z+ "), max_size=26))
def test_a_value_is_read_the_same_alone_and_among_others(text: str) -> None:
    assert utc_values([text])[0] == utc_values([text, "x"])[0]


def test_describe_hides_what_a_user_wrote() -> None:
    assert describe("2026-02-30T00:00:00Z") == "'2026-02-30T00:00:00Z'"
    assert describe("tell me a secret") == "text of 16 characters"
    assert describe(5) == "5"
    assert describe(["x"]) == "a list"
