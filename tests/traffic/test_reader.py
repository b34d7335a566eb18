"""What the reader does with any format: duplicates, sources that cannot be read, batches and progress."""

import gzip
import io
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.ingest_rows import as_flat, lines, read, rejected, row

from fingerprint.domain.errors import InputError, UsageError
from fingerprint.domain.results import IngestReport
from fingerprint.domain.schemas import TRAFFIC_SCHEMA
from fingerprint.traffic.reader import TrafficReader, read_traffic


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
        with pytest.raises(InputError, match="column names must differ, but prompt occurs more than once"):
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


def test_reader_is_named_in_the_public_interface() -> None:
    assert isinstance(read_traffic([], rejects=None), TrafficReader)
