"""Lines of one shape that are read together give the rows that reading each by itself gives; the others are left to that."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.domain.reading import Reading
from fingerprint.domain.results import IngestReport
from fingerprint.domain.schemas import TURN_END
from fingerprint.traffic import alike
from fingerprint.traffic.alike import RowsAlike
from fingerprint.traffic.reader import read_traffic
from fingerprint.traffic.row_reading import RowReading
from fingerprint.traffic.sources import Lines, cut_lines

SAID = 'Say "hello"\n\tand \\ good-bye: ä, \u20ac, \U0001f600'
PAYLOAD: dict[str, Any] = {
    "id": "chatcmpl-1",
    "litellm_call_id": "c1",
    "call_type": "acompletion",
    "stream": True,
    "startTime": 1_772_409_600.25,
    "model": "m",
    "metadata": {
        "user_api_key_hash": "k1",
        "user_api_key_team_id": None,
        "payment_hash": "p",
        "requester_metadata": None,
    },
    "requester_ip_address": "10.1.2.3",
    "user_agent": "sdk/4 (ä)",
    "messages": [
        {"role": "system", "content": "You are kind."},
        {"role": "user", "content": SAID},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "t", "x": [1, {"y": "]}"}]}]},
        {"role": "tool", "content": "out", "tool_call_id": "t"},
        {"role": "user", "content": ""},
        {"content": "Go on.", "name": "n", "role": "user"},
    ],
    "response": {
        "choices": [{"message": {"role": "assistant", "content": "[] {} \\"}}],
        "usage": {"n": -1.5e-3},
    },
    "model_parameters": {"temperature": 0.2, "max_tokens": 5},
}


@pytest.fixture(autouse=True)
def _few_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "FEWEST", 1)


def lines_of(*rows: dict[str, Any] | bytes) -> Lines:
    text = b"".join((row if isinstance(row, bytes) else orjson.dumps(row)) + b"\n" for row in rows)
    (cut,) = cut_lines([text], 1 << 20)
    return cut


def read(*rows: dict[str, Any] | bytes) -> list[bool]:
    """Tell which lines are read here."""
    lines = lines_of(*rows)
    return list(map(bool, RowsAlike(RowReading()).read(lines, ~lines.too_long)[1]))


def outcome(file: Path, **options: Any) -> tuple[list[dict[str, Any]], IngestReport, str, str]:
    rejects = file.with_suffix(".rejects")
    rejects.unlink(missing_ok=True)
    reader = read_traffic([file], rejects=rejects, **options)
    rows = [row for batch in reader for row in batch.to_pylist()]
    return rows, reader.report(), reader.content_hash, rejects.read_text() if rejects.exists() else ""


def assert_same(content: bytes, folder: Path, **options: Any) -> list[dict[str, Any]]:
    """Read a file with rows read together and one by one, and compare all that comes of it."""
    file = folder / "payloads.jsonl"
    file.write_bytes(content)
    together = outcome(file, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RowsAlike, "_read", lambda *_: None)
        one_by_one = outcome(file, **options)
    assert together == one_by_one
    return together[0]


def but(changes: dict[str, Any]) -> dict[str, Any]:
    """Return the payload with other values: `metadata.x` is one of its metadata, and ... takes a name out."""
    row: dict[str, Any] = orjson.loads(orjson.dumps(PAYLOAD))
    for path, value in changes.items():
        *above, name = path.split(".")
        holder = row[above[0]] if above else row
        if value is ...:
            del holder[name]
        else:
            holder[name] = value
    return row


def said_by(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [*PAYLOAD["messages"], {"role": role, "content": content, **more}]}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"startTime": "2026-03-02T00:00:00Z"},
        {"startTime": 1_772_409_600},
        {"model": None},
        {"model": ""},
        {"user_agent": None},
        {"user_agent": ...},
        {"requester_ip_address": "2001:db8::1"},
        {"requester_ip_address": "nowhere"},
        {"metadata.requester_metadata": {"country": "DE", "asn": 64512}},
        {"metadata.user_api_key_team_id": "team"},
        {"metadata.asn": True},
        {"model_parameters": {}},
        {"model_parameters": {"stop": ["\n"], "n": 2}},
        {"call_type": None},
        {"messages": [{"role": "system", "content": "Only the system."}]},
        {"messages": [{"role": "user", "content": '{"messages": 1}', "role_": {"content": "no"}}]},
    ],
)
def test_rows_of_one_shape_are_read_together(change: dict[str, Any], tmp_path: Path) -> None:
    rows = [
        but(change | {"litellm_call_id": f"c{n}", "metadata.user_api_key_hash": f"k{n % 2}"})
        for n in range(4)
    ]
    assert read(*rows) == [True] * 4
    lines = [
        orjson.dumps(rows[0]),
        json.dumps(rows[1]).encode(),
        orjson.dumps(rows[2]),
        orjson.dumps(rows[3]),
    ]
    lines[2] = lines[2].replace(b',"messages":', b' ,\t"messages" : ')
    assert len(assert_same(b"\n".join(lines), tmp_path)) == 4


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    (row,) = assert_same(orjson.dumps(PAYLOAD), tmp_path)
    assert read(PAYLOAD) == [True]
    assert row["prompt"] == f"{SAID}{TURN_END}Go on."
    assert (row["request_id"], row["account_id"], row["system"], row["model"]) == (
        "c1",
        "k1",
        "You are kind.",
        "m",
    )
    assert row["metadata"] == '{"ip_prefix":"10.1.2","payment_hash":"p","user_agent":"sdk/4 (ä)"}'
    assert (row["facts"]["max_tokens"], row["facts"]["temperature"], row["facts"]["stream"]) == (5, 0.2, True)


@pytest.mark.parametrize(
    "change",
    [
        {"call_type": "embedding"},
        {"call_type": "a\nb"},
        {"litellm_call_id": 7},
        {"litellm_call_id": "a\0b"},
        {"litellm_call_id": "x" * 5000},
        {"metadata.user_api_key_hash": ...},
        {"metadata.user_api_key_hash": "user_ab_account__session_12"},
        {"metadata.requester_metadata": '{"country": "DE"}'},
        {"metadata": '{"user_api_key_hash": "k"}'},
        {"metadata.requester_metadata": {"asn": 1.5}},
        {"user_agent": 'a "quoted" one'},
        {"startTime": 5},
        {"startTime": "yesterday"},
        {"startTime": {"$date": 1}},
        {"model": 4},
        {"prompt": "beside"},
        {"input": [{"role": "user", "content": "more"}]},
        {"system": "beside"},
        {"tools": [{"function": {"name": "f"}}]},
        {"model_parameters": {"tools": [{"function": {"name": "f", "description": "does"}}]}},
        {"messages": []},
        {"messages": "hello"},
        {"messages": {"role": "user", "content": "one"}},
        {"messages": ["hello"]},
        {"messages": [{"role": "user", "content": ""}]},
        {"messages": [{"role": "assistant", "content": "only"}]},
        said_by("user", [{"type": "text", "text": "part"}]),
        said_by("user", None),
        said_by("user", None, parts=["part"]),
        said_by("tool", None, message="x"),
        said_by("developer", "Be brief."),
        said_by("User", "Shouted."),
        said_by("user", "redacted-by-litellm"),
        said_by("user", "default-message-value"),
        said_by("user", "one\x1dtwo"),
        said_by("system", "a\x1fb"),
        {"messages": [{"content": "no role"}]},
        {"messages": [{"type": "text", "text": "loose"}]},
        {"n" * 300: 1, "deep": [[[[[[[]]]]]]]} | {f"k{n}": n for n in range(300)},
    ],
)
def test_other_rows_are_left(change: dict[str, Any], tmp_path: Path) -> None:
    row = but(change | ({} if "litellm_call_id" in change else {"litellm_call_id": "c2"}))
    assert read(PAYLOAD, row) == [True, False]
    assert_same(b"\n".join(map(orjson.dumps, (PAYLOAD, row, but({"litellm_call_id": "c3"})))), tmp_path)


@pytest.mark.parametrize(
    ("there", "here"),
    [
        (b'"m"', b'"\xff"'),
        (b'"m"', b'"\\ud800"'),
        (b'"m"', b'"\t"'),
        (b'"m"', b"NaN"),
        (b'"m"', b'"m",'),
        (b'"model":"m"', b'"model":"m","model":"n"'),
        (b'"model":"m"', b'"mod\\u0065l":"m"'),
        (b'"role":"user"', b'"role":"user","role":"system"'),
        (b"0.25", b"0.25e400"),
        (b"-0.0015", b"-01"),
        (b"-0.0015", b"1."),
        (b"-0.0015", b"123456789012345678901234567890"),
        (b"[1,{", b"[1 {"),
        (b'"]}"}]', b'"]}"},]'),
        (b'"stream":true', b'"stream":tru'),
        (b"}\n", b"}}\n"),
        (b"}\n", b"\n"),
        (b'"t","x":[', b'"t","x":' + b"[" * 80),
    ],
)
def test_what_is_no_plain_json_is_left(there: bytes, here: bytes, tmp_path: Path) -> None:
    line = orjson.dumps(PAYLOAD) + b"\n"
    assert there in line
    odd = line.replace(there, here, 1)
    assert read(odd.rstrip(b"\n")) == [False]
    assert_same(odd + line.replace(b'"c1"', b'"c2"'), tmp_path)


@pytest.mark.parametrize(
    "reading",
    [
        Reading(roles=("assistant",)),
        Reading(account="a"),
        Reading(shared=("tier",)),
        Reading(mapping={"model": "id"}),
    ],
)
def test_other_ways_to_read_are_kept(reading: Reading, tmp_path: Path) -> None:
    assert_same(orjson.dumps(PAYLOAD), tmp_path, reading=reading)


VALUES = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        7,
        -3,
        1.5,
        "",
        "x",
        "{}",
        "[1]",
        " {",
        [],
        {},
        [{"role": "user", "content": "hi"}],
        {"asn": 5},
    ]
)
NAMES = st.sampled_from(
    [
        *(
            "model",
            "stream",
            "user_agent",
            "asn",
            "tools",
            "prompt",
            "system",
            "messages",
            "call_type",
            "end_user",
        ),
        *(
            "metadata.payment_hash",
            "metadata.asn",
            "metadata.tags",
            "metadata.user_api_key_org_id",
            "max_tokens",
        ),
        *("proxy_server_request", "litellm_call_id", "startTime", "request_id", "requester_ip_address"),
        "model_parameters",
    ]
)


@given(
    st.lists(st.dictionaries(NAMES, VALUES, max_size=3), min_size=1, max_size=6),
    st.randoms(use_true_random=False),
    st.integers(0, 2),
)
def test_any_file_gives_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    changes: list[dict[str, Any]],
    chance: random.Random,
    broken: int,
) -> None:
    lines = []
    for number, change in enumerate(changes):
        row = but({"litellm_call_id": f"c{number}"} | change)
        keys = list(row)
        if number % 2:
            chance.shuffle(keys)
        lines.append(json.dumps({key: row[key] for key in keys}, ensure_ascii=chance.random() < 0.5).encode())
    content = bytearray(b"\n".join(lines))
    for _ in range(broken):
        at = chance.randrange(len(content))
        odd = [
            b"",
            b"\\",
            b'"',
            b"\n",
            b"\xff",
            b"\\u00e9",
            b"0",
            b",",
            b"}",
            b"[",
            bytes([chance.randrange(256)]),
        ]
        content[at : at + chance.randrange(3)] = chance.choice(odd)
    folder = tmp_path_factory.mktemp("file")
    assert_same(bytes(content), folder, line_bytes=chance.choice([400, 1 << 20]))


def test_logs_of_another_kind_are_seldom_looked_at() -> None:
    together = RowsAlike(RowReading())
    other = lines_of(*({"a": n} for n in range(8)))
    looked = 0
    for _ in range(200):
        before = len(together._recipes)
        together.read(other, ~other.too_long)
        looked += len(together._recipes) > before or together._pass == together._passing
    assert looked < 20
    ours = lines_of(*(but({"litellm_call_id": f"c{n}"}) for n in range(8)))
    assert any(len(together.read(ours, ~ours.too_long)[0]) == 8 for _ in range(64))
    assert all(len(together.read(ours, ~ours.too_long)[0]) == 8 for _ in range(3))
