"""Bad rows are listed with their line and the reason, never with their text, and the counts add up."""

import io
import re
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.ingest_rows import as_flat, lines, read, rejected, row

from fingerprint.domain.errors import StoreError, TooManyRejects
from fingerprint.domain.schemas import TURN_END

BAD_LINES: list[tuple[bytes, str, str]] = [
    (b"not json secret", "not_json", "not JSON: "),
    (b'{"request_id": "r", "prompt": "secret', "not_json", "not JSON: "),
    (b'{"prompt": "secret", "cost": NaN x}', "not_json", "not JSON: "),
    (b'["secret"]', "not_object", "an object expected, a list found"),
    (b"17", "not_object", "an object expected, a number found"),
    (orjson.dumps(row(1)).replace(b"prompt 1", b"\xff secret"), "invalid_utf8", "not valid UTF-8 at byte"),
    (orjson.dumps(row(1)).replace(b"a1", b"\xff secret"), "invalid_utf8", "not valid UTF-8 at byte"),
    (b"[" * 5000, "not_json", "not JSON: "),
    (
        orjson.dumps({k: v for k, v in row(1).items() if k != "account_id"}),
        "missing_account_id",
        "no account_id: looked for",
    ),
    (orjson.dumps(row(1, request_id=None)), "missing_request_id", "no request_id: looked for"),
    (
        orjson.dumps(row(1, account_id="secret\0")),
        "bad_account",
        "account_id: at most 2,000 bytes without a NUL",
    ),
    (orjson.dumps(row(1, account_id="é" * 1001)), "bad_account", "account_id: at most 2,000 bytes"),
    (orjson.dumps(row(1, request_id="secret\0x")), "bad_id", "request_id: at most 2,000 bytes without a NUL"),
    (orjson.dumps(row(1, timestamp="")), "missing_timestamp", "no timestamp: looked for"),
    (orjson.dumps(row(1, timestamp="secret day")), "bad_timestamp", "expected, text of 10 characters found"),
    (orjson.dumps(row(1, timestamp="2026-02-30T00:00:00Z")), "bad_timestamp", "'2026-02-30T00:00:00Z' found"),
    (orjson.dumps(row(1, timestamp=True)), "bad_timestamp", "expected"),
    (orjson.dumps(row(1, timestamp={"a": 1})), "bad_timestamp", "an object found"),
    (orjson.dumps(row(1, timestamp=5)), "bad_timestamp", "5 found"),
    (orjson.dumps(row(1, prompt=["a", 5])), "wrong_type", "a message expected, a number found"),
    (orjson.dumps(row(1, metadata="secret")), "wrong_type", "metadata: an object expected, text found"),
    (orjson.dumps(row(1, prompt="", system="")), "no_text", "no text"),
    (orjson.dumps(row(1, prompt="secret" * 40_000)), "too_long", "over 200,000 bytes in a line"),
]


