"""Requests are read from the logs of OpenAI, Anthropic, LiteLLM, Helicone, Langfuse and OpenTelemetry."""

import re
from typing import Any

import orjson
import pytest
from support.logged_rows import CHAT, GATEWAY, PICTURE, fields, metadata

from fingerprint.domain.schemas import TURN_END
from fingerprint.traffic.log_formats import expand, format_of
from fingerprint.traffic.rejects import BadRow

ANTHROPIC = {
    "model": "claude-x",
    "max_tokens": 100,
    "system": [
        {"type": "text", "text": "Be brief."},
        {"type": "text", "text": "Be kind.", "cache_control": {}},
    ],
    "messages": [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "42"}]},
        {"role": "user", "content": [{"type": "text", "text": "second"}, {"type": "image", "source": {}}]},
    ],
}


def test_openai_chat_beside_gateway_fields() -> None:
    got = fields({**GATEWAY, "model": "gpt-x", "messages": CHAT})
    assert got.system == "Be brief.\nUse tables."
    assert got.prompt == f"first{TURN_END}second\n{PICTURE}\nthird"
    assert got.model == "gpt-x"
    assert got.metadata is None


@pytest.mark.parametrize("wrapper", ["body", "request", "request_body", "params", "proxy_server_request"])
def test_wrapped_request_as_object_and_as_text(wrapper: str) -> None:
    inner = {"model": "gpt-x", "messages": CHAT}
    for value in (inner, orjson.dumps(inner).decode()):
        got = fields({**GATEWAY, wrapper: value})
        assert (got.request_id, got.account_id, got.model) == ("r1", "a1", "gpt-x")
        assert got.prompt == f"first{TURN_END}second\n{PICTURE}\nthird"


def test_request_below_two_wrappers() -> None:
    got = fields({**GATEWAY, "request": {"path": "/v1/messages", "body": ANTHROPIC}})
    assert (got.system, got.prompt) == ("Be brief.\nBe kind.", f"first{TURN_END}second")


def test_a_mapped_prompt_may_be_a_whole_request() -> None:
    body = {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [{"parts": [{"text": "Hello"}]}, {"role": "user", "parts": [{"text": "Prune it."}]}],
    }
    got = fields({**GATEWAY, "req": body}, prompt="req")
    assert (got.system, got.prompt) == ("Be brief.", f"Hello{TURN_END}Prune it.")


def test_a_message_in_a_log_is_a_text_only_beside_what_cohere_has() -> None:
    with pytest.raises(BadRow, match=r"no text"):
        fields({**GATEWAY, "level": "info", "message": "rate limit reached"})
    got = fields({**GATEWAY, "message": "Prune it.", "chat_history": [], "preamble": "Be brief."})
    assert (got.system, got.prompt) == ("Be brief.", "Prune it.")


def test_openai_batch_line_with_mapping() -> None:
    line = {
        "custom_id": "c-1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "g", "messages": CHAT},
    }
    with pytest.raises(BadRow, match=r"no account_id: no OpenAI batch file has one; --account gives it"):
        fields(line)
    line["body"] |= {"org": ["o-7"], "at": 1767225600}
    got = fields(line, account_id="body.org[0]", timestamp="body.at")
    assert (got.request_id, got.account_id, got.time) == ("c-1", "o-7", 1767225600)


def test_openai_responses() -> None:
    got = fields({**GATEWAY, "instructions": "Be brief.", "input": "hello"})
    assert (got.system, got.prompt) == ("Be brief.", "hello")
    items = [
        {"type": "message", "role": "developer", "content": "Use tables."},
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "hello"}, {"type": "input_image", "image_url": "x"}],
        },
        {"type": "function_call_output", "call_id": "c", "output": "42"},
        {"role": "user", "content": "again"},
    ]
    got = fields({**GATEWAY, "instructions": "Be brief.", "input": items})
    assert got.system == "Be brief.\nUse tables."
    assert re.fullmatch(f"hello\nattachment://image/[0-9a-f]{{16}}{TURN_END}again", got.prompt)


def test_anthropic_messages_with_the_end_user_as_last_resort() -> None:
    got = fields(
        {"id": "msg_1", "created_at": "2026-03-02T00:00:00Z", "metadata": {"user_id": "u-1"}, **ANTHROPIC}
    )
    assert (got.request_id, got.account_id) == ("msg_1", "u-1")
    assert (got.system, got.prompt) == ("Be brief.\nBe kind.", f"first{TURN_END}second")
    got = fields({**GATEWAY, "system": "Be brief.", "messages": [{"role": "user", "content": "x"}]})
    assert got.system == "Be brief."


def test_anthropic_batch_file_and_line() -> None:
    batch = {
        "account_id": "a1",
        "created_at": "2026-03-02T00:00:00Z",
        "requests": [{"custom_id": "c1", "params": ANTHROPIC}, {"custom_id": "c2", "params": ANTHROPIC}],
    }
    rows = expand(batch)
    assert [fields(row).request_id for row in rows] == ["c1", "c2"]
    assert {fields(row).account_id for row in rows} == {"a1"}


LITELLM = {
    "id": "chatcmpl-1",
    "litellm_call_id": "call-1",
    "call_type": "acompletion",
    "startTime": 1767225600.25,
    "endTime": 1767225601.5,
    "model": "gpt-x",
    "metadata": {
        "user_api_key_hash": "h1",
        "user_api_key_team_id": "team-1",
        "user_api_key_org_id": None,
        "requester_ip_address": "203.0.113.9",
        "user_agent": "python-sdk/1",
    },
    "messages": CHAT,
}


