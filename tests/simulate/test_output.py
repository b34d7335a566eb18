"""Files of simulated traffic agree with each other and with the truth, and one seed gives the same bytes."""

from __future__ import annotations

import gzip
import re
from dataclasses import replace
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from support.simulated import EVASIVE, SMALL

from fingerprint.domain.schemas import ROW_SCHEMA
from fingerprint.simulate import write


def test_files_agree(tmp_path: Path) -> None:
    config = replace(EVASIVE, rows=1_500)
    progress: list[tuple[int, int]] = []
    truth = tmp_path / "truth.jsonl.gz"
    files = write(config, tmp_path / "days", truth=truth, on_progress=lambda *seen: progress.append(seen))
    assert [file.name for file in files] == ["day1.parquet", "day2.parquet", "day3.parquet"]
    assert progress[-1] == (1_500, 1_500)
    traffic = pa.concat_tables(pq.read_table(file) for file in files)
    assert traffic.schema.equals(ROW_SCHEMA)
    assert write(config, tmp_path / "all.jsonl.gz") == [tmp_path / "all.jsonl.gz"]
    with gzip.open(tmp_path / "all.jsonl.gz") as lines:
        rows = [orjson.loads(line) for line in lines]
    assert [row["request_id"] for row in rows] == traffic["request_id"].to_pylist()
    assert [row["prompt"] for row in rows] == traffic["prompt"].to_pylist()
    assert isinstance(rows[0]["metadata"], dict)
    assert re.fullmatch(r"2026-03-02T\d\d:\d\d:\d\d\.\d{3}Z", rows[0]["timestamp"])
    with gzip.open(truth) as lines:
        labels = [orjson.loads(line) for line in lines]
    assert [label["request_id"] for label in labels] == [row["request_id"] for row in rows]
    assert set(labels[0]) == {
        *(
            "request_id",
            "account_id",
            "day",
            "role",
            "family",
            "campaign",
            "evasion",
            "mixing",
            "weak",
            "repeat",
            "session",
            "behaviour",
            "text",
            "variant",
            "kind",
        )
    }


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    config = replace(SMALL, rows=800)
    for suffix in (".jsonl.gz", ".parquet"):
        first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
        write(config, first)
        write(config, second)
        assert first.read_bytes() == second.read_bytes()


def test_the_sample_in_the_repository_is_complete() -> None:
    data = Path(__file__).parents[2] / "data"
    with gzip.open(data / "sample.jsonl.gz") as lines:
        ids = [orjson.loads(line)["request_id"] for line in lines]
    with gzip.open(data / "sample-truth.jsonl.gz") as lines:
        assert [orjson.loads(line)["request_id"] for line in lines] == ids
    assert len(ids) == 5_000
