"""A look at traffic before any night: what the reader makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fingerprint.base.types import StageProgress
from fingerprint.domain.reading import Reading
from fingerprint.domain.results import IngestReport
from fingerprint.domain.schemas import ROW_SCHEMA, TURN_END
from fingerprint.jobs.stage_clock import StageClock
from fingerprint.traffic.inspection import PLAIN, Trace
from fingerprint.traffic.reader import read_traffic

SHOWN = 200
"""Characters of a text that are shown."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the reader makes of one file or directory.

    formats: rows of each format. fields: of each field, in how many of the first rows it stands at each path; none of rows
    that are our own. rejects: of each kind of rejected rows the first, with its file and line. rows: the first ones, their
    texts shortened.
    """

    source: str
    formats: dict[str, int]
    fields: dict[str, dict[str, int]]
    ingest: IngestReport
    rejects: dict[str, str]
    rows: list[dict[str, Any]]


def inspect(
    source: str | Path,
    *,
    reading: Reading | None = None,
    rows: int = 5,
    on_progress: StageProgress | None = None,
) -> Inspection:
    """Read some traffic to its end, and tell what it is; nothing is stored. Raises InputError where it cannot be read."""
    clock = StageClock(on_progress)
    clock.stage("read")
    trace = Trace()
    reader = read_traffic([source], rejects=None, reading=reading, trace=trace, on_progress=clock.reading)
    first: list[dict[str, Any]] = []
    for batch in reader:
        if len(first) < rows:
            shown = batch.select(ROW_SCHEMA.names).slice(0, rows - len(first))
            first += [_shortened(row) for row in shown.to_pylist()]
    report = reader.report()
    plain = report.accepted + report.duplicates - trace.formats.total()
    return Inspection(
        source=str(source),
        formats=({PLAIN: plain} if plain > 0 else {}) | dict(trace.formats.most_common()),
        fields={name: dict(places.most_common()) for name, places in trace.places.items()},
        ingest=report,
        rejects=reader.rejected,
        rows=first,
    )


def _shortened(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _short(value) if isinstance(value, str) else value for name, value in row.items()}


def _short(text: str) -> str:
    """Return a text on one line, its end left out where it is long."""
    line = " ".join(text[: 4 * SHOWN].replace(TURN_END, " ⏎ ").split())
    return line if len(line) <= SHOWN and len(text) <= 4 * SHOWN else line[: SHOWN - 1] + "…"
