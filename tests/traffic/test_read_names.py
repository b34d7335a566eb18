"""Names that are read count in whatever case they are written; those that are a client's own stay as they are."""

from __future__ import annotations

import json

import pytest

from fingerprint.traffic.bodies import parsed, said_in
from fingerprint.traffic.formats import anthropic, cohere, gemini, openai
from fingerprint.traffic.json_names import names_in
from fingerprint.traffic.read_names import EVERY_NAME, as_read, folded
from fingerprint.traffic.rejects import BadRow

SCHEMA = {"type": "object", "properties": {"Text": {"type": "string"}, "text": {"type": "string"}}}
CHAT = {
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Say when"}, {"Type": "x", "TEXT": "or why."}]}
    ],
    "tools": [
        {"type": "function", "function": {"Name": "f", "Description": "Does it.", "parameters": SCHEMA}}
    ],
    "metadata": {"Content": 1, "content": 2},
}


def test_what_providers_call_their_texts_is_among_the_names() -> None:
    for table in (openai.REQUEST, anthropic.REQUEST, gemini.REQUEST, cohere.REQUEST):
        assert EVERY_NAME.issuperset((*table.texts, *table.systems, *table.tools)), table.name


def test_a_request_in_capitals_says_the_same() -> None:
    body = json.dumps(CHAT)
    loud = json.dumps({name.upper(): value for name, value in CHAT.items()})
    assert said_in(parsed(body.encode())) == said_in(parsed(loud.encode()))
    assert said_in(parsed(body.encode())).prompt == "Say when\nor why."


def test_names_of_parameters_and_metadata_stay() -> None:
    read = as_read(CHAT)
    assert read["tools"][0]["function"]["parameters"]["properties"].keys() == {"Text", "text"}
    assert read["metadata"] == CHAT["metadata"]
    assert CHAT["tools"][0]["function"].keys() == {"Name", "Description", "parameters"}  # type: ignore[index]


@pytest.mark.parametrize("name", ["Messages", "MESSAGES", "me\u017fsages", "systeminstruction", "to\u006fLs"])
def test_other_cases_are_seen_in_the_bytes(name: str) -> None:
    assert folded(name) in map(folded, EVERY_NAME)
    for ascii_only in (True, False):
        assert names_in(json.dumps({name: 1}, ensure_ascii=ascii_only).encode()).other_case
    assert not names_in(json.dumps({"a": name, "messages": 1, "Mess": 2, "Ā": 3}).encode()).other_case


@pytest.mark.parametrize("twice", [{"messages": [], "Messages": []}, {"input": [{"role": "a", "Role": "b"}]}])
def test_a_name_in_both_cases_is_there_twice(twice: dict[str, object]) -> None:
    with pytest.raises(BadRow, match="twice"):
        parsed(json.dumps(twice).encode())


def test_what_is_deeper_than_anybody_nests_is_left() -> None:
    deep: object = "x"
    for _ in range(900):
        deep = {"Content": [deep]}
    read = as_read({"Messages": deep})
    assert list(read) == ["messages"]
    inner = read["messages"]
    while isinstance(inner, dict):
        [(name, (inner,))] = inner.items()
    assert (name, inner) == ("Content", "x")
