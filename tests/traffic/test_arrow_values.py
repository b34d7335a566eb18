"""Columns of any Arrow type are read or are nothing; none crashes."""

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.ingest_rows import read

from fingerprint.traffic.arrow_values import plain

NANOS = pa.array([1772445600123456789, None], pa.timestamp("ns", "UTC"))
PARTS = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string()), ("at", pa.timestamp("ns"))]))


def values(array: pa.Array) -> Any:
    return plain(pa.table({"x": array})).column("x").to_pylist(maps_as_pydicts="strict")


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (NANOS, [1772445600123456789, None]),
        (pa.array([2**62, None], pa.timestamp("us")), [2**62, None]),
        (pa.array([1500000001], pa.duration("ns")), [1500000001]),
        (pa.array([date(2026, 3, 2)]), ["2026-03-02"]),
        (pa.array([1], pa.time64("ns")), ["00:00:00.000000001"]),
        (pa.array([Decimal(7), None], pa.decimal128(38, 0)), ["7", None]),
        (pa.array([b"\x01" * 16, None], pa.binary(16)), ["01" * 16, None]),
        (pa.array([uuid.UUID(int=1).bytes], pa.uuid()), [f"{1:032x}"]),
        (pa.array([np.float16(0.5)], pa.float16()), [0.5]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (NANOS.dictionary_encode(), [1772445600123456789, None]),
        (pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.duration("ns"))), [{"a": 1}, None]),
        (pa.array([[1], None, []], pa.list_(pa.timestamp("ns"))), [[1], None, []]),
        (pa.array([[1], None, []], pa.large_list(pa.timestamp("ns"))), [[1], None, []]),
        (pa.array([[1], [2]], pa.list_(pa.timestamp("ns"), 1)), [[1], [2]]),
        (pa.array([{"t": 1}, None], pa.struct([("t", pa.timestamp("ns"))])), [{"t": 1}, None]),
    ],
)
def test_values_are_kept(array: pa.Array, expected: list[Any]) -> None:
    assert values(array) == expected
    assert values(array[1:]) == expected[1:]


def test_a_column_that_cannot_be_converted_is_nothing() -> None:
    assert values(pa.array([(1, 2, 3)], pa.month_day_nano_interval())) == [None]


@pytest.mark.parametrize(
    "extra",
    [
        NANOS,
        pa.array([2**62, 5], pa.timestamp("us")),
        pa.array([5, 6], pa.duration("ns")),
        pa.array([b"\xff", b"x"], pa.binary()),
        pa.array([(1, 2, 3), None], pa.month_day_nano_interval()),
    ],
)
def test_columns_that_nobody_reads_do_no_harm(tmp_path: Path, extra: pa.Array) -> None:
    messages = [
        [{"role": "system", "content": "s", "at": 1}, {"role": "user", "content": "u", "at": None}]
    ] * 2
    columns = {
        "request_id": pa.array([1.0, 2.0]),
        "account_id": pa.array([Decimal(7), Decimal(8)], pa.decimal128(38, 0)),
        "timestamp": pa.array([1772445600123456789, 1772445600123456789], pa.timestamp("ns")),
        "messages": pa.array(messages, PARTS),
        "extra": extra,
    }
    try:
        pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    except pa.ArrowNotImplementedError:
        pytest.skip("Parquet has no such type")
    rows = read(tmp_path / "t.parquet")[0].to_pylist()
    assert [(r["request_id"], r["account_id"], r["system"], r["prompt"]) for r in rows] == [
        ("1", "7", "s", "u"),
        ("2", "8", "s", "u"),
    ]
    assert rows[0]["timestamp"] == datetime(2026, 3, 2, 10, 0, 0, 123456, UTC)


def test_maps_are_objects_and_of_equal_keys_the_last_counts(tmp_path: Path) -> None:
    kind = pa.map_(pa.string(), pa.string())
    metadata = [[("user_id", "u1"), ("ip_prefix", "1.2.3")], [("user_id", "u2"), ("user_id", "u3")]]
    table = pa.table(
        {
            "request_id": ["r1", "r2"],
            "timestamp": ["2026-03-02T10:00:00Z"] * 2,
            "messages": ["hello"] * 2,
            "metadata": pa.array(metadata, kind),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    rows = read(tmp_path / "t.parquet")[0].to_pylist()
    assert [(r["account_id"], r["metadata"]) for r in rows] == [("u1", '{"ip_prefix":"1.2.3"}'), ("u3", None)]


def test_folders_name_what_holds_for_all_rows(tmp_path: Path) -> None:
    folder = tmp_path / "account_id=a%207" / "day=2026-03-02"
    folder.mkdir(parents=True)
    row = {"request_id": "r1", "timestamp": "2026-03-02T10:00:00Z", "prompt": "hello"}
    pq.write_table(pa.Table.from_pylist([row]), folder / "p.parquet")
    (folder / "p.csv").write_text("request_id,timestamp,prompt\nr2,2026-03-02T10:00:00Z,hello\n")
    (folder / "p.jsonl").write_text(
        '{"request_id":"r3","timestamp":"2026-03-02T10:00:00Z","prompt":"hello"}\n'
        '{"request_id":"r4","account_id":"own","timestamp":"2026-03-02T10:00:00Z","prompt":"hello"}\n'
    )
    missing = tmp_path / "account_id=__HIVE_DEFAULT_PARTITION__"
    missing.mkdir()
    pq.write_table(pa.Table.from_pylist([{**row, "request_id": "r5"}]), missing / "p.parquet")
    table, report = read(tmp_path)
    found = dict(
        zip(table.column("request_id").to_pylist(), table.column("account_id").to_pylist(), strict=True)
    )
    assert found == {"r1": "a 7", "r2": "a 7", "r3": "a 7", "r4": "own"}
    assert report.reasons == {"missing_account_id": 1}


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_delimiters_are_seen_in_the_header(tmp_path: Path, mark: str) -> None:
    path = tmp_path / ("t.tsv" if mark == "\t" else "t.csv")
    header = mark.join(("Request_ID", "account_id", "timestamp", '"prompt"', '"a,b;c|d,,,,"'))
    cells = mark.join(("r1", "a", "2026-03-02T10:00:00Z", '"one, two; three | four"', "x"))
    path.write_text(f"{header}\n{cells}\n")
    (got,) = read(path)[0].to_pylist()
    assert (got["request_id"], got["account_id"], got["prompt"]) == ("r1", "a", "one, two; three | four")


def test_messages_as_a_data_frame_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "request_id,account_id,timestamp,messages\n"
        "r1,a,2026-03-02T10:00:00Z,\"[{'role': 'user', 'content': \"\"it's here\"\"}]\"\n"
    )
    assert read(path)[0].column("prompt").to_pylist() == ["it's here"]