class TestRejects:
    def test_each_kind_is_listed_with_its_line_and_without_its_text(self, tmp_path: Path) -> None:
        path, listed = tmp_path / "bad.jsonl", tmp_path / "deep" / "rejects.jsonl"
        good = orjson.dumps(row(7))
        path.write_bytes(
            b"\n".join([b"", good, *(line for line, _, _ in BAD_LINES), orjson.dumps(row(8))]) + b"\n"
        )
        table, report = read(path, rejects=listed, line_bytes=200_000)
        assert table.column("request_id").to_pylist() == ["r7", "r8"]
        assert report.rejects_path == str(listed)
        assert "secret" not in listed.read_text()
        entries = {entry["line"]: entry for entry in rejected(listed)}
        assert len(entries) == len(BAD_LINES) == report.rejected
        for number, (_, kind, words) in enumerate(BAD_LINES, 3):
            assert entries[number]["file"] == str(path)
            assert entries[number]["kind"] == kind
            assert words in entries[number]["reason"]

    def test_no_rejects_no_file(self, tmp_path: Path, night: Path) -> None:
        assert read(night, rejects=tmp_path / "rejects.jsonl")[1].rejects_path is None
        assert not (tmp_path / "rejects.jsonl").exists()

    def test_rows_of_a_table(self, tmp_path: Path) -> None:
        changes: list[tuple[dict[str, Any], str | None]] = [
            ({}, None),
            ({"request_id": None}, "missing_request_id"),
            ({"request_id": ""}, "missing_request_id"),
            ({"account_id": None}, "missing_account_id"),
            ({"timestamp": None}, "missing_timestamp"),
            ({"timestamp": "yesterday"}, "bad_timestamp"),
            ({"prompt": None, "system": ""}, "no_text"),
            ({"prompt": None, "system": "s"}, None),
            ({"prompt": "x" * 1001}, "too_long"),
            ({"metadata": "[1]"}, "wrong_type"),
            ({"metadata": "{"}, "wrong_type"),
            ({"metadata": None, "model": None, "prompt": f"a{TURN_END}b"}, None),
        ]
        flat = as_flat([row(n) for n in range(len(changes))]).to_pylist()
        table = pa.Table.from_pylist([r | change for r, (change, _) in zip(flat, changes, strict=True)])
        pq.write_table(table, tmp_path / "t.parquet", row_group_size=5)
        pacsv.write_csv(table, tmp_path / "t.csv")
        expected = {n: kind for n, (_, kind) in enumerate(changes, 1) if kind}
        for name in ("t.parquet", "t.csv"):
            got, report = read(
                tmp_path / name, rejects=tmp_path / "rejects.jsonl", line_bytes=1000, batch_rows=4
            )
            assert {e["line"]: e["kind"] for e in rejected(tmp_path / "rejects.jsonl")} == expected
            assert report.rejected == len(expected)
            assert got.column("prompt").to_pylist() == ["prompt 0\nwith a second line", "", "a b"]

    def test_ids_that_no_database_can_hold(self, tmp_path: Path) -> None:
        changes = [
            {"account_id": "a" * 2001},
            {"account_id": "a\0"},
            {"request_id": "r" * 2001},
            {"account_id": "a" * 2000},
        ]
        table = pa.Table.from_pylist(
            [f | c for f, c in zip(as_flat([row(n) for n in range(4)]).to_pylist(), changes, strict=True)]
        )
        pq.write_table(table, tmp_path / "t.parquet")
        pacsv.write_csv(table, tmp_path / "t.csv")
        (tmp_path / "t.jsonl").write_bytes(lines([row(n) | c for n, c in enumerate(changes)]))
        for name in ("t.parquet", "t.csv", "t.jsonl"):
            got, report = read(tmp_path / name)
            assert report.reasons == {"bad_account": 2, "bad_id": 1}
            assert got.column("request_id").to_pylist() == ["r3"]

    def test_invalid_utf8_in_tables(self, tmp_path: Path) -> None:
        def raw(text: bytes) -> pa.Array:
            values = pa.array([b"fine", text, b"fine too"], pa.binary())
            return pa.Array.from_buffers(pa.string(), 3, values.buffers())

        flat = as_flat([row(n) for n in range(3)])
        for column in ("prompt", "model"):
            spoilt = flat.set_column(flat.column_names.index(column), column, raw(b"\xff\xfe"))
            pq.write_table(spoilt, tmp_path / "t.parquet")
            _, report = read(tmp_path / "t.parquet")
            assert (report.accepted, report.reasons) == (2, {"invalid_utf8": 1})
        spoilt = spoilt.append_column("messages", raw(b"\xff")).drop_columns(["prompt", "model"])
        pq.write_table(spoilt, tmp_path / "t.parquet")
        assert read(tmp_path / "t.parquet")[1].reasons == {"invalid_utf8": 1}
        head = b"request_id,account_id,timestamp,prompt\n"
        (tmp_path / "t.csv").write_bytes(head + b"r1,a,1772409600,\xff\nr2,a,1772409600,fine\n")
        assert read(tmp_path / "t.csv")[1].reasons == {"invalid_utf8": 1}

    def test_csv_rows_of_another_width_or_over_the_limit(self, tmp_path: Path) -> None:
        path = tmp_path / "t.csv"
        rows = [
            "r1,a,1772409600,x",
            "r2,a,1772409600",
            "r3,a,1772409600,x,y",
            f"r4,a,1772409600,{'x' * 3000}",
            "r5,a,1772409600,x",
            r'r6,a,1772409600,"quotes escaped \"as elsewhere\", not doubled"',
        ]
        path.write_text("request_id,account_id,timestamp,prompt\n" + "\n".join(rows))
        table, _ = read(path, rejects=tmp_path / "rejects.jsonl", line_bytes=2000)
        assert table.column("request_id").to_pylist() == ["r1", "r5"]
        assert [(e["line"], e["kind"]) for e in rejected(tmp_path / "rejects.jsonl")] == [
            (2, "wrong_columns"),
            (3, "wrong_columns"),
            (4, "too_long"),
            (6, "wrong_columns"),
        ]
        assert "4 cells expected, 3 found" in (tmp_path / "rejects.jsonl").read_text()

    def test_csv_with_an_open_quote_loses_no_more_than_the_limit(self, tmp_path: Path) -> None:
        path = tmp_path / "t.csv"
        rows = [f"r{n},a,1772409600,{'x' * 50}" for n in range(200)]
        rows[10] = 'r10,a,1772409600,"open'
        path.write_text("request_id,account_id,timestamp,prompt\n" + "\n".join(rows))
        _, report = read(path, line_bytes=2000)
        assert report.accepted > 150

    @pytest.mark.parametrize(
        "stray", ['"open', '"open ""quoted""', '5" screen', 'a "quoted" word', '"closed" and on', '"open,x']
    )
    def test_a_stray_quote_spoils_no_row_but_its_own(self, tmp_path: Path, stray: str) -> None:
        path = tmp_path / "t.csv"
        rows = [f"r{n},a,1772409600,text {n}" for n in range(40)]
        rows[20] = 'r20,a,1772409600,"of two ""quoted""\r\nlines"'
        for at in (0, 10, 39):
            spoilt = [*rows[:at], f"r{at},a,1772409600,{stray}", *rows[at + 1 :]]
            path.write_text("request_id,account_id,timestamp,prompt\n" + "\n".join(spoilt) + "\n", newline="")
            table, report = read(path)
            assert report.rows_read == 40
            assert set(table.column("request_id").to_pylist()) >= {f"r{n}" for n in range(40) if n != at}
            assert 'of two "quoted"\r\nlines' in table.column("prompt").to_pylist()

    def test_a_quote_that_is_never_closed_is_told(self, tmp_path: Path) -> None:
        path = tmp_path / "t.csv"
        path.write_text('request_id,account_id,timestamp,prompt\nr0,a,1772409600,"x\nr1,a,1772409600,y\n')
        _, report = read(path, rejects=tmp_path / "rejects.jsonl")
        assert report.accepted == 1
        assert [(e["line"], e["kind"]) for e in rejected(tmp_path / "rejects.jsonl")] == [
            (1, "wrong_columns")
        ]
        assert "a quote begins here that none ends" in (tmp_path / "rejects.jsonl").read_text()

    def test_utf16_with_a_mark_is_read(self, tmp_path: Path) -> None:
        text = "request_id,account_id,timestamp,prompt\n" + "".join(
            f"r{n},a,1772409600,é {n}\n" for n in range(9)
        )
        for encoding in ("utf-16", "utf-16-be"):
            mark = b"" if encoding == "utf-16" else b"\xfe\xff"
            (tmp_path / "t.csv").write_bytes(mark + text.encode(encoding))
            (tmp_path / "t.jsonl").write_bytes(mark + lines([row(1), row(2)]).decode().encode(encoding))
            assert read(tmp_path / "t.csv")[0].column("prompt").to_pylist() == [f"é {n}" for n in range(9)]
            assert read(tmp_path / "t.jsonl")[1].accepted == 2

    def test_max_rejects_stops_and_names_file_and_reasons(self, tmp_path: Path) -> None:
        path = tmp_path / "bad.jsonl"
        path.write_bytes(lines([row(1), "x", "y", "z", "w", row(2)]))
        assert read(path, max_rejects=4)[1].rejected == 4
        listed = tmp_path / "rejects.jsonl"
        message = r"bad\.jsonl: 4 rejected rows, at most 3 allowed by --max-rejects; the first: .*line 2: an object expected, text found"
        with pytest.raises(TooManyRejects, match=message):
            read(path, max_rejects=3, rejects=listed)
        assert len(rejected(listed)) == 4
        with pytest.raises(TooManyRejects, match="1 rejected rows, at most 0"):
            read(path, max_rejects=0)

    def test_unwritable_rejects_file(self, tmp_path: Path) -> None:
        (tmp_path / "bad.jsonl").write_bytes(b"x\n")
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(StoreError, match="the rejects file cannot be written"):
            read(tmp_path / "bad.jsonl", rejects=tmp_path / "file" / "rejects.jsonl")

    def test_long_lines_are_skipped_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "n.jsonl"
        huge = b"x" * (3 << 20)
        path.write_bytes(lines([row(1)]) + huge + b"\n" + huge + b"\n" + lines([row(2)]) + huge)
        table, report = read(path, line_bytes=10_000)
        assert table.column("request_id").to_pylist() == ["r1", "r2"]
        assert report.reasons == {"too_long": 3}


