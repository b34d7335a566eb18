"""What collectors put around rows of any format: CloudWatch, Firehose, Azure's exports, pages of an API's answer."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Any

from fingerprint.traffic.documents import documents
from fingerprint.traffic.field_paths import Json
from fingerprint.traffic.formats.log_format import LogFormat
from fingerprint.traffic.messages import loaded_json

_MOST_UNPACKED = 64 << 20


def _events(batch: Json) -> list[Any]:
    """Return the rows of a CloudWatch subscription's message; an event that holds no row says when it came."""
    if batch.get("messageType") == "CONTROL_MESSAGE":
        return []
    events = batch.get("logEvents")
    if not isinstance(events, list):
        return [batch]
    return [_event(event) for event in events]


def _event(event: Any) -> Any:
    if not isinstance(event, dict):
        return event
    row = loaded_json(event.get("message"))
    return row if isinstance(row, dict) else {key: event.get(key) for key in ("id", "timestamp")}


def _insight(row: Json) -> list[Any]:
    inner = loaded_json(row["@message"])
    return [inner if isinstance(inner, dict) else row]


def _records(batch: Json) -> list[Any]:
    """Return the records of an export; of Firehose's they are packed."""
    records = batch.get("records")
    if not isinstance(records, list):
        return [batch]
    rows: list[Any] = []
    for record in records:
        data = record.get("data") if isinstance(record, dict) else None
        rows += _unpacked(data) if isinstance(data, str) else [record]
    return rows


def _unpacked(data: str) -> list[Any]:
    """Return the rows in a Firehose record's data: base64 of JSON objects, gzipped if they come from CloudWatch."""
    try:
        packed = base64.b64decode(data, validate=True)
        if packed.startswith(b"\x1f\x8b"):
            packed = zlib.decompressobj(wbits=31).decompress(packed, _MOST_UNPACKED)
    except (binascii.Error, zlib.error):
        return [data]
    return documents(packed) or [data]


def _page(page: Json) -> list[Any]:
    """Return the rows of a page, if it is one and no row of a log that has a field of this name."""
    rows = page.get("data")
    are_rows = isinstance(rows, list) and bool(rows) and all(isinstance(row, dict) for row in rows)
    return list(rows) if are_rows and isinstance(rows, list) else [page]


CLOUDWATCH = LogFormat(name="CloudWatch subscription", known_by=(("logEvents",),), split=_events)

LOGS_INSIGHTS = LogFormat(name="CloudWatch Logs Insights", known_by=(("@message",),), split=_insight)

RECORDS = LogFormat(name="exported records", known_by=(("records",),), split=_records)

PAGE = LogFormat(name="page of an API", known_by=(("data",),), split=_page)
