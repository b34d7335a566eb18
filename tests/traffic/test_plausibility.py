"""What is odd about all rows together is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.ingest_rows import lines, read, row

from fingerprint.domain.results import IngestReport
from fingerprint.traffic.plausibility import FEWEST, fewer_rows


def kinds(report: IngestReport) -> set[str]:
    return {warning.kind for warning in report.warnings}


def rows(count: int, **change: object) -> list[object]:
    return [row(n, request_id=f"r{n}", account_id=f"a{n % 50}", **change) for n in range(count)]


def test_usual_traffic_raises_none(tmp_path: Path) -> None:
    (tmp_path / "n.jsonl").write_bytes(lines(rows(400)))
    (tmp_path / ".hidden.txt").write_bytes(b"x")
    assert read(tmp_path)[1].warnings == ()


def test_files_passed_over_are_told(tmp_path: Path) -> None:
    (tmp_path / "n.jsonl").write_bytes(lines(rows(3)))
    for name in ("a.unknown", "b.doc", "c", "d.bak", "e.tmp"):
        (tmp_path / name).write_bytes(b"x")
    (warning,) = read(tmp_path)[1].warnings
    assert warning.kind == "files_passed_over"
    assert warning.words.startswith("5 files passed over")
    assert warning.words.endswith("a.unknown, b.doc, c and 2 more")


def test_rows_that_are_no_requests_are_counted(tmp_path: Path) -> None:
    span = {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "GET /", "attributes": []}]}]}]}
    (tmp_path / "n.jsonl").write_bytes(lines([*rows(3), span, span]))
    report = read(tmp_path)[1]
    assert (report.accepted, report.rows_read, report.left_out) == (3, 3, 2)
    assert kinds(report) == {"rows_left_out"}


@pytest.mark.parametrize("others", [0, 5, 60])
@pytest.mark.parametrize("batch_rows", [37, 50_000])
def test_one_account_for_nearly_everything_is_told(tmp_path: Path, others: int, batch_rows: int) -> None:
    same = [row(n, request_id=f"s{n}", account_id="key-1") for n in range(300)]
    other = [row(n, request_id=f"o{n}", account_id=f"o{n}") for n in range(others)]
    (tmp_path / "n.jsonl").write_bytes(lines([*same, *other]))
    report = read(tmp_path, batch_rows=batch_rows)[1]
    assert kinds(report) == ({"one_account"} if others < 30 else set())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"system": None}, "system prompt"),
        ({"prompt": "", "system": "s"}, "user text"),
        ({"model": None}, "model"),
        ({"metadata": None}, "metadata"),
    ],
)
def test_a_column_that_is_always_empty_is_told(tmp_path: Path, change: dict[str, object], told: str) -> None:
    (tmp_path / "n.jsonl").write_bytes(lines(rows(FEWEST, **change)))
    (warning,) = read(tmp_path)[1].warnings
    assert warning.kind == "empty_column"
    assert f"no request has a {told}" in warning.words
    (tmp_path / "n.jsonl").write_bytes(lines([*rows(FEWEST, **change), row(1000)]))
    assert read(tmp_path)[1].warnings == ()


@pytest.mark.parametrize(
    ("now", "earlier", "told"),
    [
        (100, [1000, 1000, 1000], True),
        (299, [1000], True),
        (300, [1000], False),
        (100, [], False),
        (1, [150, 150], False),
        # only the latest nights count
        (100, [9000] * 20 + [300] * 7, False),
    ],
)
def test_far_fewer_rows_than_before_are_told(now: int, earlier: list[int], told: bool) -> None:
    warnings = fewer_rows(IngestReport(now, now, 0, 0), [IngestReport(n, n, 0, 0) for n in earlier])
    assert [w.kind for w in warnings] == (["fewer_rows"] if told else [])


def test_a_report_survives_being_written_down() -> None:
    report = IngestReport(
        1, 1, 0, 0, warnings=fewer_rows(IngestReport(1, 1, 0, 0), [IngestReport(900, 900, 0, 0)])
    )
    written = {
        "rows_read": 1,
        "accepted": 1,
        "rejected": 0,
        "duplicates": 0,
        "warnings": [{"kind": w.kind, "words": w.words} for w in report.warnings],
    }
    assert IngestReport.from_json(written) == report
