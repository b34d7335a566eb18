"""A request's text has a limit; pictures and files in the same line do not count, and no kind of file knows a way around it."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.ingest_rows import lines, read, row

from fingerprint.traffic.sources import LINE_BYTES, TEXT_BYTES

GATEWAY = {"account_id": "a", "timestamp": "2026-03-02T10:00:00Z"}


def chat(number: int, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"request_id": f"c{number}", **GATEWAY, "messages": [{"role": "user", "content": list(parts)}]}


def test_a_large_picture_is_no_long_text(tmp_path: Path) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * (TEXT_BYTES + 10)}}
    path = tmp_path / "n.jsonl"
    path.write_bytes(lines([chat(1, {"type": "text", "text": "What is this?"}, picture), row(2)]))
    table, report = read(path)
    assert report.rejected == 0
    assert table.column("prompt")[0].as_py().startswith("What is this?\nattachment://image/")


@pytest.mark.parametrize("size", [TEXT_BYTES, TEXT_BYTES + 1])
def test_the_limit_holds_in_rows_of_every_kind(tmp_path: Path, size: int) -> None:
    text = "a" * size
    rows = [
        row(1, prompt=text, system=None),
        row(2, prompt="\\" + text[1:], system=None),
        row(3, prompt=text[1:], system="s"),
    ]
    path = tmp_path / "n.jsonl"
    path.write_bytes(lines([*rows, chat(4, {"type": "text", "text": text}), row(5)]))
    accepted = read(path)[0].column("request_id").to_pylist()
    assert accepted == (["r1", "r2", "r3", "c4", "r5"] if size == TEXT_BYTES else ["r5"])
    table = pa.Table.from_pylist([{k: v for k, v in r.items() if k != "metadata"} for r in rows])
    pq.write_table(table, tmp_path / "n.parquet")
    assert read(tmp_path / "n.parquet")[1].reasons == ({} if size == TEXT_BYTES else {"too_long": 3})


def test_no_line_is_endless(tmp_path: Path) -> None:
    path = tmp_path / "n.jsonl"
    path.write_bytes(b'{"prompt":"' + b"a" * LINE_BYTES + b'"}\n' + lines([row(1)]))
    _, report = read(path)
    assert (report.accepted, report.reasons) == (1, {"too_long": 1})
