"""A row as gateways log it, a chat, and the request that is read from such a row."""

from typing import Any

import orjson

from fingerprint.domain.schemas import SECTION_MARK
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
    """Read a row, its texts without the marks of sections, which have tests of their own."""
    request = extract(row, RowReading(compile_mapping(mapping)))
    return request._replace(
        system=request.system and unmarked(request.system), prompt=unmarked(request.prompt)
    )


def unmarked(text: str) -> str:
    """Return a text without the marks of sections."""
    return text.replace(SECTION_MARK, "")


def metadata(request: Request) -> Any:
    return None if request.metadata is None else orjson.loads(request.metadata)
