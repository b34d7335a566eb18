from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from fingerprint.domain.errors import StoreError
from fingerprint.evidence.request_facts import RequestFacts
from fingerprint.nights.spool_files import GROUP, SpoolFiles, read_rows

PIECES = 3 * GROUP + 1


def strings(*values: str) -> pa.LargeStringArray:
    return pa.array(values, pa.large_string())


def written(folder: Path) -> np.ndarray:
    """Write pieces of three requests, the second of which repeats an earlier one; return where each piece begins."""
    with SpoolFiles(folder) as files:
        for piece in range(PIECES):
            ids = [f"{piece}-{row}" for row in range(3)]
            texts = strings(*(f"text {name}" for name in ids))
            sent = strings(*(f"Sent {name}" for name in ids))
            files.write(texts, sent, pa.array([True, False, True]))
        files.finish()
        files.write_names(strings("a"), strings(), RequestFacts.none(1).distinct)
    return np.arange(0, 2 * PIECES + 1, 2)


def test_rows_come_back_in_their_order_from_any_number_of_batches(tmp_path: Path) -> None:
    begins = written(tmp_path)
    rows = np.flatnonzero(np.arange(begins[-1]) % 5 != 1)
    names = [f"{row // 2}-{2 * (row % 2)}" for row in rows]
    assert read_rows(tmp_path / "texts.arrow", begins, rows).to_pylist() == [f"text {name}" for name in names]
    assert read_rows(tmp_path / "sent.arrow", begins, rows).to_pylist() == [f"Sent {name}" for name in names]
    assert len(read_rows(tmp_path / "texts.arrow", begins, rows[:0])) == 0


class Full:
    """A writer on a full disk, which can neither write nor end its file."""

    def write_batch(self, batch: pa.RecordBatch) -> None:
        raise OSError("no space left")

    def close(self) -> None:
        raise OSError("no room for a footer either")


def filled(folder: Path, name: str, pieces: int) -> None:
    """Write pieces to files one of which lies on a full disk."""
    one = strings("x")
    with SpoolFiles(folder) as files:
        files._open[name].close()
        files._open[name] = Full()
        for _ in range(pieces):
            files.write(one, one, pa.array([True]))
        files.finish()


@pytest.mark.parametrize("name", ["texts", "sent"])
@pytest.mark.parametrize("pieces", [1, 2])
def test_a_disk_that_refuses_is_told(tmp_path: Path, name: str, pieces: int) -> None:
    with pytest.raises(StoreError, match="no space left"):
        filled(tmp_path, name, pieces)


def test_a_file_that_cannot_be_ended_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no room"):
        filled(tmp_path, "sent", 0)


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be spooled"), SpoolFiles(tmp_path / "gone"):
        pass
