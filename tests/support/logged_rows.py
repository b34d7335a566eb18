"""A row as gateways log it, a chat, and the request that is read from such a row."""

from typing import Any

import orjson

from fingerprint.traffic.field_paths import compile_mapping
from fingerprint.traffic.requests import Request, extract
from fingerprint.traffic.row_reading import RowReading

GATEWAY = {"request_id": "r1", "account_id": "a1", "timestamp": "2026-03-02T00:00:00Z"}
PICTURE = "attachment://image/3525263018f5ef77"
"""How the picture in CHAT is read."""

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "developer", "content": [{"type": "text", "text": "Use tables."}]},
    {"role": "user", "content": "first"},
    {"role": "assistant", "content": "an answer", "refusal": None},
    {"role": "tool", "content": "a result", "tool_call_id": "t1"},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "second"},
            {"type": "image_url", "image_url": {"url": "data:…"}},
            {"type": "text", "text": "third"},
        ],
    },
]


def fields(row: dict[str, Any], **mapping: str) -> Request:
    return extract(row, RowReading(compile_mapping(mapping)))


def metadata(request: Request) -> Any:
    return None if request.metadata is None else orjson.loads(request.metadata)
