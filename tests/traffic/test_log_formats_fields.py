"""Each field of a request is found where it is looked for, or the row is a bad one that says why."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.logged_rows import CHAT, GATEWAY, fields, metadata

from fingerprint.domain.errors import UsageError
from fingerprint.domain.schemas import SYSTEM_END, TURN_END
from fingerprint.traffic.field_paths import compile_mapping, compile_path
from fingerprint.traffic.log_formats import expand
from fingerprint.traffic.rejects import BadRow
from fingerprint.traffic.requests import extract, native_fields
from fingerprint.traffic.row_plan import PATHS


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


def test_metadata_nested_too_deep_are_left_out() -> None:
    deep: Any = {}
    for _ in range(300):
        deep = {"a": deep}
    assert native_fields({**GATEWAY, "prompt": "p", "metadata": deep}) is None
    request = fields({**GATEWAY, "prompt": "p", "metadata": deep})
    assert (request.prompt, request.metadata) == ("p", None)


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
