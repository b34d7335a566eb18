"""What several test files make alike: agreement, assigned, by_disk, day_file, families, same, worked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest

from fingerprint.domain.results import NightReport
from fingerprint.domain.settings import Home
from fingerprint.jobs import nightly
from fingerprint.nights import memory
from fingerprint.store.store import Store
from support.crafted import Sent, record_batch

Column = npt.NDArray[Any]


def worked(traffic: Path, home: Path) -> NightReport:
    return nightly.nightly([traffic], Home(home), assignments=home.with_suffix(".parquet"))


def day_file(folder: Path, sent: Sequence[Sent]) -> Path:
    """Write requests as JSON lines."""
    rows = record_batch(sent).to_pylist()
    path = folder / "day.jsonl"
    path.write_text("\n".join(json.dumps({**row, "timestamp": row["timestamp"].isoformat()}) for row in rows))
    return path


def by_disk(patch: pytest.MonkeyPatch, sample: int) -> None:
    """Let every night go by way of the disk, with samples of so many bytes."""
    patch.setattr(memory, "MOST_WHOLE", 0)
    patch.setattr(memory, "LEAST_SAMPLE", sample)
    patch.setattr(memory, "MOST_SAMPLE", sample)


def assigned(home: Path) -> Column:
    return np.array(pq.read_table(home.with_suffix(".parquet"))["family_id"].fill_null("").to_pylist())


def same(home: Path, other: Path) -> None:
    """Fail with the rows that differ unless two nights gave every request the same, to the byte."""
    rows, others = (pq.read_table(place.with_suffix(".parquet")).to_pylist() for place in (home, other))
    differing = [(a, b) for a, b in zip(rows, others, strict=True) if a != b]
    assert not differing, f"{home.name}: {len(differing)} of {len(rows)} rows, as {differing[:5]}"
    assert home.with_suffix(".parquet").read_bytes() == other.with_suffix(".parquet").read_bytes()


def agreement(a: Column, b: Column) -> float:
    """Adjusted Rand index (Hubert & Arabie 1985)."""
    x, y = (np.unique(column, return_inverse=True)[1] for column in (a, b))
    table = np.zeros((x.max() + 1, y.max() + 1))
    np.add.at(table, (x, y), 1)

    def pairs(n: npt.NDArray[np.float64]) -> float:
        return float((n * (n - 1) / 2).sum())

    rows, columns = pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    chance = rows * columns / pairs(np.array([float(len(a))]))
    return (pairs(table) - chance) / ((rows + columns) / 2 - chance)


def families(home: Path) -> list[tuple[str, int, int, float]]:
    with Store.open(home, read_only=True) as store:
        return [(f.family_id, f.accounts, f.requests, f.score) for f in store.families()]
