"""No file is unforeseen: whatever it holds, its rows are accepted, rejected with a reason, or an error says why not."""

from __future__ import annotations

import os
import random
import traceback
from pathlib import Path

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.mutated import ENDINGS, ODD_BYTES, spoilt

from fingerprint.domain.errors import FingerprintError
from fingerprint.domain.reading import Reading
from fingerprint.domain.schemas import TRAFFIC_SCHEMA
from fingerprint.traffic.reader import read_traffic

FILES = int(os.environ.get("FINGERPRINT_FUZZ_FILES", "600"))
"""Spoilt files; 100,000 take some ten minutes."""

FOUND = (26055, 40638, 58837, 66514, 72266, 85259)
"""Files that were not foreseen once."""

FIRST = int(os.environ.get("FINGERPRINT_FUZZ_FIRST", "0"))


LOG = (
    b"INFO 03-02 10:00:00 logger.py:36] Received request c-1: prompt: 'Prune it, (now)\\n', params: SamplingParams(n=1, stop=['a']), x\n"
    b'DEBUG 03-02 10:00:01 [logger.py:47] Request c-2 details: prompt: "it\'s", prompt_token_ids: [1, 2].\n'
    b"[2026-03-02 10:00:02 TP0] Receive: obj=GenerateReqInput(text='a' ... 'b', sampling_params={'n': 1}, rid='r1')\n"
    b"[2026-03-02 10:00:03] Receive OpenAI: obj={'messages': [{'role': 'user', 'content': 'x'}], 'tools': None}\n"
    b"[2026-03-02 10:00:04] Finish: obj=GenerateReqInput(rid=['r2'], text=['a', 'b']), out={'text': 'y'}\n"
)
LITERALS = (
    *ODD_BYTES,
    b"None",
    b"'",
    b"(",
    b")",
    b" ... ",
    b"{1}",
    b"b'x'",
    b"[[",
    b"lambda: 0",
    b"-",
    b"=",
    b"...",
)


def outcome(path: Path, reading: Reading | None = None) -> str | None:
    """Read a file as `nightly` does; returns what was not foreseen, None where everything was."""
    try:
        reader = read_traffic([path], rejects=None, reading=reading)
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


def test_spoilt_logs_of_servers_are_foreseen(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    for seed in range(FIRST, FIRST + FILES // 2):
        rng = random.Random(seed)
        data = bytearray(LOG)
        for _ in range(rng.choice((1, 2, 5))):
            at = rng.randrange(len(data) + 1)
            data[at : at + rng.choice((0, 1, 9, 30))] = rng.choice(LITERALS)
        path.write_bytes(data)
        wrong = outcome(path, Reading(account="a"))
        assert wrong is None, f"seed {seed}: {wrong}"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(ENDINGS), st.binary(max_size=400))
def test_any_bytes_are_foreseen(tmp_path: Path, ending: str, data: bytes) -> None:
    path = tmp_path / f"f{ending}"
    path.write_bytes(data)
    assert outcome(path) is None
