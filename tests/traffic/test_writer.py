from __future__ import annotations

import csv
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fingerprint.domain.errors import StoreError, UsageError
from fingerprint.traffic.writer import check_extension, write_table

ROWS = [
    {"request_id": "r1", "family_id": None, "score": 0.25},
    {"request_id": 'a,"b"\nc', "family_id": "f1", "score": 1.0},
    {"request_id": "日本", "family_id": "f2", "score": 1e-9},
]
TABLE = pa.Table.from_pylist(ROWS)


def test_jsonl(tmp_path: Path) -> None:
    write_table(TABLE, tmp_path / "t.jsonl")
    assert [orjson.loads(line) for line in (tmp_path / "t.jsonl").read_bytes().splitlines()] == ROWS


def test_csv(tmp_path: Path) -> None:
    write_table(TABLE, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [r["request_id"] for r in rows] == [r["request_id"] for r in ROWS]
    assert [r["family_id"] or None for r in rows] == [r["family_id"] for r in ROWS]


def test_lists_are_json_text_in_csv(tmp_path: Path) -> None:
    lists = [[{"family_id": "f1", "score": 0.5}, {"family_id": 'f"2', "score": 1.0}], []]
    kind = pa.large_list(pa.struct([("family_id", pa.large_string()), ("score", pa.float64())]))
    write_table(pa.table({"request_id": ["a", "b"], "families": pa.array(lists, kind)}), tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [r["request_id"] for r in rows] == ["a", "b"]
    assert [orjson.loads(r["families"]) for r in rows] == lists


def test_parquet(tmp_path: Path) -> None:
    write_table(TABLE, tmp_path / "t.parquet")
    assert pq.read_table(tmp_path / "t.parquet").to_pylist() == ROWS


def test_stdout(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write_table(TABLE, None)
    assert [orjson.loads(line) for line in capfdbinary.readouterr().out.splitlines()] == ROWS


@pytest.mark.parametrize("name", ["t.jsonl", "t.csv", "t.parquet"])
def test_no_rows(tmp_path: Path, name: str) -> None:
    write_table(TABLE.slice(0, 0), tmp_path / name)
    assert (tmp_path / name).exists()


def test_many_rows_of_many_chunks(tmp_path: Path) -> None:
    table = pa.concat_tables([TABLE] * 20_000)
    write_table(table, tmp_path / "t.jsonl")
    assert (tmp_path / "t.jsonl").read_bytes().count(b"\n") == 60_000


def test_folders_are_made_and_the_old_file_is_replaced_whole(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "er" / "t.jsonl"
    write_table(TABLE, out)
    write_table(TABLE.slice(0, 1), out)
    assert out.read_bytes().count(b"\n") == 1
    assert [p.name for p in out.parent.iterdir()] == ["t.jsonl"]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    out = tmp_path / "t.csv"
    out.write_text("old")
    nested = pa.table({"a": [[1, 2]]})  # CSV has no lists
    with pytest.raises(pa.ArrowInvalid):
        write_table(nested, out)
    assert out.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize(("name", "found"), [("t.txt", ".txt"), ("t", "none"), ("t.jsonl.gz", ".gz")])
def test_other_extensions(tmp_path: Path, name: str, found: str) -> None:
    with pytest.raises(UsageError, match=rf"\.jsonl, \.csv or \.parquet expected, {found} found"):
        check_extension(tmp_path / name)
    with pytest.raises(UsageError):
        write_table(TABLE, tmp_path / name)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"t\.csv cannot be written: "):
        write_table(TABLE, tmp_path / "file" / "t.csv")


def test_csv_has_no_cell_that_a_spreadsheet_runs(tmp_path: Path) -> None:
    ids = ["=cmd()", "+1", "-1+1", "@x", "\ttab", "plain", None]
    table = pa.table({"account_id": pa.array(ids, pa.large_string()), "score": [-1.0] * len(ids)})
    write_table(table, tmp_path / "hits.csv")
    rows = list(csv.reader((tmp_path / "hits.csv").open(newline="")))
    assert [row[0] for row in rows[1:]] == ["'=cmd()", "'+1", "'-1+1", "'@x", "'\ttab", "plain", ""]
    assert {row[1] for row in rows[1:]} == {"-1"}
