"""Requests as Anthropic's Messages API takes them, its batch files, and lines of such."""

from typing import Any

from fingerprint.traffic.field_paths import Json
from fingerprint.traffic.formats.log_format import LogFormat


def _batched(batch: Json) -> list[Any]:
    """Return the requests of a batch, each with what the batch says beside them."""
    requests = batch.get("requests")
    if not isinstance(requests, list) or "messages" in batch:
        return [batch]
    around = {key: value for key, value in batch.items() if key != "requests"}
    return [{**around, **item} if isinstance(item, dict) else item for item in requests]


BATCH_FILE = LogFormat(name="Anthropic batch file", known_by=(("requests",),), split=_batched)

BATCH_LINE = LogFormat(
    name="Anthropic batch line",
    known_by=(("custom_id", "params"),),
    wrappers=("params",),
    request_id=("custom_id",),
    lacks=("account_id", "timestamp"),
    file_ids=True,
)

REQUEST = LogFormat(
    name="Anthropic request",
    texts=("messages",),
    systems=("system",),
    tools=("tools",),
    end_user=("metadata.user_id",),
)
