"""Traffic against the families of a home."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.base.types import StageProgress
from fingerprint.domain.errors import StoreError
from fingerprint.domain.families_column import families_column
from fingerprint.domain.reading import Reading
from fingerprint.domain.results import IngestReport
from fingerprint.domain.schemas import TRAFFIC_SCHEMA
from fingerprint.domain.settings import Home
from fingerprint.jobs.publish import has_snapshot, is_behind, publish_snapshot
from fingerprint.jobs.stage_clock import StageClock
from fingerprint.matching.live import REMEMBERED, one_thread
from fingerprint.matching.matcher import Matcher, Nearest
from fingerprint.matching.snapshot import open_snapshot
from fingerprint.matching.snapshot_build import embedder_of, with_facts
from fingerprint.matching.snapshot_files import published_at
from fingerprint.store.store import Store
from fingerprint.text.normalise import normalise_batch
from fingerprint.traffic.plausibility import refuse_doubtful
from fingerprint.traffic.reader import read_traffic
from fingerprint.traffic.writer import check_extension, rejects_of, write_table


@dataclass(frozen=True, slots=True)
class LookupReport:
    """What one lookup run did; `snapshot` is the one it read, `stale` why that may be older than the database.

    matched: requests of any family. flagged: those of them whose family is flagged and has no label, or is labelled a
    campaign's.
    """

    ingest: IngestReport
    matched: int
    flagged: int
    seconds: float
    snapshot: str
    stale: str | None = None


def lookup(
    sources: Sequence[str | Path],
    home: Home,
    *,
    output: Path | str | None,
    model: str | None = None,
    reading: Reading | None = None,
    max_rejects: int | None = None,
    explain: bool = False,
    strict: bool = False,
    on_progress: StageProgress | None = None,
) -> LookupReport:
    """Look every request of some traffic up among a home's families, in the order of the traffic.

    output: path or URL (.jsonl, .csv or .parquet) to write request_id, family_id (null = no match), candidate_id (the
    nearest family, matched or not), score, label, campaign_id and families (all that match, with their scores, the answer
    first) to; None = JSON lines on stdout. Rejected rows are listed beside it, those of a URL in the working folder.
    explain adds threshold, coverage, similarity and known_sender. strict: write no matches where the traffic raises a
    warning; raises DoubtfulTraffic. model: None finds the one of the two shipped models that made the home.
    """
    if output is not None:
        check_extension(output)
    clock = StageClock(on_progress)
    current = open_current(home, model)
    matcher = current.matcher
    clock.stage("lookup")
    reader = read_traffic(
        sources,
        rejects=None if output is None else rejects_of(output),
        max_rejects=max_rejects,
        reading=reading,
        on_progress=clock.reading,
    )
    flagged = 0
    parts = []
    for batch in reader:
        hits = matcher.find(normalise_batch(batch), batch.column("account_id"))
        flagged += int(matcher.snapshot.arrays["campaign"][hits.family[hits.matched]].sum())
        parts.append(_matches(matcher, batch, hits, explain=explain))
    ingest = reader.report()
    if strict:
        refuse_doubtful(ingest.warnings, "no matches are written")
    table = pa.concat_tables(parts) if parts else _no_matches(matcher, explain=explain)
    write_table(table, output)
    matched = table.num_rows - table.column("family_id").null_count
    return LookupReport(ingest, matched, flagged, clock.total(), matcher.snapshot.id, current.stale)


def open_matcher(home: Home, model: str | None = None) -> Matcher:
    """Open a home's lookup snapshot for a process that answers request by request; an old one is made anew.

    The tokenizer uses one thread from here on, and the last vectors of a slow model are remembered. Raises SnapshotError for a
    home that no night has worked on, StampMismatch if the model is not the home's.
    """
    one_thread()
    matcher = open_current(home, model).matcher
    matcher.remember(REMEMBERED)
    return matcher


@dataclass(frozen=True, slots=True)
class Current:
    """What answers lookups; stale: why it may be older than the database, in words, or None."""

    matcher: Matcher
    stale: str | None = None


def open_current(home: Home, model: str | None = None) -> Current:
    """Open a home's lookup snapshot; one that is missing or older than the database is made anew.

    Where it cannot be, as during a night, in a home that cannot be written, or without the database, the last one answers,
    with what people say now of its families, if that can be read. Raises as `open_matcher`.
    """
    try:
        if is_behind(home):
            publish_snapshot(home)
        return Current(Matcher.open(home.path, model))
    except StoreError as error:
        if not has_snapshot(home):
            raise
        return _last(home, model, str(error))


def _last(home: Home, model: str | None, reason: str) -> Current:
    snapshot = open_snapshot(home.path)
    written = datetime.fromtimestamp(published_at(home.path, snapshot.id), UTC)
    try:
        with Store.open(home.path, home.database, read_only=True) as store:
            _, facts = store.facts()
        snapshot, labels = with_facts(snapshot, facts), "the labels of now"
    except StoreError:
        labels = "the labels of then"
    stale = f"answers are of the snapshot of {written:%Y-%m-%d %H:%M} UTC, with {labels}: {reason}"
    return Current(Matcher(snapshot, embedder_of(snapshot, model)), stale)


def _matches(matcher: Matcher, batch: pa.RecordBatch, hits: Nearest, *, explain: bool) -> pa.Table:
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
        "families": _families(hits, matcher),
    }
    if explain:
        columns["threshold"] = pa.array(matcher.snapshot.arrays["threshold"]).take(number)
        columns["coverage"] = pa.array(np.round(hits.coverage.astype(np.float64), 4))
        columns["similarity"] = pa.array(np.round(hits.similarity.astype(np.float64), 4))
        columns["known_sender"] = pa.array(hits.known_sender)
    return pa.table(columns)


def _families(hits: Nearest, matcher: Matcher) -> pa.Array:
    """Return all families that each prompt matches, the one that it is given to first."""
    given = np.flatnonzero(hits.matched)
    row = np.concatenate([given, hits.also.row])
    order = np.argsort(row, kind="stable")
    names = pa.array(matcher.names, pa.large_string())
    return families_column(
        row[order],
        names.take(pa.array(np.concatenate([hits.family[given], hits.also.family])[order])),
        np.round(np.concatenate([hits.score[given], hits.also.score])[order], 9),
        rows=len(hits.family),
    )


def _no_matches(matcher: Matcher, *, explain: bool) -> pa.Table:
    empty = pa.RecordBatch.from_pylist([], schema=TRAFFIC_SCHEMA)
    hits = matcher.find(normalise_batch(empty), empty.column("account_id"))
    return _matches(matcher, empty, hits, explain=explain)
