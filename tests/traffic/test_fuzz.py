"""No file is unforeseen: whatever it holds, its rows are accepted, rejected with a reason, or an error says why not."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.mutated import ENDINGS, spoilt

from fingerprint.domain.errors import FingerprintError
from fingerprint.domain.schemas import TRAFFIC_SCHEMA
from fingerprint.traffic.reader import read_traffic

FILES = int(os.environ.get("FINGERPRINT_FUZZ_FILES", "600"))
"""Spoilt files; 100,000 take some ten minutes."""

FOUND = (26055, 40638, 58837, 66514, 72266, 85259)
"""Files that were not foreseen once."""

FIRST = int(os.environ.get("FINGERPRINT_FUZZ_FIRST", "0"))


def outcome(path: Path) -> str | None:
    """Read a file as `nightly` does; returns what was not foreseen, None where everything was."""
    try:
        reader = read_traffic([path], rejects=None)
        table = pa.Table.from_batches(list(reader), TRAFFIC_SCHEMA)
        table.validate(full=True)
        report = reader.report()
        assert report.rows_read == report.accepted + report.rejected + report.duplicates
        assert len(table) == report.accepted
    except FingerprintError:
        return None
    except Exception:
        return traceback.format_exc()
    return None


def test_spoilt_files_are_foreseen(tmp_path: Path) -> None:
    unforeseen: dict[str, tuple[int, str]] = {}
    for seed in (*FOUND, *range(FIRST, FIRST + FILES)):
        ending, data = spoilt(seed)
        path = tmp_path / f"f{ending}"
        path.write_bytes(data)
        wrong = outcome(path)
        if wrong is not None:
            unforeseen.setdefault(wrong.strip().splitlines()[-1][:120], (seed, wrong))
    assert not unforeseen, "\n".join(f"seed {seed}: {words}" for seed, words in unforeseen.values())


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(ENDINGS), st.binary(max_size=400))
def test_any_bytes_are_foreseen(tmp_path: Path, ending: str, data: bytes) -> None:
    path = tmp_path / f"f{ending}"
    path.write_bytes(data)
    assert outcome(path) is None
