"""Every format gives the same rows: JSON lines and documents, CSV, Parquet, gzip, folders, standard input."""

import gzip
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from support.ingest_rows import START, as_flat, lines, read, row

from fingerprint.domain.errors import UsageError
from fingerprint.domain.reading import Reading
from fingerprint.domain.results import IngestReport
from fingerprint.domain.schemas import TURN_END
from fingerprint.traffic.reader import read_traffic


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
            "facts": None,
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

    def test_lines_that_are_a_document(self, tmp_path: Path, night: Path) -> None:
        path = tmp_path / "doc.jsonl"
        rows = [row(n) for n in range(20)]
        pretty = [orjson.dumps(r, option=orjson.OPT_INDENT_2) for r in rows]
        for data in (orjson.dumps(rows, option=orjson.OPT_INDENT_2), b"\n".join(pretty)):
            path.write_bytes(b"\xef\xbb\xbf" + data)
            assert read(path)[0] == read(night)[0]
        path.write_bytes(b"{\n" + lines(rows))
        table, report = read(path)
        assert table == read(night)[0]
        assert report.reasons == {"not_json": 1}

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
        assert read(path, reading=Reading(mapping))[0] == expected
        flat = as_flat([row(n) for n in range(20)]).rename_columns(
            ["rid", "who", "at", "system", "text", "model", "metadata"]
        )
        pq.write_table(flat, tmp_path / "odd.parquet")
        mapping = {"request_id": "rid", "account_id": "who", "timestamp": "at", "prompt": "text"}
        assert read(tmp_path / "odd.parquet", reading=Reading(mapping))[0] == expected
        with pytest.raises(UsageError, match="'who' found"):
            read_traffic([path], rejects=None, reading=Reading({"who": "x"}))
