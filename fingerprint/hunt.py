"""Searches history for one family: which past requests a signature matches, and what it would have matched.

The answer to each request is the one that `matcher` gives in a home of this family only; a prefilter passes on to it
the few requests that can match at all.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.embed import Embedder
from fingerprint.errors import NotFound, StampMismatch
from fingerprint.index import set_threads
from fingerprint.ingest import read_traffic
from fingerprint.matcher import Matcher, publish, stamp_of
from fingerprint.normalise import compose, normalise
from fingerprint.prefilter import Prefilter
from fingerprint.records import DayCount, IngestReport, Signature
from fingerprint.settings import Home
from fingerprint.store import Store
from fingerprint.tabulate import check_extension, write_table

HIT_SCHEMA = pa.schema(
    [
        pa.field("request_id", pa.large_string(), nullable=False),
        pa.field("account_id", pa.large_string(), nullable=False),
        pa.field("timestamp", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        # share of what marks the template that the request holds, 0 to 1; 0 where it matches by meaning only
        pa.field("coverage", pa.float64(), nullable=False),
    ]
)

COLUMNS = ("request_id", "account_id", "timestamp", "system", "prompt")
"""What is read of native Parquet files."""

BATCH_ROWS = 16_384

Progress = Callable[[str, int, int | None], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AccountHits:
    """What one account sent of the family, in the traffic searched."""

    account_id: str
    requests: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class HuntReport:
    """What a hunt found.

    hits, accounts: how many requests match, and how many accounts sent them. per_day: by UTC day.
    top: the accounts with the most hits. complete: False where a preview's time was up before the traffic's end.
    """

    family_id: str
    ingest: IngestReport
    hits: int
    accounts: int
    seconds: float
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    per_day: dict[str, DayCount] = field(default_factory=dict)
    top: tuple[AccountHits, ...] = ()
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Preview:
    """What a changed signature would match: as it is changed, and what that gains and loses.

    gained, lost: HIT_SCHEMA, the hits that only the changed and only the former signature has.
    """

    after: HuntReport
    before: HuntReport
    gained: pa.Table
    lost: pa.Table


@dataclass(frozen=True, slots=True)
class Quarry:
    """What is hunted: the wordings of one family, and who sent it before (account_id and family_id), if known."""

    signatures: tuple[Signature, ...]
    senders: pa.Table | None = None

    @property
    def family_id(self) -> str:
        """The family that all hits belong to."""
        first = self.signatures[0]
        return first.variant_of or first.family_id


class Hunter:
    """Finds the requests that a family matches; any number of threads may use it.

    by_meaning: False compares text only, and needs no model. Raises StampMismatch where the signatures were made by
    another normaliser, or, for meaning, by another model.
    """

    def __init__(self, quarry: Quarry, embedder: Embedder, *, by_meaning: bool = True) -> None:
        here = stamp_of(embedder)
        signatures = list(quarry.signatures)
        for number, found in enumerate(signatures):
            made = found.stamp if by_meaning else replace(here, normaliser=found.stamp.normaliser)
            if not by_meaning:
                made = replace(made, shingle=found.stamp.shingle)
                none = np.empty((0, here.dimension), np.float32)
                signatures[number] = replace(found, prototypes=none, stamp=here)
            if made != here:
                raise StampMismatch(f"signatures made by {here} expected, {found.family_id} is by {made}")
        self._signatures, self._embedder = signatures, embedder
        self._own = threading.local()
        self._known = quarry.senders is not None and quarry.senders.num_rows > 0
        with tempfile.TemporaryDirectory(prefix="fingerprint-hunt-") as folder:
            # mapped files stay readable once their names are gone
            publish(Path(folder), signatures, here, night=None, senders=quarry.senders)
            self._matcher = Matcher.open(Path(folder), str(embedder.folder))

    def find(self, batch: pa.RecordBatch) -> pa.Table:
        """Return the hits among some requests, in their order (HIT_SCHEMA)."""
        texts = normalise(compose(batch.column("system"), batch.column("prompt")))
        rows = np.flatnonzero(self._prefilter().may_match(texts))
        if not len(rows):
            return HIT_SCHEMA.empty_table()
        chosen = batch.take(pa.array(rows))
        found = self._matcher.find(texts.take(pa.array(rows)), chosen.column("account_id"))
        return pa.table(
            {
                **{name: chosen.column(name) for name in HIT_SCHEMA.names[:3]},
                "score": np.round(found.score, 9),
                "coverage": np.round(found.coverage.astype(np.float64), 4),
            },
            schema=HIT_SCHEMA,
        ).filter(pa.array(found.matched))

    def _prefilter(self) -> Prefilter:
        if not hasattr(self._own, "prefilter"):
            self._own.prefilter = Prefilter(self._signatures, self._embedder, known_senders=self._known)
        found: Prefilter = self._own.prefilter
        return found


def stored_quarry(home: Home, family_id: str, *, edited: Signature | None = None) -> Quarry:
    """Return a stored family with its other wordings and its known senders; `edited` stands in for its signature.

    Raises NotFound where the home has no such family.
    """
    with Store.open(home.path, home.database, read_only=True) as store:
        signatures, senders = store.signatures(), store.family_accounts()
    own = [s for s in signatures if family_id in (s.family_id, s.variant_of)]
    if not any(s.family_id == family_id for s in own):
        raise NotFound(f"no family {family_id} in {home.path}")
    if edited is not None:
        own = [edited if s.family_id == family_id else s for s in own]
    own.sort(key=lambda s: (s.variant_of is not None, s.family_id))
    mine = pc.equal(senders.column("family_id"), own[0].variant_of or family_id)
    return Quarry(tuple(own), senders.filter(mine))


def hunt(
    quarry: Quarry,
    sources: Sequence[str | Path],
    *,
    model: str = "static",
    by_meaning: bool = True,
    output: Path | None = None,
    rejects: Path | None = None,
    max_rejects: int | None = None,
    mapping: Mapping[str, str] | None = None,
    threads: int | None = None,
    top: int = 10,
    on_progress: Progress | None = None,
) -> HuntReport:
    """Search traffic for a family, in the order of the traffic.

    output: where to write the hits (HIT_SCHEMA; .jsonl, .csv or .parquet). top: accounts listed in the report.
    """
    if output is not None:
        check_extension(output)
    begin = time.monotonic()
    hunter = Hunter(quarry, Embedder.load(model), by_meaning=by_meaning)
    reader = read_traffic(
        sources,
        rejects=rejects,
        max_rejects=max_rejects,
        mapping=mapping,
        batch_rows=BATCH_ROWS,
        columns=COLUMNS,
        on_progress=None if on_progress is None else lambda done, total, _: on_progress("hunt", done, total),
    )
    hits = pa.concat_tables([HIT_SCHEMA.empty_table(), *_worked(hunter.find, reader, threads)])
    if output is not None:
        write_table(hits, output)
    return _report(quarry.family_id, hits, reader.report(), time.monotonic() - begin, top=top)


def preview(
    before: Quarry,
    after: Quarry,
    sources: Sequence[str | Path],
    *,
    model: str = "static",
    seconds: float | None = None,
    mapping: Mapping[str, str] | None = None,
    threads: int | None = None,
    top: int = 10,
) -> Preview:
    """Compare what a family and its edited form match in some traffic; `seconds` bounds how long that may take."""
    embedder = Embedder.load(model)
    begin = time.monotonic()
    hunters = [Hunter(quarry, embedder) for quarry in (before, after)]
    reader = read_traffic(sources, rejects=None, mapping=mapping, batch_rows=BATCH_ROWS, columns=COLUMNS)
    complete = True

    def until_time_is_up() -> Iterator[pa.RecordBatch]:
        nonlocal complete
        for batch in reader:
            if seconds is not None and time.monotonic() - begin > seconds:
                complete = False
                return
            yield batch

    def both(batch: pa.RecordBatch) -> tuple[pa.Table, pa.Table]:
        return hunters[0].find(batch), hunters[1].find(batch)

    pairs = list(_worked(both, until_time_is_up(), threads))
    old, new = (pa.concat_tables([HIT_SCHEMA.empty_table(), *(pair[i] for pair in pairs)]) for i in (0, 1))
    taken = time.monotonic() - begin
    told = [
        replace(_report(q.family_id, hits, reader.report(), taken, top=top), complete=complete)
        for q, hits in ((before, old), (after, new))
    ]
    return Preview(told[1], told[0], gained=_without(new, old), lost=_without(old, new))


def _without(hits: pa.Table, others: pa.Table) -> pa.Table:
    return hits.filter(pc.invert(pc.is_in(hits.column("request_id"), others.column("request_id"))))


def _worked(
    work: Callable[[pa.RecordBatch], T], batches: Iterable[pa.RecordBatch], threads: int | None
) -> Iterator[T]:
    """Work batches in threads, which the kernels let run, and yield the results in order; few batches are held."""
    workers = threads or os.cpu_count() or 1
    set_threads(1)
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for batch in batches:
            waiting.append(pool.submit(work, batch))
            while len(waiting) > 2 * workers or (waiting and waiting[0].done()):
                yield waiting.popleft().result()
        for job in waiting:
            yield job.result()


def _report(family_id: str, hits: pa.Table, ingest: IngestReport, seconds: float, *, top: int) -> HuntReport:
    if not hits.num_rows:
        return HuntReport(family_id, ingest, 0, 0, seconds)
    days = hits.append_column("day", pc.cast(hits.column("timestamp"), pa.date32()))
    per_day = (
        days.group_by("day")
        .aggregate([("request_id", "count"), ("account_id", "count_distinct")])
        .sort_by("day")
    )
    accounts = hits.group_by("account_id").aggregate(
        [("request_id", "count"), ("timestamp", "min"), ("timestamp", "max")]
    )
    ranked = accounts.sort_by([("request_id_count", "descending"), ("account_id", "ascending")]).slice(0, top)
    seen = pc.min_max(hits.column("timestamp")).as_py()
    return HuntReport(
        family_id,
        ingest,
        hits=hits.num_rows,
        accounts=accounts.num_rows,
        seconds=seconds,
        first_seen=seen["min"],
        last_seen=seen["max"],
        per_day={
            str(row["day"]): DayCount(row["request_id_count"], row["account_id_count_distinct"])
            for row in per_day.to_pylist()
        },
        top=tuple(
            AccountHits(r["account_id"], r["request_id_count"], r["timestamp_min"], r["timestamp_max"])
            for r in ranked.to_pylist()
        ),
    )
