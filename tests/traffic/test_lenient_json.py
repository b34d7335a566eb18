"""What orjson refuses is read where it can be, and nothing else changes."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.ingest_rows import read, row

from fingerprint.traffic.lenient_json import DEEPEST, UNDECODABLE, mend, read_json

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers(-(10**18) + 1, 10**18 - 1) | st.floats(-1e9, 1e9) | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def value_of(data: bytes, *, cut: bool = False) -> Any:
    mended = mend(data, cut=cut)
    assert mended is not None
    return mended.value


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_what_the_standard_allows_is_read_as_it_is(value: Any, ascii_only: bool, indent: int | None) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    assert value_of(data) == value_of(data, cut=True) == orjson.loads(data)


ODDITIES: list[tuple[bytes, Any]] = [
    (b'{"a": "x\\ud83d y"}', {"a": "x y"}),
    (b'{"a": "x\\udc00\\ud83d\\ude00"}', {"a": "x\U0001f600"}),
    (b'{"a": "x\xed\xa0\xbd y"}', {"a": "x y"}),
    (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
    (b'\x1e{"a": 1}', {"a": 1}),
    ('{"a": "é"}'.encode("utf-16"), {"a": "é"}),
    ('{"a": "é"}'.encode("utf-32"), {"a": "é"}),
    (b'[NaN, Infinity, -Infinity, 1e999, -1, 1.5e-7, "x"]', [None, None, None, None, -1, 1.5e-7, "x"]),
    (
        b'{"b": NaN, "c": 1234567890123456789, "a": ' + b"9" * 5000 + b"}",
        {"b": None, "c": "1234567890123456789", "a": "9" * 5000},
    ),
    (b'{"a": "one\ntwo\tthree\x00four"}', {"a": "one\ntwo\tthreefour"}),
    (b'{"a": [1, 2,], "b": 3,}', {"a": [1, 2], "b": 3}),
    (b'{"a": "\xffb\xc3"}', {"a": f"{UNDECODABLE}b{UNDECODABLE}"}),
]


@pytest.mark.parametrize(("data", "expected"), ODDITIES)
def test_oddities(data: bytes, expected: Any) -> None:
    assert read_json(data) == expected
    assert value_of(data, cut=True) == expected


@pytest.mark.parametrize("levels", [DEEPEST - 2, DEEPEST - 1, DEEPEST, 5000, 200_000])
def test_what_stands_too_deep_is_null_and_the_rest_is_read(levels: int) -> None:
    data = b'{"deep": ' + b"[" * levels + b'"a ] \\" text"' + b"]" * levels + b', "a": "text"}'
    value = value_of(data)
    assert value["a"] == "text"
    inside: Any = value["deep"]
    for _ in range(min(levels, DEEPEST - 1)):
        (inside,) = inside
    assert inside == ('a ] " text' if levels < DEEPEST else None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"  ",
        b"x",
        b'{"a"',
        b'{"a": 1} x',
        b'{"a": 1]',
        b'{"a": }',
        b'{"a" 1}',
        b"[1 2]",
        b"[01]",
        b'["\\x"]',
    ],
)
def test_what_is_no_json_stays_none(data: bytes) -> None:
    assert mend(data) is None
    with pytest.raises(orjson.JSONDecodeError):
        read_json(data)


@given(VALUES.filter(lambda value: isinstance(value, (list, dict))), st.booleans(), st.data())
def test_any_beginning_is_read_as_far_as_it_goes(value: Any, ascii_only: bool, data: st.DataObject) -> None:
    whole = json.dumps(value, ensure_ascii=ascii_only).encode()
    size = data.draw(st.integers(1, len(whole)))
    assert begins(value_of(whole[:size], cut=True), orjson.loads(whole))


def begins(part: Any, whole: Any) -> bool:
    """Tell whether a value is what may come of another one that was cut off."""
    if isinstance(part, str):
        return isinstance(whole, str) and whole.startswith(part)
    if isinstance(part, list):
        return isinstance(whole, list) and all(map(begins, part, whole)) and len(part) <= len(whole)
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(begins(part[key], whole[key]) for key in part)
    return bool(part == whole)


def test_of_a_cut_text_everything_that_came_is_read() -> None:
    assert value_of(b'{"messages": [{"role": "user", "content": "half a te', cut=True) == {
        "messages": [{"role": "user", "content": "half a te"}]
    }
    assert value_of('{"a": "é'.encode()[:-1], cut=True) == {"a": ""}
    assert value_of(b'{"a": "x\\u00', cut=True) == {"a": "x"}
    assert value_of(b'{"a": 1, "b": 12', cut=True) == {"a": 1}


@settings(max_examples=300)
@given(VALUES, st.lists(st.tuples(st.integers(0, 200), st.binary(max_size=3)), max_size=4))
def test_no_bytes_crash(value: Any, changes: list[tuple[int, bytes]]) -> None:
    data = bytearray(json.dumps(value).encode())
    for at, new in changes:
        data[at : at + len(new)] = new
    for cut in (False, True):
        mended = mend(bytes(data), cut=cut)
        # what comes of it holds nothing that is no character, or it is refused; a cut body is never a crash either
        assert mended is None or cut or isinstance(orjson.dumps(mended.value), bytes)


def test_rows_with_oddities_in_fields_that_nobody_reads_are_read(tmp_path: Path) -> None:
    plain = orjson.dumps(row(1, extra="x"))[:-1]
    extras = [
        b',"o":"\\ud800"}',
        b',"o":NaN}',
        b',"o":' + b"7" * 4000 + b"}",
        b',"o":' + b"[" * 3000 + b"]" * 3000 + b"}",
        b',"o":"\xff\xfe"}',
        b',"o":"a\x00b"}',
    ]
    path = tmp_path / "odd.jsonl"
    path.write_bytes(
        b"".join(plain.replace(b"r1", b"r%d" % n) + extra + b"\n" for n, extra in enumerate(extras))
    )
    table, report = read(path)
    assert (report.accepted, report.rejected) == (len(extras), 0)
    assert set(table.column("prompt").to_pylist()) == {row(1)["prompt"]}


def test_a_lone_surrogate_in_a_prompt_hides_nothing(tmp_path: Path) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_bytes(orjson.dumps(row(1, prompt="Say XX it")).replace(b"XX", b"\\ud83d"))
    assert read(path)[0].column("prompt").to_pylist() == ["Say  it"]


def test_of_one_name_twice_in_a_row_the_last_value_counts(tmp_path: Path) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_bytes(orjson.dumps(row(1))[:-1] + b',"account_id":"later","prompt":"what the server reads"}\n')
    table, report = read(path)
    assert (report.accepted, report.rejected) == (1, 0)
    assert table.column("account_id").to_pylist() == ["later"]
    assert table.column("prompt").to_pylist() == ["what the server reads"]


def test_ids_are_read_to_their_last_digit(tmp_path: Path) -> None:
    path = tmp_path / "odd.jsonl"
    ids = ["123456789012345678901234567890", "123456789012345678901234567891", "18446744073709551616"]
    path.write_bytes(
        b"".join(
            orjson.dumps(row(n, account_id="A")).replace(b'"A"', i.encode()) + b"\n"
            for n, i in enumerate(ids)
        )
    )
    assert read(path)[0].column("account_id").to_pylist() == ids


def test_json_within_a_text_is_read_as_leniently(tmp_path: Path) -> None:
    inner = '[{"role": "user", "content": "Say \\ud83d it"}, {"role": "user", "content": "x", "cost": NaN}]'
    python = "[{'role': 'user', 'content': 'Say \\ud83d it'}, {'role': 'user', 'content': 'x', 'none': None}]"
    path = tmp_path / "odd.jsonl"
    rows = [row(n, messages=text) for n, text in enumerate((inner, python))]
    for one in rows:
        del one["prompt"]
    path.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in rows))
    assert read(path)[0].column("prompt").to_pylist() == ["Say  it\x1ex"] * 2
