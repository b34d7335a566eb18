import gzip
import io
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fingerprint.errors import InputError, StoreError, TooManyRejects, UsageError
from fingerprint.ingest import TrafficReader, read_traffic
from fingerprint.records import TRAFFIC_SCHEMA, TURN_END, IngestReport

START = datetime(2026, 3, 2, tzinfo=UTC)


def row(n: int, **change: Any) -> dict[str, Any]:
    return {
        "request_id": f"r{n}",
        "account_id": f"a{n % 3}",
        "timestamp": f"2026-03-02T00:00:{n % 60:02d}.250Z",
        "system": None if n % 2 else "Be brief.",
        "prompt": f"prompt {n}\nwith a second line",
        "model": "m",
        "metadata": {"ip_prefix": "1.2.3", "user_agent": f"sdk/{n}"},
    } | change


def lines(rows: Sequence[object]) -> bytes:
    return b"".join(orjson.dumps(r) + b"\n" for r in rows)


def read(*sources: str | Path, **options: Any) -> tuple[pa.Table, IngestReport]:
    reader = read_traffic(sources, rejects=options.pop("rejects", None), **options)
    table = pa.Table.from_batches(list(reader), TRAFFIC_SCHEMA)
    table.validate(full=True)
    report = reader.report()
    assert report.rows_read == report.accepted + report.rejected + report.duplicates
    assert report.accepted == len(table)
    assert report.rejected == sum(report.reasons.values())
    return table, report


