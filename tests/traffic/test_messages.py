"""What people wrote is read out of messages of any provider, and what is no text is left out."""

from __future__ import annotations

import pytest

from fingerprint.domain.schemas import SYSTEM_END, TURN_END
from fingerprint.traffic.messages import items_in, loaded_json, plain_text, turns, without_separators
from fingerprint.traffic.rejects import BadRow


def test_turns_are_those_of_system_and_user() -> None:
    messages = [
        {"role": "developer", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image"}, {"text": "b"}]},
        {"role": "assistant", "content": "no"},
        {"role": "human", "parts": [{"type": "text", "content": "c"}]},
        "d",
    ]
    assert turns("messages", messages) == (["s"], ["a\nb", "c", "d"])
    assert turns("messages", {"messages": messages[:1]}) == (["s"], [])
    assert turns("prompt", "a") == ([], ["a"])
    assert turns("messages", None) == turns("messages", "redacted-by-litellm") == ([], [])


def test_a_prompt_that_is_json_is_what_was_said_and_messages_that_are_json_are_read() -> None:
    text = '[{"role": "user", "content": "x"}]'
    assert turns("prompt", text) == ([], [text])
    assert turns("messages", text) == ([], ["x"])
    assert turns("messages", "{}") == turns("messages", "[]") == ([], [])


def test_only_text_is_taken_from_parts() -> None:
    assert plain_text("system", None) == ""
    assert plain_text("system", {"type": "input_text", "text": "a"}) == "a"
    assert plain_text("system", [{"type": "refusal", "text": "a"}, "b", 5]) == "b"
    with pytest.raises(BadRow, match="content in system: text or a list of parts expected, a number found"):
        plain_text("system", 5)


def test_items_and_json_that_are_none_stay_as_they_came() -> None:
    assert items_in('[{"a": 1}]', "role") == '[{"a": 1}]'
    assert items_in('{"role": "user"}', "role") == [{"role": "user"}]
    assert loaded_json("{x") == "{x"
    assert loaded_json("5") == "5"


def test_separators_become_spaces() -> None:
    assert without_separators(f"a{SYSTEM_END}b{TURN_END}") == "a b "
