from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprint.errors import UsageError
from fingerprint.logshapes import (
    PATHS,
    Request,
    compile_mapping,
    compile_path,
    expand,
    extract,
    native_fields,
)
from fingerprint.records import SYSTEM_END, TURN_END
from fingerprint.rejects import BadRow

GATEWAY = {"request_id": "r1", "account_id": "a1", "timestamp": "2026-03-02T00:00:00Z"}
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


def fields(row: dict[str, Any], **mapping: str) -> Request:
    return extract(row, compile_mapping(mapping))


def metadata(request: Request) -> Any:
    return None if request.metadata is None else orjson.loads(request.metadata)


def test_native_row_keeps_its_metadata() -> None:
    row = {
        **GATEWAY,
        "system": "s",
        "prompt": "p",
        "model": "m",
        "metadata": {"ip_prefix": "1.2.3", "plan": "free"},
    }
    got = fields(row)
    assert got[:6] == ("r1", "a1", "2026-03-02T00:00:00Z", "s", "p", "m")
    assert got.metadata == b'{"ip_prefix":"1.2.3","plan":"free"}'
    assert native_fields(row) == got


def test_openai_chat_beside_gateway_fields() -> None:
    got = fields({**GATEWAY, "model": "gpt-x", "messages": CHAT})
    assert got.system == "Be brief.\nUse tables."
    assert got.prompt == f"first{TURN_END}second\nthird"
    assert got.model == "gpt-x"
    assert got.metadata is None


@pytest.mark.parametrize("wrapper", ["body", "request", "request_body", "params", "proxy_server_request"])
def test_wrapped_request_as_object_and_as_text(wrapper: str) -> None:
    inner = {"model": "gpt-x", "messages": CHAT}
    for value in (inner, orjson.dumps(inner).decode()):
        got = fields({**GATEWAY, wrapper: value})
        assert (got.request_id, got.account_id, got.model) == ("r1", "a1", "gpt-x")
        assert got.prompt == f"first{TURN_END}second\nthird"


def test_request_below_two_wrappers() -> None:
    got = fields({**GATEWAY, "request": {"path": "/v1/messages", "body": ANTHROPIC}})
    assert (got.system, got.prompt) == ("Be brief.\nBe kind.", f"first{TURN_END}second")


def test_openai_batch_line_with_mapping() -> None:
    line = {
        "custom_id": "c-1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "g", "messages": CHAT},
    }
    with pytest.raises(BadRow, match=r"no account_id: looked for account_id, account, .*safety_identifier"):
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
    assert (got.system, got.prompt) == ("Be brief.\nUse tables.", f"hello{TURN_END}again")


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


def test_separators_inside_texts_become_spaces() -> None:
    messages = [{"role": "user", "content": f"a{TURN_END}b"}, {"role": "user", "content": f"c{SYSTEM_END}d"}]
    got = fields({**GATEWAY, "system": f"x{SYSTEM_END}y", "messages": messages})
    assert (got.system, got.prompt) == ("x y", f"a b{TURN_END}c d")
    row = {**GATEWAY, "system": f"x{TURN_END}y", "prompt": f"a{SYSTEM_END}b"}
    assert native_fields(row) == fields(row)
    assert fields(row)[3:5] == ("x y", "a b")


