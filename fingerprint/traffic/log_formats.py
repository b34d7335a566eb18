"""Which kind of log a row is of, and the rows inside those objects that hold many.

What is known of each kind of log stands in a table of its own (`traffic.formats`); FORMATS states their order. A row
is of the first format whose keys it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from fingerprint.traffic.field_paths import Json, few_keys
from fingerprint.traffic.formats import (
    anthropic,
    azure,
    bedrock,
    cohere,
    collections,
    envelopes,
    gateways,
    gemini,
    helicone,
    langfuse,
    litellm,
    native,
    openai,
    opentelemetry,
    servers,
    tracers,
)
from fingerprint.traffic.formats.log_format import LogFormat

FORMATS = (
    # objects that hold many requests
    anthropic.BATCH_FILE,
    opentelemetry.EXPORT,
    opentelemetry.LOGS_EXPORT,
    envelopes.CLOUDWATCH,
    envelopes.LOGS_INSIGHTS,
    # logs
    native.ROW,
    openai.BATCH_LINE,
    helicone.EXPORT,
    anthropic.BATCH_LINE,
    litellm.PAYLOAD,
    gateways.ROW,
    gateways.KONG,
    gateways.PORTKEY,
    litellm.GCS_OBJECT,
    langfuse.OBSERVATION,
    tracers.LANGSMITH,
    tracers.MLFLOW,
    tracers.DATADOG,
    opentelemetry.SPAN,
    litellm.SPEND_LOGS,
    bedrock.INVOCATION,
    gemini.VERTEX,
    azure.LLM_LOG,
    azure.DIAGNOSTICS,
    servers.SGLANG,
    servers.SGLANG_CHAT,
    servers.VLLM,
    collections.CONVERSATION,
    # what the providers take, whoever logs it
    openai.REQUEST,
    anthropic.REQUEST,
    gemini.REQUEST,
    cohere.REQUEST,
    # whatever holds rows of any kind under a name that rows may use themselves
    envelopes.RECORDS,
    envelopes.PAGE,
)
"""The order in which a row is held against what formats are known by, and in which their paths are tried."""

FORMATS_BY_NAME = {table.name: table for table in FORMATS}

_KNOWN_BY = tuple((frozenset(keys), table) for table in FORMATS for keys in table.known_by)
_LEVELS = 6


def format_of(row: Json) -> LogFormat | None:
    """Return the format that a row's keys say it is of, None if they say nothing."""
    keys = few_keys(row)
    if keys is not None:
        return _known_by(keys)
    return next((table for needed, table in _KNOWN_BY if all(key in row for key in needed)), None)


@lru_cache(maxsize=1 << 12)
def _known_by(keys: tuple[str, ...]) -> LogFormat | None:
    for needed, table in _KNOWN_BY:
        if needed.issubset(keys):
            return table
    return None


def expand(row: Json, levels: int = _LEVELS) -> list[Any]:
    """Split an object that holds many requests (a batch file, an export, a collector's envelope) into one item each.

    Nothing comes of what a tracer saw around a model call: OTLP spans without gen_ai attributes, Langfuse
    observations of another type than GENERATION.
    """
    table = format_of(row)
    if table is None:
        return [row]
    if not table.is_request(row):
        return []
    if table.split is None:
        return [row]
    items: list[Any] = []
    for item in table.split(row):
        nested = levels > 0 and isinstance(item, dict) and item is not row and format_of(item) is not table
        items += expand(item, levels - 1) if nested else [item]
    return items


def rows_in(value: Any) -> Iterator[Any]:
    """Yield the rows that a JSON value holds: itself, or those inside an object or a list of objects."""
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        for row in value:
            yield from expand(row)
    elif isinstance(value, dict):
        yield from expand(value)
    else:
        yield value
