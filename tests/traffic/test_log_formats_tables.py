"""The tables of log formats: a row is of the first whose keys it has, whose paths are then tried before others'."""

from typing import Any

import pytest
from support.logged_rows import CHAT, GATEWAY, fields

from fingerprint.traffic.field_paths import META_FIELDS, compile_path
from fingerprint.traffic.log_formats import FORMATS, format_of

ROWS: dict[str, dict[str, Any]] = {
    "Anthropic batch file": {"requests": [{"custom_id": "c1", "params": {}}]},
    "OTLP export": {"resourceSpans": []},
    "OTLP logs export": {"resourceLogs": []},
    "CloudWatch subscription": {"messageType": "DATA_MESSAGE", "logEvents": []},
    "CloudWatch Logs Insights": {"@timestamp": "2026-03-02 00:00:00.000", "@message": "{}"},
    "OpenAI batch file": {"custom_id": "c-1", "method": "POST", "body": {"messages": CHAT}},
    "Helicone export": {"request_created_at": "2026-03-02T00:00:00Z", "request_body": {"messages": CHAT}},
    "Anthropic batch line": {"custom_id": "c1", "params": {"messages": CHAT}},
    "LiteLLM payload": {"id": "chatcmpl-1", "call_type": "acompletion", "startTime": 1767225600.25},
    "Kong log": {"client_ip": "203.0.113.9", "started_at": 1767225600250, "request": {}},
    "Portkey log": {"id": "p1", "ai_org": "openai", "request": {"body": {}}},
    "LiteLLM GCS object": {"request_kwargs": {"messages": CHAT}, "response_obj": {"id": "chatcmpl-1"}},
    "Langfuse observations": {"id": "o1", "traceId": "t1", "startTime": "2026-03-02T00:00:00Z"},
    "LangSmith run": {"id": "run-1", "run_type": "llm", "inputs": {}},
    "MLflow trace": {"trace_id": "tr-1", "trace_metadata": {}, "request": "{}"},
    "Datadog LLM span": {"span_id": "1", "start_ns": 1767225600250000000, "meta": {}},
    "OpenTelemetry span": {"context": {"span_id": "s1"}, "attributes": {"user.id": "u1"}},
    "LiteLLM spend logs": {"request_id": "r", "api_key": "h", "startTime": "2026-03-02 00:00:00+00"},
    "Bedrock invocation log": {"schemaType": "ModelInvocationLog", "modelId": "m"},
    "Vertex AI request log": {"full_request": {}, "logging_time": "2026-03-02 00:00:00 UTC"},
    "Azure APIM LLM log": {"CorrelationId": "c", "RequestMessages": CHAT},
    "Azure diagnostics": {"category": "GatewayLogs", "properties": {}},
    "SGLang request log": {"rid": "r-1", "obj": {"text": "x"}},
    "SGLang log of chats": {"line": "line 7", "timestamp": "2026-03-02 10:00:00", "obj": {"messages": CHAT}},
    "vLLM request log": {"received_request": "cmpl-1", "prompt": "x"},
    "collection of conversations": {"conversation_hash": "h", "conversation": CHAT},
    "exported records": {"records": []},
    "page of an API": {"data": [], "meta": {}},
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_known_by_its_keys(name: str) -> None:
    known = format_of(ROWS[name])
    assert known is not None
    assert known.name == name


def test_every_format_that_can_be_known_is_tried_above() -> None:
    assert [table.name for table in FORMATS if table.known_by] == list(ROWS)
    assert format_of({**GATEWAY, "prompt": "p"}) is None
    assert format_of({**GATEWAY, "messages": CHAT}) is None


def test_names_differ_and_paths_can_be_followed() -> None:
    assert len({table.name for table in FORMATS}) == len(FORMATS)
    for table in FORMATS:
        assert table.metadata.keys() <= set(META_FIELDS)
        places = (table.wrappers, table.request_id, table.account_id, table.end_user, table.timestamp)
        for path in (path for paths in (*places, table.model, *table.metadata.values()) for path in paths):
            assert compile_path(path)


def test_our_own_names_come_first_then_the_formats_own_then_others() -> None:
    row = {**ROWS["Langfuse observations"], "input": "hello", "request_user_id": "u1", "userId": "u2"}
    assert fields(row).account_id == "u2"
    assert fields(row | {"account_id": "a1"}).account_id == "a1"
    del row["userId"]
    assert fields(row).account_id == "u1"
    assert fields(row | {"team_id": "t1"}).account_id == "t1"
