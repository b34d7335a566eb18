"""Requests are read from what tracers write: OpenTelemetry old and new, OpenLLMetry, OpenInference, Langfuse, LangSmith, MLflow, Datadog."""

from typing import Any

import orjson
import pytest
from support.logged_rows import fields

from fingerprint.traffic.log_formats import expand, rows_in
from fingerprint.traffic.requests import Request

SYSTEM, USER = "Answer in rhyme.", "Why do cranes fly in a wedge?"
CHAT = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": USER}]
NANOS = "1772445600000000000"


def dumped(value: object) -> str:
    return orjson.dumps(value).decode()


def pairs(attributes: dict[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]


def export(attributes: dict[str, str], events: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    span = {"traceId": "t1", "spanId": "s1", "startTimeUnixNano": NANOS, "events": events or []}
    span["attributes"] = pairs({"user.id": "u1", **attributes})
    resource = {"attributes": pairs({"service.name": "shop"})}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}


def only(value: object) -> Request:
    (row,) = rows_in(value)
    return fields(row)


def says(request: Request) -> tuple[str, str, str | None, str]:
    return request.request_id, request.account_id, request.system, request.prompt


def test_messages_as_events_of_a_span() -> None:
    events = [
        {"name": "gen_ai.system.message", "attributes": pairs({"content": SYSTEM})},
        {"name": "gen_ai.user.message", "attributes": pairs({"content": USER})},
        {"name": "gen_ai.choice", "attributes": pairs({"content": "They save strength."})},
    ]
    assert says(only(export({"gen_ai.system": "openai"}, events))) == ("s1", "u1", SYSTEM, USER)
    prompt = [{"name": "gen_ai.content.prompt", "attributes": pairs({"gen_ai.prompt": dumped(CHAT)})}]
    assert says(only(export({"gen_ai.system": "openai"}, prompt))) == ("s1", "u1", SYSTEM, USER)


def log_record(name: str, **more: Any) -> dict[str, Any]:
    return {"timeUnixNano": NANOS, "traceId": "t1", "spanId": "s1", "eventName": name, **more}


def test_messages_as_log_records() -> None:
    def exported(*records: dict[str, Any]) -> dict[str, Any]:
        resource = {"attributes": pairs({"user.id": "u1"})}
        return {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": list(records)}]}]}

    parts = [{"role": "user", "parts": [{"type": "text", "content": USER}]}]
    told = [{"type": "text", "content": SYSTEM}]
    attributes = {"gen_ai.input.messages": dumped(parts), "gen_ai.system_instructions": dumped(told)}
    details = log_record("gen_ai.client.inference.operation.details", attributes=pairs(attributes))
    assert says(only(exported(details))) == ("s1", "u1", SYSTEM, USER)

    def body(text: str) -> dict[str, Any]:
        return {"kvlistValue": {"values": pairs({"content": text})}}

    older = exported(
        log_record("gen_ai.system.message", body=body(SYSTEM)),
        log_record("gen_ai.user.message", body=body(USER)),
        log_record("gen_ai.choice", body=body("They save strength.")),
        log_record("http.request", body=body("GET /")),
    )
    assert says(only(older)) == ("s1", "u1", SYSTEM, USER)


def test_openllmetry_numbers_its_attributes() -> None:
    attributes = {
        "gen_ai.prompt.0.role": "system",
        "gen_ai.prompt.0.content": SYSTEM,
        "gen_ai.prompt.1.role": "user",
        "gen_ai.prompt.1.content": USER,
        "gen_ai.completion.0.content": "They save strength.",
        "llm.request.functions.0.name": "look_up",
        "llm.request.functions.0.description": "Looks up a bird.",
    }
    got = only(export(attributes))
    assert says(got) == ("s1", "u1", f"look_up\nLooks up a bird.\n{SYSTEM}", USER)


INFERRED = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "m-1",
    "input.value": dumped({"messages": CHAT}),
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": SYSTEM,
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.contents.0.message_content.type": "text",
    "llm.input_messages.1.message.contents.0.message_content.text": USER,
    "llm.invocation_parameters": dumped({"temperature": 0.5}),
}


def test_openinference_in_an_export_a_data_frame_and_an_object() -> None:
    got = only(export(INFERRED))
    assert says(got) == ("s1", "u1", SYSTEM, USER)
    assert got.model == "m-1"
    assert got.facts[1] == 0.5
    assert list(rows_in(export({**INFERRED, "openinference.span.kind": "CHAIN"}))) == []
    frame = {
        "context.span_id": "s1",
        "start_time": "2026-03-02T10:00:00Z",
        "span_kind": "LLM",
        "attributes.user.id": "u1",
        "attributes.llm.input_messages": [{"message.role": "user", "message.content": USER}],
        "attributes.input.value": USER,
    }
    assert says(only(frame)) == ("s1", "u1", None, USER)
    assert expand({**frame, "span_kind": "RETRIEVER"}) == []
    nested = {
        "context": {"span_id": "s1"},
        "start_time": "2026-03-02T10:00:00Z",
        "attributes": {
            "user": {"id": "u1"},
            "llm": {"input_messages": [{"message": {"role": "user", "content": USER}}], "model_name": "m-1"},
            "input": {"value": USER},
        },
    }
    assert says(only(nested)) == ("s1", "u1", None, USER)
    only_value = {
        **frame,
        "attributes.llm.input_messages": None,
        "attributes.input.value": dumped({"input": USER}),
    }
    assert says(only(only_value)) == ("s1", "u1", None, USER)


OBSERVED = {"id": "o1", "trace_id": "t1", "project_id": "p1", "start_time": "2026-03-02 10:00:00.250"}


def test_langfuse_blobs_name_the_user_before_the_project_and_only_generations_are_requests() -> None:
    row = {**OBSERVED, "type": "GENERATION", "user_id": "u1", "input": dumped(CHAT)}
    assert says(only(row)) == ("o1", "u1", SYSTEM, USER)
    assert only({**row, "user_id": None}).account_id == "p1"
    assert expand({**row, "type": "SPAN"}) == expand({**row, "type": "TOOL"}) == []


@pytest.mark.parametrize(
    "value",
    [
        {"input": USER},
        dumped({"input": USER}),
        dumped([{"role": "user", "content": USER}, {"type": "function_call_output", "output": "42"}]),
        {"args": [], "kwargs": {"messages": [{"role": "user", "content": USER}]}},
        {"messages": [{"role": "user", "content": USER}], "tools": []},
    ],
)
def test_langfuse_inputs_of_any_shape(value: object) -> None:
    row = {"id": "o1", "traceId": "t1", "startTime": "2026-03-02T10:00:00Z", "userId": "u1", "input": value}
    assert says(only(row)) == ("o1", "u1", None, USER)


RUN = {"id": "run-1", "run_type": "llm", "start_time": "2026-03-02T10:00:00.25"}


@pytest.mark.parametrize(
    "inputs",
    [
        {"messages": CHAT},
        dumped({"messages": CHAT}),
        {
            "messages": [
                [
                    {"lc": 1, "id": ["langchain", "schema", "SystemMessage"], "kwargs": {"content": SYSTEM}},
                    {"lc": 1, "id": ["langchain", "schema", "HumanMessage"], "kwargs": {"content": USER}},
                    {"lc": 1, "id": ["langchain", "schema", "AIMessage"], "kwargs": {"content": "no"}},
                ]
            ]
        },
        {"messages": [{"type": "system", "content": SYSTEM}, {"type": "human", "data": {"content": USER}}]},
    ],
)
def test_langsmith_runs(inputs: object) -> None:
    row = {**RUN, "extra": {"metadata": {"user_id": "u1"}}, "inputs": inputs}
    assert says(only(row)) == ("run-1", "u1", SYSTEM, USER)
    assert expand({**row, "run_type": "chain"}) == []


def test_mlflow_traces_and_datadog_spans() -> None:
    older = {
        "info": {"request_id": "tr-1", "timestamp_ms": 1, "request_metadata": {"mlflow.trace.user": "u1"}},
        "data": {"spans": [{"attributes": {"mlflow.spanInputs": dumped({"messages": CHAT})}}]},
    }
    newer = {
        "trace_id": "tr-1",
        "request_time": 1772445600000,
        "trace_metadata": {"mlflow.trace.user": "u1"},
        "request": dumped({"messages": CHAT}),
    }
    for trace in (older, newer):
        assert says(only(trace)) == ("tr-1", "u1", SYSTEM, USER)
    span = {
        "span_id": "7",
        "start_ns": int(NANOS),
        "tags": ["env:live", "user_id:u1"],
        "meta": {"kind": "llm", "model_name": "m-1", "input": {"messages": CHAT}},
    }
    assert says(only(span)) == ("7", "u1", SYSTEM, USER)
    assert expand({**span, "meta": {"kind": "tool", "input": {"value": "x"}}}) == []
