"""CSV and Parquet: blocks of rows with their numbers, and native columns checked column by column."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from fingerprint.domain.errors import InputError
from fingerprint.domain.reading import Reading
from fingerprint.domain.schemas import SYSTEM_END, TRAFFIC_SCHEMA, TURN_END
from fingerprint.traffic import tabular
from fingerprint.traffic.sources import Source
from fingerprint.traffic.tabular import (
    ID_BYTES,
    TableBlock,
    check_native,
    is_native,
    read_csv,
    read_parquet,
    renamed,
    unusable,
)

LIMIT = 1000
SOURCE = Source("t.csv", None, "csv", None)
TIME = "2026-03-02T10:00:00Z"
# any text but what ends a line or is no Unicode; the csv module writes what has to be quoted
cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=20)


def csv_blocks(data: bytes, rows: int = 100) -> list[TableBlock]:
    return list(read_csv(SOURCE, iter([data]), rows, LIMIT))


def native(**columns: Any) -> TableBlock:
    """A block of our own columns, one row unless a column has more."""
    count = max((len(values) for values in columns.values()), default=1)
    whole = {"request_id": ["r"], "account_id": ["a"], "timestamp": [TIME], "prompt": ["hello"]}
    repeated = {name: values * count for name, values in whole.items()}
    return TableBlock(pa.table(repeated | columns), np.arange(1, count + 1))


@effort(max_examples=100)
@given(
    table=st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(cells, min_size=n, max_size=n), max_size=12)),
    rows=st.integers(1, 5),
)
def test_cells_are_read_as_they_were_written(table: list[list[str]], rows: int) -> None:
    width = len(table[0]) if table else 2
    header = [f"c{n}" for n in range(width)]
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([header, *table])
    blocks = csv_blocks(out.getvalue().encode(), rows)
    assert all(len(block.numbers) <= rows and not block.bad for block in blocks)
    assert [n for block in blocks for n in block.numbers.tolist()] == list(range(1, len(table) + 1))
    read = pa.concat_tables([block.table for block in blocks])
    assert read.column_names == header
    assert [list(row.values()) for row in read.to_pylist()] == [
        [cell or None for cell in row] for row in table
    ]


def test_rows_that_are_no_rows_keep_their_numbers() -> None:
    data = b"a,b\n1,2\n3\n\n4,5,6\n\xff,7\n" + b"x" * (LIMIT + 1) + b",8\n9,10\n"
    blocks = csv_blocks(data, rows=2)
    bad = {number: row.kind for block in blocks for number, row in block.bad}
    assert bad == {2: "wrong_columns", 3: "wrong_columns", 4: "invalid_utf8", 5: "too_long"}
    good = {
        int(n): list(row.values())
        for block in blocks
        for n, row in zip(block.numbers, block.table.to_pylist(), strict=True)
    }
    assert good == {1: ["1", "2"], 6: ["9", "10"]}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"a,b,a\n1,2,3\n", r"t\.csv: column names must differ, but a occurs more than once"),
        (b"x" * (LIMIT + 1) + b"\n1\n", r"t\.csv: the header line is longer than 1,000 bytes"),
    ],
)
def test_a_header_that_cannot_be_used(header: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        csv_blocks(header)


def test_an_empty_csv_has_no_rows() -> None:
    assert sum(len(block.numbers) for block in csv_blocks(b"")) == 0
    assert sum(len(block.numbers) for block in csv_blocks(b"request_id,prompt\n")) == 0


def parquet(path: Path) -> Source:
    return Source(path.name, str(path), "parquet", path.stat().st_size)


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_parquet_is_read_in_blocks(tmp_path: Path, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"n": range(100), "text": ["x" * 50] * 100})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=40)
    if rows == 1000:
        monkeypatch.setattr(tabular, "BLOCK_BYTES", 600)
    blocks = list(read_parquet(parquet(tmp_path / "t.parquet"), rows))
    assert all(len(block.numbers) <= (rows if rows < 1000 else 99) for block in blocks)
    assert pa.concat_tables([block.table for block in blocks]).equals(table)
    assert np.concatenate([block.numbers for block in blocks]).tolist() == list(range(1, 101))
    assert [block.share for block in blocks] == sorted(block.share for block in blocks)
    assert blocks[-1].share == 1


def test_only_a_native_file_is_read_by_some_of_its_columns(tmp_path: Path) -> None:
    own = native(extra=["e"]).table
    other = own.drop_columns("account_id")
    for number, (table, names) in enumerate(
        [(own, ["request_id", "account_id", "timestamp", "prompt"]), (other, other.column_names)]
    ):
        pq.write_table(table, tmp_path / f"{number}.parquet")
        (block,) = read_parquet(parquet(tmp_path / f"{number}.parquet"), 10, columns=TRAFFIC_SCHEMA.names)
        assert sorted(block.table.column_names) == sorted(names)


def test_a_damaged_parquet_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"t\.parquet: not a readable Parquet file"):
        list(read_parquet(parquet(path), 10))
    path.write_bytes(b"")
    assert list(read_parquet(parquet(path), 10)) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"account_id": pa.int64(), "prompt": pa.dictionary(pa.int32(), pa.string())}, True),
        ({"system": pa.large_string(), "extra": pa.float32()}, True),
        ({"prompt": pa.list_(pa.string())}, False),
        ({"model": pa.int32()}, False),
        ({"request_id": pa.float64()}, False),
        ({"account_id": None}, False),
    ],
)
def test_what_is_native(change: dict[str, pa.DataType | None], expected: bool) -> None:
    kinds = {name: pa.string() for name in ("request_id", "account_id", "prompt")} | {"timestamp": pa.int64()}
    kinds |= change
    assert (
        is_native(pa.schema([(name, kind) for name, kind in kinds.items() if kind is not None])) == expected
    )


def test_columns_are_renamed_only_by_what_stands_there() -> None:
    table = pa.table({"id": ["1"], "text": ["t"], "rest": ["r"]})
    mapped = renamed(table, Reading({"request_id": "id", "prompt": "text"}))
    assert mapped is not None
    assert mapped.to_pylist() == [{"id": "1", "text": "t", "rest": "r", "request_id": "1", "prompt": "t"}]
    swapped = renamed(
        pa.table({"prompt": ["s"], "system": ["p"]}), Reading({"prompt": "system", "system": "prompt"})
    )
    assert swapped is not None
    assert swapped.to_pylist() == [{"prompt": "p", "system": "s"}]
    assert renamed(table, Reading({"prompt": "body.text"})) is None
    assert renamed(table, Reading({"colour": "text"})) is None


@given(ids=st.lists(st.one_of(st.none(), st.text(max_size=5), st.just("ü" * (ID_BYTES // 2 + 1)))))
def test_ids_that_no_database_can_hold(ids: list[str | None]) -> None:
    expected = [
        one is not None and ("\0" in one or len(one.encode(errors="replace")) > ID_BYTES) for one in ids
    ]
    assert unusable(pa.array(ids, pa.large_string())).tolist() == expected


@pytest.mark.parametrize(
    ("change", "kind", "reason"),
    [
        ({"request_id": [""]}, "missing_request_id", "no request_id"),
        ({"account_id": pa.array([None], pa.string())}, "missing_account_id", "no account_id"),
        ({"request_id": ["r\0"]}, "bad_id", "2,000 bytes without a NUL"),
        ({"account_id": ["a" * (ID_BYTES + 1)]}, "bad_account", "2,000 bytes without a NUL"),
        ({"timestamp": [""]}, "missing_timestamp", "no timestamp"),
        ({"timestamp": ["yesterday"]}, "bad_timestamp", "found"),
        ({"prompt": ["x" * 600], "system": ["y" * 401]}, "too_long", "over 1,000 bytes"),
        ({"prompt": [""], "system": [""]}, "no_text", "no text"),
        ({"prompt": pa.array([b"\xff"], pa.binary())}, "invalid_utf8", "not valid UTF-8"),
        ({"metadata": ["[1]"]}, "wrong_type", "metadata: an object expected"),
        # the first check that a row fails is its reason
        ({"request_id": [""], "prompt": [""]}, "missing_request_id", "no request_id"),
    ],
)
def test_a_row_that_fails_a_check_has_its_number_and_its_reason(
    change: dict[str, Any], kind: str, reason: str
) -> None:
    batch, bad = check_native(native(**change), LIMIT)
    assert len(batch) == 0
    ((number, row),) = bad
    assert (number, row.kind) == (1, kind)
    assert reason in str(row)


def test_good_rows_are_of_the_schema_of_traffic() -> None:
    block = native(
        request_id=["1", "", "3"],
        prompt=[f"a{TURN_END}b", "x", "c"],
        system=["", "s", f"s{SYSTEM_END}t"],
        metadata=['{"b": 1, "a": [2]}', None, None],
        timestamp=[TIME, TIME, "2026-03-02T12:00:00+02:00"],
    )
    batch, bad = check_native(block, LIMIT)
    assert [number for number, _ in bad] == [2]
    assert batch.schema.equals(TRAFFIC_SCHEMA)
    one, two = batch.to_pylist()
    # what marks turns and the end of the system prompt is no text
    assert (one["prompt"], one["system"], two["system"]) == ("a b", None, "s t")
    assert one["timestamp"] == two["timestamp"]
    assert one["metadata"] == '{"b":1,"a":[2]}'
    assert two["metadata"] is None


def test_numbers_are_ids() -> None:
    batch, bad = check_native(native(request_id=[7, 8], account_id=[1, 1]), LIMIT)
    assert not bad
    assert batch.column("request_id").to_pylist() == ["7", "8"]
