"""A look at traffic tells its format, where each field stands, what would be rejected, and shows the first rows."""

from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from support.ingest_rows import lines, row

from fingerprint.cli.main import cli
from fingerprint.domain.errors import InputError
from fingerprint.domain.reading import Reading
from fingerprint.jobs.inspect import SHOWN, inspect

PAYLOAD = {
    "id": "x1",
    "call_type": "acompletion",
    "startTime": 1772445600.5,
    "model": "m-1",
    "metadata": {"user_api_key_hash": "h1", "requester_ip_address": "203.0.113.9"},
    "proxy_server_request": {
        "body": {"messages": [{"role": "user", "content": "word " * 100}], "tools": [{"name": "f"}]}
    },
    "model_parameters": {"temperature": 0.5},
}


def test_a_log_is_told_by_its_format_fields_rejects_and_rows(tmp_path: Path) -> None:
    path = tmp_path / "n.jsonl"
    rows = [{**PAYLOAD, "id": f"x{n}"} for n in range(4)]
    path.write_bytes(lines([*rows, row(1), {**PAYLOAD, "id": None}, rows[0]]) + b"{\n")
    found = inspect(path, rows=2)
    assert found.formats == {"plain rows": 1, "LiteLLM payload": 5}
    assert found.fields == {
        "request_id": {"id": 5},
        "account_id": {"metadata.user_api_key_hash": 5},
        "timestamp": {"startTime": 5},
        "model": {"model": 5},
        "ip_prefix": {"metadata.requester_ip_address": 5},
        "texts": {"proxy_server_request.body.messages": 5},
        "tools": {"proxy_server_request.body.tools": 5},
        "temperature": {"model_parameters.temperature": 5},
    }
    counts = found.ingest
    assert (counts.rows_read, counts.accepted, counts.rejected, counts.duplicates) == (8, 5, 2, 1)
    assert found.rejects["not_json"].startswith(f"{path} line 8: not JSON")
    assert found.rejects["missing_request_id"].startswith(f"{path} line 6: no request_id: looked for")
    assert [r["request_id"] for r in found.rows] == ["x0", "x1"]
    assert found.rows[0]["prompt"].endswith("…")
    assert len(found.rows[0]["prompt"]) == SHOWN


def test_what_is_given_and_mapped_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "n.jsonl"
    path.write_bytes(
        lines([{"rid": "r1", "said": [{"role": "user", "content": "hello"}], "ip": "203.0.113.9"}])
    )
    reading = Reading({"request_id": "rid", "prompt": "said"}, account="anna", time="2026-03-02T10:00:00Z")
    found = inspect(path, reading=reading)
    assert found.formats == {"rows of no known format": 1}
    assert found.fields == {
        "request_id": {"rid": 1},
        "account_id": {"given for every row": 1},
        "timestamp": {"given for every row": 1},
        "ip_prefix": {"ip": 1},
        "texts": {"said": 1},
    }


def test_a_table_of_our_own_columns_needs_no_telling(tmp_path: Path) -> None:
    columns = {
        "request_id": ["r1"],
        "account_id": ["a"],
        "timestamp": ["2026-03-02T10:00:00Z"],
        "prompt": ["hello"],
    }
    pq.write_table(pa.table(columns), tmp_path / "n.parquet")
    found = inspect(tmp_path / "n.parquet")
    assert (found.formats, found.fields) == ({"plain rows": 1}, {})
    with pytest.raises(InputError, match="cannot be read"):
        inspect(tmp_path / "none.jsonl")


def test_the_command_prints_a_page_or_one_object_for_each_file(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(lines([PAYLOAD]))
    names = [str(tmp_path / name) for name in ("a.jsonl", "b.jsonl")]
    printed = CliRunner().invoke(cli, ["inspect", *names, "--quiet"]).stdout
    assert printed.count("LiteLLM payload") == 2
    assert "metadata.user_api_key_hash" in printed
    assert "1 read: 1 accepted, 0 rejected, 0 duplicates" in printed
    objects = CliRunner().invoke(cli, ["inspect", *names, "--json", "--quiet", "--rows", "0"]).stdout
    reports = [orjson.loads(line) for line in objects.splitlines()]
    assert [report["source"] for report in reports] == names
    assert reports[0]["rows"] == []
    assert reports[0]["ingest"]["accepted"] == 1
