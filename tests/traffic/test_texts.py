"""All that a client writes is read, wherever it stands; nothing of it hides anything else of it."""

from typing import Any

import orjson
import pytest
from support.logged_rows import GATEWAY, fields, unmarked

from fingerprint.domain.schemas import TURN_END
from fingerprint.traffic.bodies import Body, said_in
from fingerprint.traffic.requests import extract, native_fields
from fingerprint.traffic.row_reading import RowReading

TEXT = "Weigh every step aloud and say at the end which of them was weakest."
ASKED = {"role": "user", "content": "go on"}
SCHEMA = {
    "type": "object",
    "description": TEXT,
    "properties": {"place": {"type": "string", "description": "where it lies", "enum": ["a", "b"]}},
}

PLACES: dict[str, dict[str, Any]] = {
    "prompt beside messages": {"prompt": TEXT, "messages": [ASKED]},
    "messages beside prompt": {"prompt": "go on", "messages": [{"role": "user", "content": TEXT}]},
    "input beside prompt": {"prompt": "go on", "input": TEXT},
    "input beside a stored prompt": {"prompt": {"id": "p1"}, "input": [{"role": "user", "content": TEXT}]},
    "a variable of a stored prompt": {"prompt": {"id": "p1", "variables": {"what": TEXT}}, "input": "go on"},
    "a part as variable": {
        "prompt": {"id": "p1", "variables": {"what": {"type": "input_text", "text": TEXT}}},
        "input": "go on",
    },
    "contents beside messages": {"messages": [ASKED], "contents": [{"parts": [{"text": TEXT}]}]},
    "instructions": {"instructions": TEXT, "input": "go on"},
    "a field of no use": {"messages": [{"role": "user", "content": TEXT}], "input": 5},
    "a part among messages": {"input": [ASKED, {"type": "input_text", "text": TEXT}]},
    "a message without a role": {"input": [{"type": "message", "content": TEXT}]},
    "a role in capitals": {"messages": [{"role": "User", "content": TEXT}]},
    "a role of one's own": {"messages": [{"role": "critic", "content": TEXT}]},
    "a part of no known type": {"messages": [{"role": "user", "content": [{"type": "note", "text": TEXT}]}]},
    "a document of text": {
        "messages": [
            {
                "role": "user",
                "content": [{"type": "document", "source": {"type": "text", "data": TEXT}}],
            }
        ]
    },
    "a document of parts": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {
                        "type": "document",
                        "source": {"type": "content", "content": [{"type": "text", "text": TEXT}]},
                    }
                ],
            }
        ]
    },
    "a document's title": {
        "messages": [
            {
                "role": "user",
                "content": [{"type": "document", "title": TEXT, "source": {"type": "url", "url": "u"}}],
            }
        ]
    },
    "a document of Converse": {
        "messages": [
            {
                "role": "user",
                "content": [{"document": {"name": "d", "source": {"text": TEXT}}}, {"text": "go on"}],
            }
        ]
    },
    "a search result": {
        "messages": [
            {
                "role": "user",
                "content": [{"type": "search_result", "content": [{"type": "text", "text": TEXT}]}],
            }
        ]
    },
    "guarded content": {
        "messages": [{"role": "user", "content": [{"guardContent": {"text": {"text": TEXT}}}]}]
    },
    "a tool's description": {
        "messages": [ASKED],
        "tools": [{"type": "function", "function": {"name": "f", "description": TEXT}}],
    },
    "a parameter's description": {
        "messages": [ASKED],
        "tools": [{"name": "f", "input_schema": SCHEMA}],
    },
    "a function's description": {"messages": [ASKED], "functions": [{"name": "f", "description": TEXT}]},
    "Gemini's declarations": {
        "contents": [{"parts": [{"text": "go on"}]}],
        "tools": [{"functionDeclarations": [{"name": "f", "description": TEXT}]}],
    },
    "the form of the answer": {
        "messages": [ASKED],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
    },
    "the form of a response": {
        "input": "go on",
        "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}},
    },
}


def all_text(row: dict[str, Any]) -> str:
    got = fields(row)
    return f"{got.system}\n{got.prompt}"


