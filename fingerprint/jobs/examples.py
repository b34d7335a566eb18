"""Examples of a family's requests, read from kept traffic when somebody asks, and stored nowhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow.compute as pc

from fingerprint.hunting.hunter import Hunter, Target
from fingerprint.jobs.hunt import BATCH_ROWS, HUNT_COLUMNS, HuntOptions
from fingerprint.traffic.reader import read_traffic


@dataclass(frozen=True, slots=True)
class Example:
    """One request of a family, with its text as the logs have it; system is empty where there is none."""

    request_id: str
    account_id: str
    timestamp: datetime
    system: str
    prompt: str


def examples(
    target: Target, sources: Sequence[str | Path], options: HuntOptions, *, most: int, seconds: float
) -> list[Example]:
    """Return the first requests of a family in some traffic, one an account; stops after so many, or so many seconds."""
    hunter = Hunter(target, options.embedder(target), by_meaning=options.by_meaning)
    reader = read_traffic(
        sources, rejects=None, reading=options.reading, batch_rows=BATCH_ROWS, columns=HUNT_COLUMNS
    )
    begin = time.monotonic()
    listed: dict[str, Example] = {}
    for batch in reader:
        ids = hunter.find(batch).column("request_id")
        hits = batch.filter(pc.is_in(batch.column("request_id"), ids.combine_chunks()))
        for row in hits.select(HUNT_COLUMNS).to_pylist():
            if row["account_id"] not in listed and len(listed) < most:
                listed[row["account_id"]] = Example(**{**row, "system": row["system"] or ""})
        if len(listed) >= most or time.monotonic() - begin > seconds:
            break
    return list(listed.values())
