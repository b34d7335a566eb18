"""Spans of OpenTelemetry's conventions for generative AI: one a row, or an OTLP JSON export of many."""

from collections.abc import Iterator
from typing import Any

from fingerprint.traffic.field_paths import Json, value_at
from fingerprint.traffic.formats.log_format import LogFormat


def _spans(export: Json) -> list[Any]:
    if not isinstance(export.get("resourceSpans"), list):
        return [export]
    return list(_model_calls(export))


def _model_calls(export: Json) -> Iterator[Json]:
    """Yield the spans that have gen_ai attributes, each with its resource's and its own attributes."""
    for resource in _objects(export.get("resourceSpans")):
        shared = _attributes(value_at(resource, ("resource", "attributes")))
        for scope in _objects(resource.get("scopeSpans")):
            for span in _objects(scope.get("spans")):
                own = _attributes(span.get("attributes"))
                if any(key.startswith("gen_ai.") for key in own):
                    times = {key: span.get(key) for key in ("spanId", "startTimeUnixNano")}
                    yield {**times, "attributes": {**shared, **own}}


def _objects(value: object) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _attributes(pairs: object, depth: int = 10) -> Json:
    """Turn OTLP's [{"key": k, "value": {"stringValue": v}}] into {k: v}."""
    attributes = {}
    for pair in _objects(pairs):
        value = pair.get("value")
        if isinstance(pair.get("key"), str) and isinstance(value, dict):
            attributes[pair["key"]] = _any_value(value, depth)
    return attributes


def _any_value(value: Json, depth: int) -> Any:
    kind, inner = next(iter(value.items()), ("", None))
    if kind == "kvlistValue" and depth:
        return _attributes(value_at(inner, ("values",)), depth - 1)
    if kind == "arrayValue" and depth:
        return [_any_value(item, depth - 1) for item in _objects(value_at(inner, ("values",)))]
    return inner


EXPORT = LogFormat(name="OTLP export", known_by=(("resourceSpans",),), split=_spans)

SPAN = LogFormat(
    name="OpenTelemetry span",
    known_by=(("spanId", "attributes"), ("attributes", "context")),
    wrappers=("attributes",),
    # the second is what Langfuse's own instrumentation writes, the last one that the conventions have given up
    texts=("gen_ai.input.messages", "langfuse.observation.input", "gen_ai.prompt"),
    systems=("gen_ai.system_instructions",),
    request_id=("spanId", "context.span_id"),
    end_user=("user.id", "enduser.id", "user_id"),
    timestamp=("start_time", "startTimeUnixNano"),
    model=("gen_ai.request.model",),
    metadata={"ip_prefix": ("client.address",), "user_agent": ("user_agent.original",)},
)
