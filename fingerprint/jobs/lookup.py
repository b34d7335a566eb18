"""Traffic against the families of a home."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.base.types import StageProgress
from fingerprint.domain.reading import Reading
from fingerprint.domain.results import IngestReport
from fingerprint.domain.schemas import TRAFFIC_SCHEMA
from fingerprint.domain.settings import Home
from fingerprint.jobs.publish import is_behind, publish_snapshot
from fingerprint.jobs.stage_clock import StageClock
from fingerprint.matching.live import REMEMBERED, one_thread
from fingerprint.matching.matcher import Matcher
from fingerprint.text.normalise import normalise_batch
from fingerprint.traffic.reader import read_traffic
from fingerprint.traffic.writer import check_extension, rejects_of, write_table


@dataclass(frozen=True, slots=True)
class LookupReport:
    """What one lookup run did; `snapshot` is the one it read."""

    ingest: IngestReport
    matched: int
    seconds: float
    snapshot: str


def lookup(
    sources: Sequence[str | Path],
    home: Home,
    *,
    output: Path | str | None,
    model: str | None = None,
    reading: Reading | None = None,
    max_rejects: int | None = None,
    explain: bool = False,
    on_progress: StageProgress | None = None,
) -> LookupReport:
    """Look every request of some traffic up among a home's families, in the order of the traffic.

    output: path or URL (.jsonl, .csv or .parquet) to write request_id, family_id (null = no match), candidate_id (the
    nearest family, matched or not), score, label and campaign_id to; None = JSON lines on stdout. Rejected rows are
    listed beside it, those of a URL in the working folder. explain adds threshold, coverage, similarity and
    known_sender. model: None finds the one of the two shipped models that made the home.
    """
    if output is not None:
        check_extension(output)
    clock = StageClock(on_progress)
    matcher = _current(home, model)
    clock.stage("lookup")
    reader = read_traffic(
        sources,
        rejects=None if output is None else rejects_of(output),
        max_rejects=max_rejects,
        reading=reading,
        on_progress=clock.reading,
    )
    parts = [_matches(matcher, batch, explain) for batch in reader]
    table = pa.concat_tables(parts) if parts else _no_matches(matcher, explain)
    write_table(table, output)
    matched = table.num_rows - table.column("family_id").null_count
    return LookupReport(reader.report(), matched, clock.total(), matcher.snapshot.id)


def open_matcher(home: Home, model: str | None = None) -> Matcher:
    """Open a home's lookup snapshot for a process that answers request by request; an old one is made anew.

    Lookups use one thread each from here on, FAISS's too, and the last vectors are remembered. Raises SnapshotError for a
    home that no night has worked on, StampMismatch if the model is not the home's.
    """
    one_thread()
    matcher = _current(home, model)
    matcher.remember(REMEMBERED)
    return matcher


def _current(home: Home, model: str | None) -> Matcher:
    """Open a home's lookup snapshot; one that is missing or older than the database is made anew."""
    if is_behind(home):
        publish_snapshot(home)
    return Matcher.open(home.path, model)


def _matches(matcher: Matcher, batch: pa.RecordBatch, explain: bool) -> pa.Table:
    hits = matcher.find(normalise_batch(batch), batch.column("account_id"))
    number = pa.array(hits.family, mask=hits.family < 0)

    def facts(name: str) -> pa.Array:
        return pa.array([f[name] for f in matcher.families], pa.large_string()).take(number)

    candidate = facts("family_id")
    columns = {
        "request_id": batch.column("request_id"),
        "family_id": pc.if_else(pa.array(hits.matched), candidate, pa.scalar(None, pa.large_string())),
        "candidate_id": candidate,
        "score": pa.array(np.round(hits.score, 9), mask=hits.family < 0),
        "label": facts("label"),
        "campaign_id": facts("campaign_id"),
    }
    if explain:
        columns["threshold"] = pa.array(matcher.snapshot.arrays["threshold"]).take(number)
        columns["coverage"] = pa.array(np.round(hits.coverage.astype(np.float64), 4))
        columns["similarity"] = pa.array(np.round(hits.similarity.astype(np.float64), 4))
        columns["known_sender"] = pa.array(hits.known_sender)
    return pa.table(columns)


def _no_matches(matcher: Matcher, explain: bool) -> pa.Table:
    empty = pa.RecordBatch.from_pylist([], schema=TRAFFIC_SCHEMA)
    return _matches(matcher, empty, explain)