def test_litellm_standard_logging_payload() -> None:
    got = fields(LITELLM)
    assert (got.request_id, got.account_id, got.time) == ("call-1", "team-1", 1767225600.25)
    assert metadata(got) == {"ip_prefix": "203.0.113", "user_agent": "python-sdk/1"}
    assert fields(LITELLM, account_id="metadata.user_api_key_hash").account_id == "h1"


@pytest.mark.parametrize(
    "messages", ["hello", [{"role": "user", "content": "hello"}], {"role": "user", "content": "hello"}]
)
def test_litellm_messages_as_text_list_or_object(messages: object) -> None:
    assert fields(LITELLM | {"messages": messages}).prompt == "hello"
    if not isinstance(messages, str):
        assert fields(LITELLM | {"messages": orjson.dumps(messages).decode()}).prompt == "hello"
    assert (
        fields(LITELLM | {"messages": {"messages": [{"role": "user", "content": "hello"}]}}).prompt == "hello"
    )


def test_litellm_spend_log_without_stored_prompts() -> None:
    row = {
        "request_id": "r",
        "api_key": "h",
        "startTime": "2026-03-02 00:00:00+00",
        "messages": {},
        "proxy_server_request": "{}",
    }
    with pytest.raises(BadRow, match="no text"):
        fields(row)
    with pytest.raises(BadRow, match="no text"):
        fields(row | {"messages": "{}"})
    stored = orjson.dumps({"model": "m", "messages": CHAT[2:3]}).decode()
    assert fields(row | {"proxy_server_request": stored}).prompt == "first"
    with pytest.raises(BadRow, match="no text"):
        fields(LITELLM | {"messages": [{"role": "user", "content": "redacted-by-litellm"}]})


@pytest.mark.parametrize("kind", ["embedding", "aembedding", "arerank", "moderation", "atranscription"])
def test_what_asks_a_litellm_for_no_text_is_no_request(kind: str) -> None:
    spend_log = {"request_id": "r", "api_key": "h", "startTime": "2026-03-02 00:00:00+00", "messages": CHAT}
    for row in (LITELLM, spend_log):
        assert len(expand(row)) == 1
        assert expand({**row, "call_type": kind}) == []


def test_an_access_log_with_bodies_is_not_helicones() -> None:
    row = {**GATEWAY, "request_body": {"messages": CHAT}}
    assert format_of(row) is None
    assert fields(row).prompt.startswith("first")


def test_helicone() -> None:
    got = fields(
        {
            "request_id": "r1",
            "request_created_at": "2026-03-02T00:00:00Z",
            "request_user_id": "u1",
            "request_path": "/v1/chat/completions",
            "request_model": "gpt-x",
            "request_body": {"messages": CHAT},
            "response_body": {"id": "x"},
        }
    )
    assert (got.request_id, got.account_id, got.model) == ("r1", "u1", "gpt-x")
    assert got.prompt.startswith("first")


@pytest.mark.parametrize(
    "value",
    ["hello", [{"role": "user", "content": "hello"}], {"messages": [{"role": "user", "content": "hello"}]}],
)
def test_langfuse_generation(value: object) -> None:
    row = {
        "id": "o1",
        "traceId": "t1",
        "type": "GENERATION",
        "startTime": "2026-03-02T00:00:00Z",
        "userId": "u1",
        "input": value,
    }
    assert fields(row).prompt == "hello"
    assert expand(row) == [row]
    assert expand(row | {"type": "SPAN"}) == []


def test_opentelemetry_export_and_single_span() -> None:
    said = [
        {"role": "user", "parts": [{"type": "text", "content": "hello"}, {"type": "tool_call", "name": "f"}]}
    ]
    told = [{"type": "text", "content": "Be brief."}]
    attributes = {
        "gen_ai.input.messages": orjson.dumps(said).decode(),
        "gen_ai.system_instructions": orjson.dumps(told).decode(),
        "gen_ai.request.model": "m",
        "user.id": "u1",
    }

    def span(pairs: list[dict[str, Any]]) -> dict[str, Any]:
        return {"spanId": "s1", "startTimeUnixNano": "1767225600000000000", "attributes": pairs}

    flat = [{"key": k, "value": {"stringValue": v}} for k, v in attributes.items()]
    http = [{"key": "http.method", "value": {"stringValue": "GET"}}]
    export = {
        "resourceSpans": [
            {"resource": {"attributes": []}, "scopeSpans": [{"spans": [span(http), span(flat)]}]}
        ]
    }
    (row,) = expand(export)
    single = {"context": {"span_id": "s1"}, "start_time": "2026-01-01T00:00:00Z", "attributes": attributes}
    for got in (fields(row), fields(single)):
        assert got[:2] == ("s1", "u1")
        assert (got.system, got.prompt, got.model) == ("Be brief.", "hello", "m")
    nested = [
        {"key": "user.id", "value": {"stringValue": "u1"}},
        {"key": "gen_ai.input.messages", "value": {"arrayValue": {"values": [{"kvlistValue": {"values": [
            {"key": "role", "value": {"stringValue": "user"}}, {"key": "content", "value": {"stringValue": "hello"}}]}}]}}},
    ]  # fmt: skip
    (row,) = expand({"resourceSpans": [{"scopeSpans": [{"spans": [span(nested)]}]}]})
    assert fields(row).prompt == "hello"
