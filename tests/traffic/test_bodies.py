"""Bodies of requests, whole and cut off, are read as the rows of logs are."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.domain.schemas import SECTION_MARK, SYSTEM_END, TURN_END
from fingerprint.traffic.bodies import LONGEST_ACCOUNT, Body, Sent, parsed, said_in
from fingerprint.traffic.messages import REDACTED
from fingerprint.traffic.rejects import BadRow
from fingerprint.traffic.requests import sender, texts

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON, max_size=4), st.booleans())
def test_whole_json_is_read_as_it_is(value: dict[str, Any], cut: bool) -> None:
    assert parsed(json.dumps(value, ensure_ascii=False).encode(), cut=cut) == Body(value)


PIECES = (
    *(
        "",
        "a",
        "[]",
        "{}",
        '[{"type": "text", "text": "b"}]',
        "{'content': 'c'}",
        '{"prompt": "d"}',
        *REDACTED,
    ),
    *(SECTION_MARK, SYSTEM_END, TURN_END, "user_a_account_b_session_c", "default-message-value"),
)
FIELD = st.text() | st.sampled_from(PIECES) | st.lists(st.sampled_from(PIECES)).map("".join) | JSON


@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("prompt", "system", "account_id", "explain", "user"), FIELD)
    )
)
def test_a_plain_prompt_says_what_it_says_among_other_fields(fields: dict[str, Any]) -> None:
    try:
        system, prompt = texts(fields)
    except BadRow:
        system, prompt = None, ""
    if not system and not prompt:
        with pytest.raises(BadRow):
            said_in(Body(fields))
        return
    account = sender(fields)
    assert said_in(Body(fields)) == Sent(prompt, system, account)


@given(st.text(min_size=1), st.integers(0, 300))
def test_cut_anywhere_what_came_of_the_text_is_read(text: str, cut: int) -> None:
    start = b'{"model": "m", "messages": [{"role": "user", "content": "'
    raw = start + json.dumps(text, ensure_ascii=False).encode()[1:-1]
    found = parsed(raw[: len(start) + cut], cut=True).fields
    content = found["messages"][0].get("content", "")
    assert text.startswith(content)
    if cut >= len(raw) - len(start):
        assert content == text


@given(st.binary(max_size=200), st.booleans())
def test_bytes_of_any_kind_are_an_object_or_a_bad_row(raw: bytes, cut: bool) -> None:
    found: object = None
    with suppress(BadRow):
        found = parsed(raw, cut=cut).fields
    assert found is None or json.loads(json.dumps(found)) == found


def test_deep_nesting_is_no_object() -> None:
    with pytest.raises(BadRow, match="an object expected, a list found"):
        parsed(b"[" * 100_000, cut=True)


@pytest.mark.parametrize(
    ("arrived", "prompt"),
    [
        (b'{"messages": [{"content": "half a te', "half a te"),
        (b'{"messages": [{"role": "user", "content": "one"}, {"content": "tw', f"one{TURN_END}tw"),
        (
            b'{"messages": [{"content": [{"text": "half", "type": "text"}, {"type": "text", "text": "a t',
            "half\na t",
        ),
        (b'{"messages": [{"content": [{"type": "text", "text": "whole"}], "ro', "whole"),
        (b'{"messages": [{"role": "user", "content": "one"}], "metadata": {"x": "aaa', "one"),
        (b'{"prompt": "one \\ud83d', "one "),
    ],
)
def test_what_arrived_is_read_whatever_the_order_of_fields(arrived: bytes, prompt: str) -> None:
    body = parsed(arrived, cut=True)
    assert body.cut
    assert said_in(body).prompt == prompt


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b'{"messages": []}', "no_text"),
        (b'{"foo": 1}', "no_text"),
        (b'{"prompt": "a \xff"}', "invalid_utf8"),
        (b"[1]", "not_object"),
        (b"{", "not_json"),
    ],
)
def test_why_nothing_is_read(raw: bytes, kind: str) -> None:
    with pytest.raises(BadRow) as caught:
        said_in(parsed(raw))
    assert caught.value.kind == kind


HISTORY = [
    {"role": "USER", "message": "Which tree?"},
    {"role": "CHATBOT", "message": "A pear."},
    {"role": "SYSTEM", "message": "Be brief."},
]


@pytest.mark.parametrize(
    ("body", "system", "prompt"),
    [
        ({"model": "m", "message": "Prune it."}, None, "Prune it."),
        (
            {"message": "Prune it.", "chat_history": HISTORY, "preamble": "You garden."},
            "You garden.\nBe brief.",
            f"Which tree?{TURN_END}Prune it.",
        ),
        (
            {
                "input": {"inputBodyJson": {"message": "Prune it.", "chat_history": HISTORY}},
                "modelId": "m",
                "requestId": "r",
            },
            "Be brief.",
            f"Which tree?{TURN_END}Prune it.",
        ),
        (
            {"Message": "Prune it.", "messages": [{"role": "user", "content": "a decoy"}]},
            None,
            f"a decoy{TURN_END}Prune it.",
        ),
    ],
)
def test_chats_of_cohere(body: dict[str, Any], system: str | None, prompt: str) -> None:
    sent = said_in(parsed(json.dumps(body).encode()))
    assert (sent.system, sent.prompt) == (system, prompt)


def test_what_nobody_reads_hides_no_text() -> None:
    odd = b'{"user": "a-7", "o": "\xff", "p": NaN, "q": "\\ud800", "messages": [{"role": "user", "content": "hi"}]}'
    sent = said_in(parsed(odd))
    assert (sent.prompt, sent.account) == ("hi", "a-7")


def test_a_name_of_megabytes_is_nobodys() -> None:
    for size, named in ((LONGEST_ACCOUNT, True), (LONGEST_ACCOUNT + 1, False), (1_000_000, False)):
        body = json.dumps({"prompt": "a", "user": "u" * size}).encode()
        assert said_in(parsed(body)).account == ("u" * size if named else None)
