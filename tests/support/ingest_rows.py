"""Rows of traffic made by hand, as lines and as a table, and what reading a file of them gives."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from fingerprint.domain.results import IngestReport
from fingerprint.domain.schemas import TRAFFIC_SCHEMA
from fingerprint.traffic.reader import read_traffic

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


def as_flat(rows: Sequence[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([r | {"metadata": orjson.dumps(r["metadata"]).decode()} for r in rows])
