"""What people wrote is read out of messages of any provider, and what is no text is left out."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest

from fingerprint.domain.schemas import SYSTEM_END, TURN_END
from fingerprint.text.masking import unmask
from fingerprint.text.normalise import normalise
from fingerprint.traffic.content import plain_text
from fingerprint.traffic.messages import items_in, loaded_json, turns, without_separators
from fingerprint.traffic.rejects import BadRow
from fingerprint.traffic.sections import marked


def test_turns_are_those_of_system_and_user() -> None:
    messages = [
        {"role": "developer", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image"}, {"text": "b"}]},
        {"role": "assistant", "content": "no"},
        {"role": "human", "parts": [{"type": "text", "content": "c"}]},
        "d",
    ]
    developer = [marked("developer", "s")]
    assert turns("messages", messages) == (developer, ["a\nb", "c", "d"])
    assert turns("messages", {"messages": messages[:1]}) == (developer, [])
    assert turns("prompt", "a") == ([], ["a"])
    assert turns("messages", None) == turns("messages", "redacted-by-litellm") == ([], [])
    assert turns("messages", [{"role": "user", "content": "default-message-value"}]) == ([], [])


@pytest.mark.parametrize("prompt", [[1, 2, 3], [[1, 2, 3], [4, 5]]])
def test_token_ids_are_no_text(prompt: list[object]) -> None:
    with pytest.raises(BadRow, match=r"no text: prompt holds token ids") as bad:
        turns("prompt", prompt)
    assert bad.value.kind == "no_text"
    with pytest.raises(BadRow, match=r"a message expected, null found"):
        turns("prompt", [None, 1])


def test_a_prompt_that_is_json_is_what_was_said_and_messages_that_are_json_are_read() -> None:
    text = '[{"role": "user", "content": "x"}]'
    assert turns("prompt", text) == ([], [text])
    assert turns("messages", text) == ([], ["x"])
    assert turns("messages", "{}") == turns("messages", "[]") == ([], [])


def test_a_picture_or_a_file_is_a_line_that_tells_it_from_others() -> None:
    def line(part: dict[str, object]) -> str:
        return plain_text("messages", [{"type": "text", "text": "a"}, part, {"type": "text", "text": "b"}])

    one = line({"type": "image_url", "image_url": {"url": "https://example.org/1.jpg"}})
    assert re.fullmatch("a\nattachment://image/[0-9a-f]{16}\nb", one)
    assert line({"type": "image_url", "image_url": {"url": "https://example.org/2.jpg"}}) != one
    block = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    assert line({**block, "cache_control": {"type": "ephemeral"}}) == line(block)
    assert "\nattachment://file/" in line({"type": "document", "source": {"type": "url", "url": "u"}})
    assert "\nattachment://audio/" in line({"type": "input_audio", "input_audio": {"data": "x"}})
    assert "\nattachment://video/" in line({"type": "uri", "modality": "video", "uri": "gs://b/v.mp4"})
    # what a log left out, and what is no attachment, is nothing
    assert line({"type": "image"}) == line({"type": "image", "source": {}}) == "a\nb"
    assert line({"type": "tool_result", "content": "42"}) == line({"type": ["image"]}) == "a\nb"


def test_pictures_are_masked() -> None:
    pictures = ["attachment://image/00d1f2a3b4c5d6e7", "attachment://image/1234567812345678"]
    assert [unmask(t) for t in normalise(pa.array(pictures)).to_pylist()] == ["⟨url⟩image"] * 2


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
