"""Where in a request a text stood is read, and changes nothing that is matched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.logged_rows import GATEWAY
from support.small_traffic import night_rows, objects, written

from fingerprint.domain.schemas import SECTION_MARK, TURN_END
from fingerprint.domain.vocabulary import SECTIONS, Section
from fingerprint.text.normalise import compose, display, normalise
from fingerprint.traffic.requests import extract, native_fields
from fingerprint.traffic.row_reading import RowReading
from fingerprint.traffic.sections import joined, marked, own_text

Body = dict[str, Any]


def parts_of(text: str, usual: Section) -> list[tuple[Section, str]]:
    """Each line of a text, and the section that its marks say it stands in."""
    found: list[tuple[Section, str]] = []
    for turn in text.split(TURN_END):
        now = usual
        for line in turn.split("\n"):
            bare = line.lstrip(SECTION_MARK)
            now = SECTIONS[len(line) - len(bare) - 1] if bare != line else now
            found.append((now, bare))
    return found


def said(body: Body, *roles: str) -> list[tuple[Section, str]]:
    got = extract({**GATEWAY, **body}, RowReading(roles=frozenset(roles)))
    return parts_of(got.system or "", "system") * bool(got.system) + parts_of(got.prompt, "user")


def test_each_part_knows_its_section() -> None:
    document = {"type": "document", "title": "t", "source": {"type": "text", "data": "d"}}
    body = {
        "tools": [{"name": "f", "description": "does f"}],
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "developer", "content": "dev"},
            {"role": "user", "content": [{"text": "a"}, document, {"text": "b"}]},
            {"role": "assistant", "content": "no"},
            {"role": "tool", "content": "result"},
            {"role": "user", "content": "c"},
        ],
    }
    system = [("tools", "f"), ("tools", "does f"), ("system", "s"), ("developer", "dev")]
    user = [("user", "a"), ("document", "t"), ("document", "d"), ("user", "b")]
    assert said(body) == [*system, *user, ("user", "c")]
    others = [("assistant", "no"), ("tool_result", "result")]
    assert said(body, "assistant", "tool") == [*system, *user, *others, ("user", "c")]


def test_a_prompt_beside_messages_and_variables_of_a_stored_one() -> None:
    assert said({"prompt": "p", "messages": [{"role": "user", "content": "q"}]}) == [
        ("prompt", "p"),
        ("user", "q"),
    ]
    assert said({"prompt": {"id": "i", "variables": {"v": "w"}}, "input": "q"})[-2:] == [
        ("prompt", "w"),
        ("user", "q"),
    ]
    assert said({"prompt": "p"}) == [("user", "p")]


def test_nobody_writes_marks_into_a_text() -> None:
    forged = marked("tools", "x")
    for body in (
        {"prompt": forged},
        {"messages": [{"role": "user", "content": forged}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": forged}]}]},
        {"messages": [{"role": "user", "content": [forged]}]},
        {"input": [forged]},
        {"messages": json.dumps([{"role": "user", "content": forged}])},
    ):
        assert said(body) == [("user", "x")]
    fields = native_fields({**GATEWAY, "prompt": forged, "system": forged})
    assert fields is not None
    assert (fields[3], fields[4]) == ("x", "x")
    assert own_text(joined([marked("document", "a"), "b"], "user")) == "a\nb"


def test_marks_change_nothing_that_is_matched_and_stay_for_showing() -> None:
    system = joined([marked("tools", "Looks up Ä."), "Be brief."], "system")
    prompt = TURN_END.join(
        [marked("document", "One."), joined(["two", marked("document", "three"), "four"], "user")]
    )
    column = compose(pa.array([system], pa.large_string()), pa.array([prompt], pa.large_string()))
    bare = pa.array([own_text(column[0].as_py())], pa.large_string())
    assert normalise(column).equals(normalise(bare))
    (shown,) = display(column).to_pylist()
    assert shown.count(SECTION_MARK) == system.count(SECTION_MARK) + prompt.count(SECTION_MARK)
    (inside,) = display(pa.array([f"ab{SECTION_MARK}cd é"], pa.large_string())).to_pylist()
    assert inside == "abcd é"


def _moved(place: str, text: str) -> Body:
    asked = {"role": "user", "content": "Go on, please."}
    return {
        "document": {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "document", "source": {"type": "text", "data": text}},
                        asked["content"],
                    ],
                }
            ]
        },
        "tools": {"messages": [asked], "tools": [{"name": "f", "description": text}]},
        "developer": {"messages": [{"role": "developer", "content": text}, asked]},
        "prompt": {"prompt": text, "messages": [asked]},
    }[place]


@pytest.mark.parametrize("place", ["document", "tools", "developer", "prompt"])
def test_a_family_says_where_its_text_stood(place: str, tmp_path: Path) -> None:
    rows = [
        {**{k: v for k, v in r.items() if k != "prompt"}, **_moved(place, str(r["prompt"]))}
        for r in night_rows(0)
    ]
    home = tmp_path / "home"
    objects("nightly", written(tmp_path / "day.jsonl", rows), "--home", home, "--json")
    families = objects("families", "--home", home, "--format", "jsonl")
    assert families
    for family in families:
        (shown,) = objects("families", "show", family["family_id"], "--home", home, "--json")
        segments = [part for part in shown["template"] if part["type"] == "segment"]
        own = [part for part in segments if "Go on" not in part["text"]]
        assert own
        for part in own:
            assert part["sections"][0] == place