good_or_bad = st.one_of(
    st.integers(0, 30).map(lambda n: orjson.dumps(row(n))),
    st.sampled_from([line for line, _, _ in BAD_LINES]),
    st.sampled_from([b"", b"  ", b"\t\r"]),
    # at the beginning a byte order mark is no row, and what packed data begin with no text
    st.binary(max_size=20).map(lambda b: re.sub(rb"\n|\xef\xbb\xbf|\x1f\x8b|BZh|\xfd7z|\x28\xb5", b"", b)),
    st.text(max_size=20).map(lambda t: orjson.dumps(row(3, request_id=t, prompt=t))),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mixture=st.lists(good_or_bad, max_size=40), batch_rows=st.integers(1, 50))
def test_counts_add_up_for_any_mixture(tmp_path: Path, mixture: list[bytes], batch_rows: int) -> None:
    listed = tmp_path / "rejects.jsonl"
    listed.unlink(missing_ok=True)
    source = io.BytesIO(b"\n".join(mixture))
    table, report = read("-", stdin=source, rejects=listed, batch_rows=batch_rows, line_bytes=200_000)
    assert report.rows_read == sum(1 for line in mixture if line.strip())
    ids = table.column("request_id").to_pylist()
    assert len(set(ids)) == len(ids)
    entries = rejected(listed) if listed.exists() else []
    assert len(entries) == report.rejected
    assert {entry["line"] for entry in entries} <= {n for n, line in enumerate(mixture, 1) if line.strip()}
