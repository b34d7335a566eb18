"""Times as logs write them, turned into UTC microseconds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.traffic.rejects import json_type

UTC_MICROS = pa.timestamp("us", tz="UTC")
EXPECTED = "ISO 8601 or an epoch number, between the years 2000 and 2100, expected"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

# an epoch number's unit shows in its size: below the bound it counts s, ms, µs, ns
_UNITS = ((10**11, 1_000_000, 1), (10**14, 1_000, 1), (10**17, 1, 1), (2**63, 1, 1_000))

# shorter runs of digits are ISO 8601 basic dates
_NUMBER = re.compile(r"\d{9,19}(\.\d+)?|\d\.\d+[eE]\+?\d{1,2}")
_ZONE = re.compile(r"\[[\w/+-]{1,40}\]$")  # Java names the zone behind its offset
_LEAP_SECOND = re.compile(r"(?<=:\d\d):60(?![\d:])")
_SPELLINGS = ("%d/%b/%Y:%H:%M:%S %z", "%a, %d %b %Y %H:%M:%S %z", "%Y/%m/%d %H:%M:%S")
"""Of times in the logs of web servers, in HTTP's headers, and of programs that part dates by strokes."""
_SHOWABLE = re.compile(r"[0-9TZ:+\-., /]{1,40}")


def utc_column(column: pa.Array) -> pa.Array:
    """Turn a column of times (n,) into timestamp[us, UTC], null where a value is no time between 2000 and 2100.

    Takes timestamps, dates, ISO 8601 text (naive ones of these are UTC) and epoch numbers in s, ms, µs or ns.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return utc_column(column.dictionary_decode())
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        times = pc.cast(
            pc.cast(column, pa.timestamp("us", tz=getattr(kind, "tz", None)), safe=False), UTC_MICROS
        )
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        times = _from_numbers(column)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        times = _from_text(column)
    else:
        return pa.nulls(len(column), UTC_MICROS)
    sane = pc.and_(
        pc.greater_equal(times, pa.scalar(_EARLIEST, UTC_MICROS)),
        pc.less(times, pa.scalar(_LATEST, UTC_MICROS)),
    )
    return pc.if_else(sane, times, pa.scalar(None, UTC_MICROS))


def utc_values(values: Sequence[object]) -> pa.Array:
    """Turn text, numbers and datetimes in any mixture into timestamp[us, UTC], null for what is no time."""
    try:
        is_number = type(values[0]) in (int, float) if values else False
        column = pa.array(values) if is_number else pa.array(values, pa.large_string())
        return utc_column(column)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return utc_column(pa.array([_micros(v) for v in values], pa.int64()).cast(UTC_MICROS))


def describe(value: object) -> str:
    """Show a value that is no time, unless it might be what a user wrote."""
    if isinstance(value, str):
        return f"'{value}'" if _SHOWABLE.fullmatch(value) else f"text of {len(value)} characters"
    if isinstance(value, (int, float)):
        return str(value)
    return json_type(value)


def _from_text(column: pa.Array) -> pa.Array:
    try:
        return pc.cast(column, UTC_MICROS)
    except pa.ArrowInvalid:
        return pa.array([_micros(v) for v in column.to_pylist()], pa.int64()).cast(UTC_MICROS)


def _from_numbers(column: pa.Array) -> pa.Array:
    known = pc.is_valid(column)
    if pa.types.is_integer(column.type):
        numbers = pc.fill_null(column, 0).cast(pa.int64(), safe=False).to_numpy(zero_copy_only=False)
    else:
        numbers = pc.fill_null(column.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)
    micros = np.full(len(numbers), -1, np.int64)
    with np.errstate(invalid="ignore", over="ignore"):
        for bound, times, over in reversed(_UNITS):
            scaled = np.floor_divide(np.round(numbers * times), over).astype(np.int64)
            micros = np.where((numbers >= 0) & (numbers < bound), scaled, micros)
    return pc.if_else(known, pa.array(micros).cast(UTC_MICROS), pa.scalar(None, UTC_MICROS))


def _micros(value: object) -> int | None:
    if isinstance(value, dict):
        value = _in_object(value)
    if isinstance(value, str):
        text = value.strip()
        if _NUMBER.fullmatch(text):
            return _epoch_micros(int(text) if text.isdecimal() else float(text))
        value = _spelt(text)
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        try:
            return (aware - _EPOCH) // timedelta(microseconds=1)
        except OverflowError:
            return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _epoch_micros(value)
    return None


def _in_object(value: dict[str, object]) -> object:
    """Return the time in MongoDB's extended JSON or in a Timestamp of Protocol Buffers."""
    if "$date" in value:
        inner = value["$date"]
        return inner.get("$numberLong") if isinstance(inner, dict) else inner
    seconds = value.get("seconds")
    if not isinstance(seconds, int | str):
        return None
    nanos = value.get("nanos", value.get("nanoseconds", 0))
    return f"{seconds}.{nanos:09}" if isinstance(nanos, int) and 0 <= nanos < 10**9 else None


def _spelt(text: str) -> datetime | None:
    """Read a time in ISO 8601, or in another spelling that is clear by itself."""
    iso = _ZONE.sub("", text.removesuffix(" UTC"))  # BigQuery writes UTC behind a space
    later = timedelta(seconds=1 if _LEAP_SECOND.search(iso) else 0)
    try:
        return datetime.fromisoformat(_LEAP_SECOND.sub(":59", iso)) + later
    except (ValueError, OverflowError):
        pass
    for spelling in _SPELLINGS:
        try:
            return datetime.strptime(text.replace("GMT", "+0000"), spelling)
        except ValueError:
            continue
    return None


def _epoch_micros(number: float) -> int | None:
    for bound, times, over in _UNITS:
        if 0 <= number < bound:
            return round(number * times) // over
    return None