@pytest.mark.parametrize("place", PLACES)
def test_a_text_is_read_wherever_it_stands(place: str) -> None:
    body = PLACES[place]
    assert all_text({**GATEWAY, **body}).count(TEXT) == 1
    assert all_text({**GATEWAY, "body": body}).count(TEXT) == 1
    assert native_fields({**GATEWAY, **body}) is None
    asked = said_in(Body(body))
    assert f"{asked.system}\n{asked.prompt}".count(TEXT) == 1


def test_what_two_fields_say_counts_once_and_a_turn_that_is_repeated_twice() -> None:
    messages = [{"role": "user", "content": "yes"}, {"role": "user", "content": "yes"}]
    assert fields({**GATEWAY, "messages": messages, "input": messages}).prompt == f"yes{TURN_END}yes"
    assert fields({**GATEWAY, "prompt": "yes", "messages": messages}).prompt == "yes"


def test_tools_stand_before_the_system_text_whatever_comes_after_them() -> None:
    tools = [
        {"name": "look_up", "description": "Looks up a bird.", "input_schema": {"properties": {"bird": {}}}}
    ]
    row = {**GATEWAY, "system": "Be brief.", "tools": tools, "messages": [ASKED]}
    assert fields(row).system == "look_up\nLooks up a bird.\nbird\nBe brief."


ROLES = [
    {"role": "user", "content": "find it"},
    {
        "role": "assistant",
        "content": [{"type": "text", "text": "I look."}, {"type": "tool_use", "input": {"q": "x"}}],
    },
    {"role": "user", "content": [{"type": "tool_result", "content": [{"type": "text", "text": "found"}]}]},
    {"role": "tool", "content": "more"},
    {"type": "function_call_output", "call_id": "c", "output": "most"},
    {"role": "assistant", "content": "It is"},
]


@pytest.mark.parametrize(
    ("roles", "turns"),
    [
        ((), ["find it"]),
        (("assistant",), ["find it", "I look.", "It is"]),
        (("tool",), ["find it", "found", "more", "most"]),
        (("assistant", "tool"), ["find it", "I look.", "found", "more", "most", "It is"]),
    ],
)
def test_assistant_turns_and_tool_results_are_read_when_asked_for(
    roles: tuple[str, ...], turns: list[str]
) -> None:
    reading = RowReading(roles=frozenset(roles))
    assert unmarked(extract({**GATEWAY, "messages": ROLES}, reading).prompt) == TURN_END.join(turns)


def test_gemini_and_converse_name_results_otherwise() -> None:
    reading = RowReading(roles=frozenset(["tool"]))
    gemini = [{"role": "user", "parts": [{"text": "a"}, {"functionResponse": {"response": {"n": 1}}}]}]
    assert unmarked(extract({**GATEWAY, "contents": gemini}, reading).prompt) == 'a\n{"n":1}'
    converse = [{"role": "user", "content": [{"toolResult": {"content": [{"text": "b"}]}}, {"text": "a"}]}]
    assert unmarked(extract({**GATEWAY, "messages": converse}, reading).prompt) == "b\na"


def test_a_users_json_is_no_request() -> None:
    for text in ('{"prompt": "a cat", "task": "draw"}', '{"question": "why"}', "[1, 2]", "{'a': 1}"):
        assert fields({**GATEWAY, "input": text}).prompt == text
    assert fields({**GATEWAY, "input": orjson.dumps({"input": "a cat"}).decode()}).prompt == "a cat"


def test_an_attachment_is_a_word_of_its_own_for_every_provider() -> None:
    parts: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "input_image", "file_id": "f-1"},
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
        {"image": {"format": "png", "source": {"bytes": "aGk="}}},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:"},
        {"document": {"name": "d", "source": {"bytes": "aGk="}}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="}},
        {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/v"}},
    ]
    kinds = ["image", "image", "image", "image", "file", "file", "file", "video"]
    lines = fields({**GATEWAY, "messages": [{"role": "user", "content": parts}]}).prompt.split("\n")
    assert [line.rsplit("/", 1)[0] for line in lines] == [f"attachment://{kind}" for kind in kinds]
    marked = {**parts[0], "cache_control": {"type": "ephemeral"}}
    assert fields({**GATEWAY, "messages": [{"role": "user", "content": [marked]}]}).prompt == lines[0]
    large = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 3_000_000}}
    assert len(fields({**GATEWAY, "messages": [{"role": "user", "content": [large]}]}).prompt) < 100