def rejected(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture
def night(tmp_path: Path) -> Path:
    path = tmp_path / "night.jsonl"
    path.write_bytes(lines([row(n) for n in range(20)]))
    return path


def as_flat(rows: Sequence[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([r | {"metadata": orjson.dumps(r["metadata"]).decode()} for r in rows])


class TestFormats:
    def test_jsonl(self, night: Path) -> None:
        table, report = read(night)
        assert report == IngestReport(20, 20, 0, 0, {}, None)
        first = table.to_pylist()[0]
        assert first == {
            "request_id": "r0",
            "account_id": "a0",
            "timestamp": START + timedelta(milliseconds=250),
            "system": "Be brief.",
            "prompt": "prompt 0\nwith a second line",
            "model": "m",
            "metadata": '{"ip_prefix":"1.2.3","user_agent":"sdk/0"}',
        }

    @pytest.mark.parametrize(
        "name", ["n.jsonl.gz", "n.ndjson", "n.csv", "n.csv.gz", "n.parquet", "n.pq", "n.json"]
    )
    def test_every_format_reads_the_same(self, tmp_path: Path, night: Path, name: str) -> None:
        rows = [row(n) for n in range(20)]
        path = tmp_path / name
        if ".csv" in name:
            packed = io.BytesIO()
            pacsv.write_csv(as_flat(rows), packed)
            data = packed.getvalue()
        elif ".json" in name or "nd" in name:
            data = lines(rows)
        else:
            pq.write_table(as_flat(rows), path)
            data = path.read_bytes()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        assert read(path)[0] == read(night)[0]

    def test_parquet_with_other_types(self, tmp_path: Path, night: Path) -> None:
        rows = [row(n) for n in range(20)]
        flat = as_flat(rows)
        times = [START + timedelta(seconds=n, milliseconds=250) for n in range(20)]
        columns = {name: flat.column(name) for name in flat.column_names}
        structs = pa.array([r["metadata"] for r in rows])
        naive = pa.array([t.replace(tzinfo=None) for t in times], pa.timestamp("ns"))
        other = {
            "timestamp": naive,
            "account_id": columns["account_id"].combine_chunks().dictionary_encode(),
            "metadata": structs,
            "prompt": columns["prompt"].cast(pa.large_binary()),
        }
        pq.write_table(pa.table(columns | other), tmp_path / "t.parquet")
        expected = read(night)[0]
        assert read(tmp_path / "t.parquet")[0] == expected
        pairs = pa.array([list(r["metadata"].items()) for r in rows], pa.map_(pa.string(), pa.string()))
        epochs = pa.array([t.timestamp() for t in times])
        pq.write_table(pa.table(columns | {"timestamp": epochs, "metadata": pairs}), tmp_path / "t.parquet")
        assert read(tmp_path / "t.parquet")[0] == expected

    def test_parquet_with_messages(self, tmp_path: Path) -> None:
        messages = [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "u"},
            {"role": "user", "content": "v"},
        ]
        gateway = [{k: row(n)[k] for k in ("request_id", "account_id", "timestamp")} for n in range(3)]
        for value in (messages, orjson.dumps(messages).decode()):
            pq.write_table(
                pa.Table.from_pylist([g | {"messages": value} for g in gateway]), tmp_path / "m.parquet"
            )
            table, _ = read(tmp_path / "m.parquet")
            assert table.column("prompt").to_pylist() == [f"u{TURN_END}v"] * 3
            assert table.column("system").to_pylist() == ["s"] * 3
        flat = [g | {"messages": orjson.dumps(messages).decode()} for g in gateway]
        pacsv.write_csv(pa.Table.from_pylist(flat), tmp_path / "m.csv")
        assert read(tmp_path / "m.csv")[0] == table

    def test_one_json_document(self, tmp_path: Path, night: Path) -> None:
        path = tmp_path / "doc.json"
        rows = [row(n) for n in range(20)]
        path.write_bytes(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
        assert read(path)[0] == read(night)[0]
        requests = [
            {"custom_id": f"c{n}", "params": {"messages": [{"role": "user", "content": "x"}]}}
            for n in range(3)
        ]
        batch = {"account_id": "a", "timestamp": 1772409600, "requests": requests}
        path.write_bytes(orjson.dumps(batch, option=orjson.OPT_INDENT_2))
        table, report = read(path)
        assert table.column("request_id").to_pylist() == ["c0", "c1", "c2"]
        assert report.rows_read == 3

    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    def test_stdin(self, night: Path, pack: Any) -> None:
        assert read("-", stdin=io.BytesIO(pack(night.read_bytes())))[0] == read(night)[0]

    def test_directory_in_sorted_order(self, tmp_path: Path) -> None:
        root = tmp_path / "logs"
        (root / "b").mkdir(parents=True)
        (root / "_temporary").mkdir()
        (root / "b" / "1.jsonl").write_bytes(lines([row(3)]))
        (root / "a.jsonl").write_bytes(lines([row(1)]))
        (root / "a.csv").write_bytes(b"request_id,account_id,timestamp,prompt\nr0,a,2026-03-02T00:00:00Z,x\n")
        (root / "c.jsonl.gz").write_bytes(gzip.compress(lines([row(4)])))
        for ignored in (".hidden.jsonl", "_temporary/x.jsonl", "README.md"):
            (root / ignored).write_bytes(b"not traffic\n")
        assert read(root)[0].column("request_id").to_pylist() == ["r0", "r1", "r3", "r4"]

    def test_several_gzip_members(self, tmp_path: Path, night: Path) -> None:
        path = tmp_path / "n.jsonl.gz"
        path.write_bytes(b"".join(gzip.compress(lines([row(n)])) for n in range(20)) + b"\0" * 100)
        assert read(path)[0] == read(night)[0]

    def test_bom_crlf_blank_lines_and_no_last_newline(self, tmp_path: Path, night: Path) -> None:
        path = tmp_path / "n.jsonl"
        data = b"\xef\xbb\xbf" + b"\r\n  \r\n\n".join(orjson.dumps(row(n)) for n in range(20))
        expected = read(night)[0]
        path.write_bytes(data)
        table, report = read(path)
        assert table == expected
        assert report.rows_read == 20
        path.write_bytes(gzip.compress(data))
        assert read(path)[0] == expected

    def test_line_separators_inside_prompts(self, tmp_path: Path) -> None:
        odd = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\rh"
        raw = (
            b'{"request_id":"r","account_id":"a","timestamp":1772409600,"prompt":"%s"}\n'
            % odd.replace("\r", "").replace("\x0b", "").replace("\x0c", "").replace("\x1c", "").encode()
        )
        path = tmp_path / "n.jsonl"
        path.write_bytes(lines([row(1, prompt=odd)]) + raw)
        table, _ = read(path)
        assert table.column("prompt").to_pylist() == [odd, "a\u2028b\u2029c\x85defgh"]
        assert read(path)[1].accepted == 2

    @pytest.mark.parametrize("name", ["e.jsonl", "e.jsonl.gz", "e.json", "e.csv", "e.parquet"])
    def test_empty_file_has_no_rows(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(b"")
        assert read(tmp_path / name)[1] == IngestReport(0, 0, 0, 0, {}, None)

    def test_files_with_no_rows(self, tmp_path: Path) -> None:
        pq.write_table(as_flat([row(1)]).slice(0, 0), tmp_path / "e.parquet")
        (tmp_path / "e.csv").write_bytes(b"request_id,account_id,timestamp,prompt\n")
        assert read(tmp_path / "e.parquet", tmp_path / "e.csv")[1].rows_read == 0
        assert read("-", stdin=io.BytesIO())[1].rows_read == 0

    def test_two_megabytes_of_prompt(self, tmp_path: Path) -> None:
        long = "ab \U0001f600" * 300_000
        path = tmp_path / "n.jsonl"
        path.write_bytes(lines([row(1), row(2, prompt=long), row(3)]))
        pq.write_table(as_flat([row(1), row(2, prompt=long), row(3)]), tmp_path / "n.parquet")
        pacsv.write_csv(as_flat([row(1), row(2, prompt=long), row(3)]), tmp_path / "n.csv")
        for name in ("n.jsonl", "n.parquet", "n.csv"):
            table, report = read(tmp_path / name)
            assert report.accepted == 3, name
            assert table.column("prompt")[1].as_py() == long

    def test_csv_cells_with_newlines_quotes_and_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "n.csv"
        path.write_text(
            "request_id,account_id,timestamp,system,prompt,extra\n"
            'r1,a,1772409600,,"say ""hi"",\n\nplease\u2028",x\n'
            "\n"
            "r2,a,1772409600.5,sys,,\n"
        )
        table, report = read(path)
        assert report.rows_read == 2
        assert table.column("prompt").to_pylist() == ['say "hi",\n\nplease\u2028', ""]
        assert table.column("system").to_pylist() == [None, "sys"]
        assert table.column("timestamp")[1].as_py() == START + timedelta(milliseconds=500)

    def test_mapping(self, tmp_path: Path, night: Path) -> None:
        expected = read(night)[0]
        mapping = {"request_id": "rid", "account_id": "who.id", "timestamp": "at[0]", "prompt": "text"}
        odd = [
            {
                "rid": r["request_id"],
                "who": {"id": r["account_id"]},
                "at": [r["timestamp"]],
                "text": r["prompt"],
            }
            | {k: r[k] for k in ("system", "model", "metadata")}
            for r in map(row, range(20))
        ]
        path = tmp_path / "odd.jsonl"
        path.write_bytes(lines(odd))
        mapping |= {"metadata": "metadata", "system": "system"}
        assert read(path, mapping=mapping)[0] == expected
        flat = as_flat([row(n) for n in range(20)]).rename_columns(
            ["rid", "who", "at", "system", "text", "model", "metadata"]
        )
        pq.write_table(flat, tmp_path / "odd.parquet")
        mapping = {"request_id": "rid", "account_id": "who", "timestamp": "at", "prompt": "text"}
        assert read(tmp_path / "odd.parquet", mapping=mapping)[0] == expected
        with pytest.raises(UsageError, match="'who' found"):
            read_traffic([path], rejects=None, mapping={"who": "x"})


BAD_LINES: list[tuple[bytes, str, str]] = [
    (b"not json secret", "not_json", "not JSON: "),
    (b'{"request_id": "r", "prompt": "secret', "not_json", "not JSON: "),
    (b'{"prompt": NaN}', "not_json", "not JSON: "),
    (b'["secret"]', "not_object", "an object expected, a list found"),
    (b"17", "not_object", "an object expected, a number found"),
    (orjson.dumps(row(1)).replace(b"prompt 1", b"\xff secret"), "invalid_utf8", "not valid UTF-8 at byte"),
    (orjson.dumps(row(1)).replace(b"prompt 1", b"\\ud800 secret"), "invalid_utf8", "a lone surrogate"),
    (orjson.dumps(row(1)).replace(b"prompt 1", b"\\udc00 secret"), "invalid_utf8", "a lone surrogate"),
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
        ]
        path.write_text("request_id,account_id,timestamp,prompt\n" + "\n".join(rows))
        table, _ = read(path, rejects=tmp_path / "rejects.jsonl", line_bytes=2000)
        assert table.column("request_id").to_pylist() == ["r1", "r5"]
        assert [(e["line"], e["kind"]) for e in rejected(tmp_path / "rejects.jsonl")] == [
            (2, "wrong_columns"),
            (3, "wrong_columns"),
            (4, "too_long"),
        ]
        assert "4 cells expected, 3 found" in (tmp_path / "rejects.jsonl").read_text()

    def test_csv_with_an_open_quote_loses_no_more_than_the_limit(self, tmp_path: Path) -> None:
        path = tmp_path / "t.csv"
        rows = [f"r{n},a,1772409600,{'x' * 50}" for n in range(200)]
        rows[10] = 'r10,a,1772409600,"open'
        path.write_text("request_id,account_id,timestamp,prompt\n" + "\n".join(rows))
        _, report = read(path, line_bytes=2000)
        assert report.accepted > 150

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


class TestDuplicates:
    def test_the_first_counts_over_all_files(self, tmp_path: Path) -> None:
        (tmp_path / "1.jsonl").write_bytes(lines([row(1), row(2), row(1, prompt="again")]))
        (tmp_path / "2.jsonl").write_bytes(lines([row(2, prompt="again"), row(3)]))
        table, report = read(tmp_path)
        assert table.column("request_id").to_pylist() == ["r1", "r2", "r3"]
        assert "again" not in table.column("prompt").to_pylist()
        assert report == IngestReport(5, 3, 0, 2, {}, None)

    def test_in_small_batches(self, night: Path) -> None:
        table, report = read(night, night, batch_rows=3)
        assert table == read(night)[0]
        assert report.duplicates == 20

    def test_content_hash_ignores_names_and_order(self, tmp_path: Path, night: Path) -> None:
        def digest(*sources: Path) -> str:
            reader = read_traffic(sources, rejects=None)
            for _ in reader:
                pass
            return reader.content_hash

        halves = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
        halves[0].write_bytes(lines([row(n) for n in range(0, 20, 2)]))
        halves[1].write_bytes(lines([row(n) for n in range(1, 20, 2)]))
        assert digest(night) == digest(*halves) == digest(*reversed(halves))
        assert len(digest(night)) == 32
        for change in ({"account_id": "b"}, {"request_id": "x"}, {"timestamp": "2026-03-02T00:00:01.251Z"}):
            halves[1].write_bytes(lines([row(n, **(change if n == 1 else {})) for n in range(1, 20, 2)]))
            assert digest(*halves) != digest(night)


class TestSources:
    def test_missing_unknown_and_empty(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"nowhere\.jsonl: cannot be read: No such file"):
            read_traffic([tmp_path / "nowhere.jsonl"], rejects=None)
        (tmp_path / "notes.txt").write_bytes(b"x")
        with pytest.raises(InputError, match=r"\.jsonl, .* expected, 'notes\.txt' found"):
            read_traffic([tmp_path / "notes.txt"], rejects=None)
        with pytest.raises(
            InputError, match=r"no traffic in this directory; looked for \.jsonl.*found 1 files"
        ):
            read_traffic([tmp_path], rejects=None)
        with pytest.raises(UsageError, match="batch_rows: at least 1 expected, 0 found"):
            read_traffic([], rejects=None, batch_rows=0)

    def test_damaged_gzip(self, tmp_path: Path) -> None:
        path = tmp_path / "n.jsonl.gz"
        packed = gzip.compress(lines([row(n) for n in range(5000)]))
        path.write_bytes(packed[: len(packed) // 2])
        reader = read_traffic([path], rejects=None, batch_rows=100)
        sizes: list[int] = []
        with pytest.raises(InputError, match=r"n\.jsonl\.gz: the gzip stream ends in the middle"):
            sizes.extend(map(len, reader))
        assert sum(sizes) > 1000
        path.write_bytes(packed[: len(packed) // 2] + b"\0\xff" * 1000 + packed[len(packed) // 2 :])
        with pytest.raises(InputError, match=r"n\.jsonl\.gz: damaged gzip data"):
            read(path)

    def test_damaged_parquet_and_csv_header(self, tmp_path: Path) -> None:
        (tmp_path / "n.parquet").write_bytes(b"PAR1 this is not Parquet")
        with pytest.raises(InputError, match=r"n\.parquet: not a readable Parquet file"):
            read(tmp_path / "n.parquet")
        (tmp_path / "n.csv").write_bytes(b"prompt,prompt\n1,2\n")
        with pytest.raises(InputError, match="different column names expected, prompt found more than once"):
            read(tmp_path / "n.csv")

    def test_file_name_that_is_not_utf8(self, tmp_path: Path) -> None:
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jsonl"))
        path.write_bytes(b"not json\n")
        read(tmp_path, rejects=tmp_path / "rejects" / "r.jsonl")
        assert rejected(tmp_path / "rejects" / "r.jsonl")[0]["file"] == f"{tmp_path}/\ufffd.jsonl"

    def test_file_that_vanishes(self, night: Path) -> None:
        reader = read_traffic([night], rejects=None)
        night.unlink()
        with pytest.raises(InputError, match="cannot be read: No such file"):
            list(reader)


class TestBatches:
    def test_schema_and_size(self, tmp_path: Path, night: Path) -> None:
        pq.write_table(as_flat([row(n + 100) for n in range(17)]), tmp_path / "n.parquet")
        batches = list(read_traffic([night, tmp_path / "n.parquet"], rejects=None, batch_rows=8))
        assert all(isinstance(batch, pa.RecordBatch) and batch.schema == TRAFFIC_SCHEMA for batch in batches)
        assert max(len(batch) for batch in batches) <= 8
        assert sum(len(batch) for batch in batches) == 37

    def test_progress(self, tmp_path: Path, night: Path) -> None:
        pq.write_table(as_flat([row(n + 100) for n in range(17)]), tmp_path / "n.parquet")
        (tmp_path / "n.csv").write_bytes(
            b"request_id,account_id,timestamp,prompt\nq,a,2026-03-02T00:00:00Z,x\n"
        )
        seen: list[tuple[int, int | None, int]] = []
        read(tmp_path, on_progress=lambda *now: seen.append(now))
        total = sum(path.stat().st_size for path in tmp_path.iterdir())
        assert seen == sorted(seen)
        assert seen[-1] == (total, total, 38)
        seen.clear()
        data = night.read_bytes()
        read("-", stdin=io.BytesIO(data), on_progress=lambda *now: seen.append(now))
        assert seen[-1] == (len(data), None, 20)

    def test_gzip_bomb_is_read_in_bounded_blocks(self, tmp_path: Path) -> None:
        path = tmp_path / "bomb.jsonl.gz"
        path.write_bytes(gzip.compress(b"x" * (64 << 20), 1))
        _, report = read(path)
        assert report.reasons == {"too_long": 1}


good_or_bad = st.one_of(
    st.integers(0, 30).map(lambda n: orjson.dumps(row(n))),
    st.sampled_from([line for line, _, _ in BAD_LINES]),
    st.sampled_from([b"", b"  ", b"\t\r"]),
    # at the beginning a byte order mark is no row, and gzip's mark no text
    st.binary(max_size=20).map(lambda b: re.sub(rb"\n|\xef\xbb\xbf|\x1f\x8b", b"", b)),
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


def test_reader_is_named_in_the_public_interface() -> None:
    assert isinstance(read_traffic([], rejects=None), TrafficReader)
