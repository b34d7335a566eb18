"""Lines that the kernels read give the rows that reading all JSON gives; the others are left to that."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.domain.results import IngestReport
from fingerprint.domain.schemas import TRAFFIC_SCHEMA
from fingerprint.traffic import reader as ingest
from fingerprint.traffic.jsonl import read_rows
from fingerprint.traffic.reader import read_traffic
from fingerprint.traffic.sources import Lines, cut_lines

ROW = {
    "request_id": "r1",
    "account_id": "a1",
    "timestamp": "2026-03-02T00:00:00Z",
    "system": None,
    "prompt": 'Say "hello"\n\tand \\ good-bye: ä, \u20ac, \U0001f600',
    "model": "m",
    "metadata": {"ip_prefix": "10.1.2", "n": 12, "no": None, "yes": True},
}


def lines_of(*lines: bytes) -> Lines:
    (cut,) = cut_lines([b"\n".join(lines) + b"\n"], 1 << 20)
    return cut


def read(line: bytes) -> bool:
    """Tell whether the kernels read a line."""
    return bool(read_rows(lines_of(line))[1][0])


def by_all_json(lines: Lines) -> tuple[pa.RecordBatch, np.ndarray]:
    return pa.RecordBatch.from_pylist([], TRAFFIC_SCHEMA), np.zeros(len(lines), np.bool_)


def outcome(file: Path, **options: Any) -> tuple[list[dict[str, Any]], IngestReport, str]:
    rejects = file.with_suffix(".rejects")
    rejects.unlink(missing_ok=True)
    reader = read_traffic([file], rejects=rejects, **options)
    rows = [row for batch in reader for row in batch.to_pylist()]
    return rows, reader.report(), rejects.read_text() if rejects.exists() else ""


def assert_alike(content: bytes, folder: Path, **options: Any) -> None:
    """Read a file with the kernels and without them, and compare all that comes of it."""
    file = folder / "traffic.jsonl"
    file.write_bytes(content)
    ours = outcome(file, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest, "read_rows", by_all_json)
        theirs = outcome(file, **options)
    assert ours == theirs


def test_a_usual_row_is_read_here() -> None:
    spaced = b" " + json.dumps(ROW, separators=(" ,\t", "\r: ")).encode() + b" \r"
    for text in (orjson.dumps(ROW), json.dumps(ROW).encode(), spaced):
        batch, which = read_rows(lines_of(text, text))
        assert which.all()
        assert batch.schema == TRAFFIC_SCHEMA
        for row in batch.to_pylist():
            assert row["prompt"] == ROW["prompt"]
            assert row["system"] is None
            assert row["metadata"] == orjson.dumps(ROW["metadata"]).decode()


@pytest.mark.parametrize(
    "change",
    [
        {"timestamp": 1_772_409_600},
        {"timestamp": "yesterday"},
        {"prompt": ""},
        {"prompt": ["a"]},
        {"prompt": None},
        {"account_id": 7},
        {"request_id": "x" * 5000},
        {"request_id": "a\0b"},
        {"model": 4},
        {"metadata": {"deep": {"er": 1}}},
        {"metadata": {"a": 1.5}},
        {"metadata": {"a": "\n"}},
        {"metadata": [1]},
        {"metadata": {str(n): n for n in range(40)}},
        {"prompt": "\x1d"},
        {"system": "a\x1eb"},
        {"more": {"x": 1}},
        {"more": [1]},
        {"more": 1e300},
    ],
)
def test_other_rows_are_left(change: dict[str, Any], tmp_path: Path) -> None:
    line = orjson.dumps(ROW | change)
    assert not read(line)
    assert_alike(orjson.dumps(ROW) + b"\n" + line + b"\n", tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"{}",
        b"null",
        b"[]",
        orjson.dumps(ROW)[:-1],
        orjson.dumps(ROW) + b"}",
        orjson.dumps(ROW).replace(b'"m"', b'"\xff"'),
        orjson.dumps(ROW).replace(b'"m"', b'"\xed\xa0\x80"'),
        orjson.dumps(ROW).replace(b'"m"', b'"\xc0\x80"'),
        orjson.dumps(ROW).replace(b'"m"', b'"\xf4\x90\x80\x80"'),
        orjson.dumps(ROW).replace(b'"m"', b'"\\ud800"'),
        orjson.dumps(ROW).replace(b'"m"', b'"\\udc00\\ud800"'),
        orjson.dumps(ROW).replace(b'"m"', b'"\\x41"'),
        orjson.dumps(ROW).replace(b'"m"', b'"\t"'),
        orjson.dumps(ROW).replace(b'"m"', b"nul"),
        orjson.dumps(ROW).replace(b'"m"', b"NaN"),
        orjson.dumps(ROW).replace(b'"m"', b'"m",'),
        orjson.dumps(ROW).replace(b'"m"', b'"m","model":"n"'),
        orjson.dumps(ROW).replace(b'"n":12', b'"n":012'),
        orjson.dumps(ROW).replace(b'"n":12', b'"n":-0'),
        orjson.dumps(ROW).replace(b'"n":12', b'"n":12,"n":13'),
        orjson.dumps(ROW).replace(b'"n":12', b'"n":123456789012345678901234567890'),
    ],
)
def test_what_is_no_plain_json_is_left(line: bytes, tmp_path: Path) -> None:
    assert not read(line)
    assert_alike(line + b"\n" + orjson.dumps(ROW | {"request_id": "r2"}), tmp_path)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
ROWS = st.fixed_dictionaries(
    {
        "request_id": st.text(min_size=1, max_size=4),
        "account_id": st.text(max_size=4) | st.integers(),
        "timestamp": st.sampled_from(
            ["2026-03-02T00:00:00Z", "2026-03-02 01:02:03.5+02:00", "", 1_772_409_600]
        ),
        "prompt": st.text(max_size=20),
    },
    optional={
        "system": st.none() | st.text(max_size=8),
        "model": st.none() | st.text(max_size=4),
        "metadata": st.none() | st.dictionaries(st.text(max_size=3), SCALARS, max_size=4),
        "extra": SCALARS,
        "messages": st.just([{"role": "user", "content": "hi"}]),
    },
)


@given(
    st.lists(ROWS, max_size=6),
    st.sampled_from(["orjson", "ascii", "spaced", "unicode"]),
    st.randoms(use_true_random=False),
    st.integers(0, 3),
)
def test_any_file_gives_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, Any]],
    how: str,
    chance: random.Random,
    broken: int,
) -> None:
    lines = []
    for row in rows:
        keys = list(row)
        chance.shuffle(keys)
        shuffled = {key: row[key] for key in keys}
        if how == "ascii":
            text = json.dumps(shuffled).encode()
        elif how == "spaced":
            text = json.dumps(shuffled, separators=(" ,\t", " : ")).encode()
        else:
            text = json.dumps(shuffled, ensure_ascii=False).encode(errors="surrogatepass")
        lines.append(text)
    content = bytearray(b"\n".join(lines))
    for _ in range(broken if content else 0):
        at = chance.randrange(len(content))
        content[at : at + chance.randrange(3)] = chance.choice(
            [
                b"",
                b"\\",
                b'"',
                b"\n",
                b"\xff",
                b"\\u00e9",
                b"\\ud83d\\ude00",
                b"0",
                b",",
                b"}",
                b"\x1d",
                bytes([chance.randrange(256)]),
            ]
        )
    assert_alike(bytes(content), tmp_path_factory.mktemp("file"), line_bytes=chance.choice([60, 1 << 20]))


def test_rows_of_a_mixed_log_keep_their_order(tmp_path: Path) -> None:
    chat = {"id": "c", "user": "u", "created": 1_772_409_600, "messages": [{"role": "user", "content": "hi"}]}
    rows = [ROW | {"request_id": f"r{n}"} if n % 3 else chat | {"id": f"r{n}"} for n in range(50)]
    file = tmp_path / "mixed.jsonl"
    file.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    read_back, report, _ = outcome(file)
    assert [row["request_id"] for row in read_back] == [f"r{n}" for n in range(50)]
    assert report.accepted == report.rows_read == 50


@given(st.lists(st.binary(max_size=12), max_size=8), st.integers(1, 6), st.integers(0, 20))
def test_lines_are_cut_wherever_blocks_end(parts: list[bytes], size: int, limit: int) -> None:
    text = b"\n".join(parts)
    blocks = [text[at : at + size] for at in range(0, len(text), size)]
    found = [lines[n] for lines in cut_lines(blocks, limit) for n in range(len(lines))]
    expected = text.split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    assert found == [line if len(line) <= limit else None for line in expected]


def test_columns_that_nobody_wants_are_null() -> None:
    lines = lines_of(*(orjson.dumps({**ROW, "request_id": f"r{n}"}) for n in range(3)))
    every, all_read = read_rows(lines)
    some, read_too = read_rows(lines, ("request_id", "account_id", "timestamp", "system", "prompt"))
    assert all_read.tolist() == read_too.tolist() == [True] * 3
    for name in TRAFFIC_SCHEMA.names:
        unwanted = name in ("model", "metadata")
        assert some.column(name).null_count == 3 if unwanted else some.column(name).equals(every.column(name))
