from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from fingerprint.service.routes.truncated_json import salvaged

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_whole_json_is_read_as_it_is(value: object) -> None:
    assert salvaged(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.text(min_size=1), st.integers(0, 300))
def test_cut_anywhere_what_came_of_the_text_is_read(text: str, cut: int) -> None:
    start = b'{"model": "m", "messages": [{"role": "user", "content": "'
    raw = start + json.dumps(text, ensure_ascii=False).encode()[1:-1]
    found = salvaged(raw[: len(start) + cut])
    content = found["messages"][0].get("content", "")
    assert text.startswith(content)
    if cut >= len(raw) - len(start):
        assert content == text


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_none_or_json(raw: bytes) -> None:
    found = salvaged(raw)
    assert found is None or json.loads(json.dumps(found)) == found


def test_deep_nesting_is_no_json() -> None:
    assert salvaged(b"[" * 100_000) is None
    assert salvaged(b'{"a":' * 100_000) is None
