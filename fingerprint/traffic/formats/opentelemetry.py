"""Spans and log records of model calls as OpenTelemetry writes them, one a row or an OTLP JSON export of many.

Read are its own conventions for generative AI, old and new, and those of OpenLLMetry and OpenInference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fingerprint.traffic.field_paths import Json, value_at
from fingerprint.traffic.formats.log_format import LogFormat

_NO_CHAT = ("execute_tool", "create_agent", "embeddings")
_INPUT = "gen_ai.input.messages"
_NUMBERED = ("gen_ai.prompt", "llm.input_messages", "llm.prompts", "llm.request.functions", "llm.tools")
_MOST_NUMBERED = 100_000
_ROLES = {f"gen_ai.{role}.message": role for role in ("system", "user", "assistant", "tool")}


def _spans(export: Json) -> list[Any]:
    if not isinstance(export.get("resourceSpans"), list):
        return [export]
    return list(_model_calls(export))


def _model_calls(export: Json) -> Iterator[Json]:
    """Yield the spans of model calls, each with its resource's and its own attributes and its events'."""
    for shared, span in _inside(export, "resourceSpans", "scopeSpans", "spans"):
        own = _attributes(span.get("attributes"))
        events = [
            {"name": event.get("name"), "attributes": _attributes(event.get("attributes"))}
            for event in _objects(span.get("events"))
        ]
        row = {key: span.get(key) for key in ("spanId", "startTimeUnixNano")}
        row |= {"attributes": {**shared, **own}, "events": events}
        if _is_of_model(own, events) and _is_chat(row):
            yield row


def _records(export: Json) -> list[Any]:
    """Return the log records of model calls; those that are one message each are joined to their call's."""
    if not isinstance(export.get("resourceLogs"), list):
        return [export]
    calls: dict[object, Json] = {}
    for shared, record in _inside(export, "resourceLogs", "scopeLogs", "logRecords"):
        own = _attributes(record.get("attributes"))
        body = record.get("body")
        said = _any_value(body, 10) if isinstance(body, dict) and body else None
        name = record.get("eventName") or own.get("event.name")
        if not isinstance(name, str) or not name.startswith("gen_ai.") or name == "gen_ai.choice":
            continue
        call = (str(record.get("traceId")), str(record.get("spanId")))
        row = calls.setdefault(call, {"spanId": record.get("spanId"), "attributes": {}, "events": []})
        row.setdefault("startTimeUnixNano", record.get("timeUnixNano") or record.get("observedTimeUnixNano"))
        if isinstance(said, dict):
            own = {**said, **own}
        row["attributes"] |= {**shared, **own}
        row["events"].append({"name": name, "attributes": own})
    return list(calls.values())


def _inside(export: Json, resources: str, scopes: str, items: str) -> Iterator[tuple[Json, Json]]:
    """Yield what an export holds, each with its resource's attributes."""
    for resource in _objects(export.get(resources)):
        shared = _attributes(value_at(resource, ("resource", "attributes")))
        for scope in _objects(resource.get(scopes)):
            for item in _objects(scope.get(items)):
                yield shared, item


def _is_of_model(attributes: Json, events: list[Json]) -> bool:
    if attributes.get("openinference.span.kind") == "LLM":
        return True
    names = [*attributes, *(str(event["name"]) for event in events)]
    return any(name.startswith("gen_ai.") for name in names)


def _is_chat(span: Json) -> bool:
    """Tell whether a span is a call that a model answers with text."""
    attributes = span.get("attributes")
    inside = attributes if isinstance(attributes, dict) else {}
    kind = span.get("span_kind") or inside.get("openinference.span.kind") or "LLM"
    if kind in ("CHAIN", "TOOL", "AGENT", "RETRIEVER", "EMBEDDING", "RERANKER", "GUARDRAIL", "EVALUATOR"):
        return False
    return inside.get("gen_ai.operation.name") not in _NO_CHAT


def _gathered(span: Json) -> list[Any]:
    """Return a span whose messages, written as many attributes or as events, stand in attributes as lists."""
    own = span.get("attributes")
    attributes = dict(own) if isinstance(own, dict) else {}
    attributes |= {key[11:]: value for key, value in span.items() if key.startswith("attributes.")}
    for prefix in _NUMBERED:
        if prefix not in attributes:
            found = _numbered(attributes, prefix) or value_at(attributes, tuple(prefix.split(".")))
            if found:
                attributes[prefix] = found
    for event in _objects(span.get("events")):
        _add_event(attributes, event)
    model = value_at(attributes, ("llm", "model_name"))
    if model is not None:
        attributes.setdefault("llm.model_name", model)
    if any(attributes.get(key) for key in ("llm.input_messages", _INPUT, "gen_ai.prompt")):
        attributes.pop("input.value", None)
    elif isinstance(attributes.get("input"), dict):
        attributes.setdefault("input.value", attributes["input"].get("value"))
    return [{**span, "attributes": attributes, "events": None}]


def _numbered(attributes: Json, prefix: str) -> list[Any]:
    """Turn `prefix.0.role`, `prefix.0.content` and so on into a list of objects, keys below the number as they are."""
    items: dict[int, Json] = {}
    start = prefix + "."
    for key, value in attributes.items():
        if key.startswith(start):
            number, _, name = key[len(start) :].partition(".")
            if number.isdecimal() and len(number) < 7:
                items.setdefault(int(number), {})[name] = value
    return [_with_parts(items[n]) for n in sorted(items)[:_MOST_NUMBERED]]


def _with_parts(item: Json) -> Json:
    """Gather an OpenInference message's `message.contents.0.message_content.text` and so on in a list."""
    if any(key.startswith("message.contents.") for key in item):
        parts = _numbered(item, "message.contents")
        return {**item, "message.content": parts}
    return item


def _add_event(attributes: Json, event: Json) -> None:
    """Take up an event that has a prompt, or one message of it."""
    name, own = event.get("name"), event.get("attributes")
    if not isinstance(own, dict):
        return
    if name in ("gen_ai.content.prompt", "gen_ai.client.inference.operation.details"):
        for key, value in own.items():
            attributes.setdefault(key, value)
    elif name in _ROLES and own.get("content") is not None:
        messages = attributes.setdefault(_INPUT, [])
        if isinstance(messages, list):
            messages.append({"role": own.get("role") or _ROLES[name], "content": own["content"]})


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

LOGS_EXPORT = LogFormat(name="OTLP logs export", known_by=(("resourceLogs",),), split=_records)

SPAN = LogFormat(
    name="OpenTelemetry span",
    known_by=(
        ("spanId", "attributes"),
        ("attributes", "context"),
        ("context.span_id", "start_time"),
    ),
    split=_gathered,
    is_request=_is_chat,
    wrappers=("attributes",),
    # Langfuse's own instrumentation writes the second, OpenLLMetry and older conventions the third, OpenInference the rest
    texts=(
        _INPUT,
        "langfuse.observation.input",
        "gen_ai.prompt",
        "llm.input_messages",
        "llm.prompts",
        "input.value",
    ),
    systems=("gen_ai.system_instructions",),
    tools=("gen_ai.tool.definitions", "llm.request.functions", "llm.tools"),
    parameters=("llm.invocation_parameters",),
    request_id=("spanId", "context.span_id"),
    end_user=(
        "user.id",
        "enduser.id",
        "user_id",
        "traceloop.association.properties.user_id",
        "langfuse.user.id",
    ),
    timestamp=("start_time", "startTimeUnixNano"),
    model=("gen_ai.request.model", "llm.model_name"),
    metadata={"ip_prefix": ("client.address",), "user_agent": ("user_agent.original",)},
)