def test_text_rules() -> None:
    assert fields({**GATEWAY, "system": "s", "prompt": ""})[3:5] == ("s", "")
    assert fields({**GATEWAY, "system": "s", "messages": []})[3:5] == ("s", "")
    assert fields({**GATEWAY, "prompt": ["a", "b"]}).prompt == f"a{TURN_END}b"
    own_json = '{"role play": true}'
    assert fields({**GATEWAY, "input": own_json}).prompt == own_json
    assert fields({**GATEWAY, "prompt": '[{"role": "user", "content": "x"}]'}).prompt.startswith("[")
    for empty in ({"prompt": ""}, {"messages": [{"role": "assistant", "content": "x"}]}, {}):
        with pytest.raises(BadRow, match="no text"):
            fields({**GATEWAY, **empty})


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (
            {"request_id": None},
            "missing_request_id",
            "no request_id: looked for request_id, custom_id, litellm_call_id",
        ),
        ({"account_id": ""}, "missing_account_id", "no account_id: looked for account_id, account"),
        ({"timestamp": None}, "missing_timestamp", "no timestamp: looked for timestamp, @timestamp"),
        ({"request_id": ["x"]}, "wrong_type", "request_id: text or a whole number expected, a list found"),
        ({"request_id": True}, "wrong_type", "a boolean found"),
        ({"account_id": 1.5}, "wrong_type", "account_id: text or a whole number expected, a number found"),
        ({"prompt": 5}, "wrong_type", "prompt: text or messages expected, a number found"),
        (
            {"messages": [5], "prompt": None},
            "wrong_type",
            "an item of messages: a message expected, a number found",
        ),
        (
            {"messages": [{"role": "user", "content": 5}], "prompt": None},
            "wrong_type",
            "text or a list of parts",
        ),
        ({"messages": [{"role": ["user"], "content": "x"}], "prompt": None}, "no_text", "no text"),
        ({"system": 5}, "wrong_type", "content in system: text or a list of parts expected, a number found"),
        ({"model": {}}, "wrong_type", "model: text expected, an object found"),
        ({"metadata": [1]}, "wrong_type", "metadata: an object expected, a list found"),
        ({"metadata": "free"}, "wrong_type", "metadata: an object expected, text found"),
    ],
)
def test_bad_rows_say_what_was_expected(change: dict[str, Any], kind: str, words: str) -> None:
    row = {**GATEWAY, "prompt": "secret words", **change}
    assert native_fields(row) is None
    with pytest.raises(BadRow) as caught:
        fields(row)
    assert caught.value.kind == kind
    assert words in caught.value.reason
    assert "secret" not in caught.value.reason


def test_whole_number_ids() -> None:
    assert fields({**GATEWAY, "request_id": 17, "account_id": 4, "prompt": "p"})[:2] == ("17", "4")


def test_metadata_nested_too_deep_is_a_bad_row() -> None:
    deep: Any = {}
    for _ in range(300):
        deep = {"a": deep}
    assert native_fields({**GATEWAY, "prompt": "p", "metadata": deep}) is None
    with pytest.raises(BadRow, match="254 levels"):
        fields({**GATEWAY, "prompt": "p", "metadata": deep})


def test_addresses_become_prefixes() -> None:
    def prefix(address: str) -> Any:
        return metadata(fields({**GATEWAY, "messages": "x", "client_ip": address}))["ip_prefix"]

    assert prefix("203.0.113.9") == "203.0.113"
    assert prefix("203.0.113.9, 10.0.0.1") == "203.0.113"
    assert prefix("::ffff:203.0.113.9") == "203.0.113"
    assert prefix("2001:db8:12::1") == "2001:0db8:0012"


def test_mapping_wins_and_is_the_only_place_looked_at() -> None:
    row = {**GATEWAY, "who": {"ids": [{"org.id": "o1"}]}, "said": CHAT, "net": {"addr": "1.2.3.4"}}
    got = fields(row, account_id="who.ids[0].org.id", prompt="said", ip_prefix="net.addr")
    assert (got.account_id, got.system) == ("o1", "Be brief.\nUse tables.")
    assert metadata(got) == {"ip_prefix": "1.2.3"}
    with pytest.raises(BadRow, match=r"no account_id: looked for who\.ids\[3\]\.x$"):
        fields(row, account_id="who.ids[3].x", prompt="said")


def test_mapping_is_checked() -> None:
    assert compile_path("a.b[0][12].c") == ("a", "b", 0, 12, "c")
    for bad in ("", "a..b", "a[x]", "[0]", "a[0"):
        with pytest.raises(UsageError, match="a path like"):
            compile_path(bad)
    with pytest.raises(UsageError, match=r"one of request_id, .* expected in --map, 'account' found"):
        compile_mapping({"account": "x"})


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(
    sorted(
        {
            "system",
            "prompt",
            "messages",
            "input",
            "body",
            "params",
            "requests",
            "resourceSpans",
            "role",
            "content",
            "type",
        }
        | {path.split(".")[0] for paths in PATHS.values() for path in paths}
    )
)
log_values = st.recursive(
    json_values, lambda inner: st.dictionaries(keys, inner, max_size=5) | st.lists(inner, max_size=2)
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(keys, log_values, max_size=8))
def test_any_object_is_a_request_or_a_bad_row(row: dict[str, Any]) -> None:
    for one in expand(row):
        if not isinstance(one, dict):
            continue
        try:
            got = extract(one)
        except BadRow:
            continue
        assert got.request_id
        assert got.account_id
        assert got.system or got.prompt
        native = native_fields(one)
        assert native is None or native == got
