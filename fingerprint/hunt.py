"""Searches history for one family: which past requests a signature matches, and what it would have matched.

The answer to each request is the one that `matcher` gives in a home of this family only; a prefilter passes on to it
the few requests that can match at all.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from threadpoolctl import threadpool_limits

from fingerprint.embed import Embedder
from fingerprint.errors import InputError, NotFound, StampMismatch
from fingerprint.index import open_snapshot, set_threads
from fingerprint.ingest import read_traffic
from fingerprint.matcher import Matcher, publish, stamp_of
from fingerprint.normalise import compose, normalise
from fingerprint.parallel import in_order, workers
from fingerprint.prefilter import BLOCK, Prefilter
from fingerprint.records import DayCount, IngestReport, Signature
from fingerprint.settings import Home
from fingerprint.signature import from_json
from fingerprint.store import Store
from fingerprint.tabulate import check_extension, rejects_of, write_table

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

BATCH_ROWS = 8_192

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, slots=True)
class HuntOptions:
    """How to hunt.

    model: None takes the one of the two shipped models that made the signatures, or else the folder of one.
    by_meaning: False finds only what shares text. threads: None for all processors. top: accounts to list.
    """

    model: str | None = None
    by_meaning: bool = True
    mapping: Mapping[str, str] | None = None
    max_rejects: int | None = None
    threads: int | None = None
    top: int = 10

    def embedder(self, quarry: Quarry) -> Embedder:
        """Load the model that reads as the signatures were read."""
        maker = quarry.signatures[0].stamp.model
        name = self.model or ("minilm" if maker == "all-MiniLM-L6-v2" else "static")
        return Embedder.load(name, light=True)


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
    """Finds the requests that a family matches; any number of threads may use it, so FAISS is left one.

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
        self._own = threading.local()
        self._guard = threading.Lock()
        known = quarry.senders is not None and quarry.senders.num_rows > 0
        self._prefilter = Prefilter(signatures, embedder, known_senders=known)
        with tempfile.TemporaryDirectory(prefix="fingerprint-hunt-") as folder:
            # mapped files stay readable once their names are gone
            publish(Path(folder), signatures, here, night=None, senders=quarry.senders)
            set_threads(1)
            self._matcher = Matcher(open_snapshot(Path(folder)), embedder)

    def find(self, batch: pa.RecordBatch) -> pa.Table:
        """Return the hits among some requests, in their order (HIT_SCHEMA)."""
        if not len(batch):
            return HIT_SCHEMA.empty_table()
        parts = [batch.slice(start, BLOCK) for start in range(0, len(batch), BLOCK)]
        likely = [part.filter(pa.array(self._may_match(_texts(part)))) for part in parts]
        chosen = pa.concat_batches(likely)
        if not len(chosen):
            return HIT_SCHEMA.empty_table()
        found = self._matcher.find(normalise(_texts(chosen)), chosen.column("account_id"))
        return pa.table(
            {
                **{name: chosen.column(name) for name in HIT_SCHEMA.names[:3]},
                "score": np.round(found.score, 9),
                "coverage": np.round(found.coverage.astype(np.float64), 4),
            },
            schema=HIT_SCHEMA,
        ).filter(pa.array(found.matched))

    def _may_match(self, texts: pa.LargeStringArray) -> npt.NDArray[np.bool_]:
        if not hasattr(self._own, "prefilter"):
            with self._guard:
                self._own.prefilter = self._prefilter.twin(texts)
        own: Prefilter = self._own.prefilter
        return own.may_match(texts)


def _texts(batch: pa.RecordBatch) -> pa.LargeStringArray:
    return compose(batch.column("system"), batch.column("prompt"))


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


def read_quarry(file: Path, home: Home | None = None, *, edited: bool = False) -> Quarry:
    """Read a family from a file of one signature, or of one a line for its wordings; its senders are the home's.

    edited: the signatures may have been changed by hand. Raises InputError for any other content.
    """
    content = file.read_bytes()
    try:
        values = [orjson.loads(content)]
    except orjson.JSONDecodeError:
        try:
            values = [orjson.loads(line) for line in content.split(b"\n") if line.strip()]
        except orjson.JSONDecodeError as error:
            raise InputError(f"{file}: a signature as JSON expected: {error.msg}") from error
    try:
        signatures = tuple(from_json(value, edited=edited) for value in values)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    names = sorted({s.variant_of or s.family_id for s in signatures})
    if len(names) != 1:
        raise InputError(
            f"{file}: signatures of one family expected, of {len(names)} found: {', '.join(names)}"
        )
    if home is None:
        return Quarry(signatures)
    with Store.open(home.path, home.database, read_only=True) as store:
        senders = store.family_accounts()
    return Quarry(signatures, senders.filter(pc.equal(senders.column("family_id"), names[0])))


def hunt(
    quarry: Quarry,
    sources: Sequence[str | Path],
    options: HuntOptions | None = None,
    *,
    output: Path | str | None = None,
    on_progress: Progress | None = None,
) -> HuntReport:
    """Search traffic for a family, in the order of the traffic.

    output: path or URL to write the hits to (HIT_SCHEMA; .jsonl, .csv or .parquet), "-" for JSON lines on stdout.
    Rejected rows are listed beside it, those of a URL in the working folder.
    """
    options = options or HuntOptions()
    to_file = output if output is not None and str(output) != "-" else None
    if to_file is not None:
        check_extension(to_file)
    begin = time.monotonic()
    hunter = Hunter(quarry, options.embedder(quarry), by_meaning=options.by_meaning)
    reader = read_traffic(
        sources,
        rejects=None if to_file is None else rejects_of(to_file),
        max_rejects=options.max_rejects,
        mapping=options.mapping,
        batch_rows=BATCH_ROWS,
        columns=COLUMNS,
        on_progress=None if on_progress is None else lambda done, total, _: on_progress("hunt", done, total),
    )
    # its products are small: threads of BLAS would take processors from ours by waiting for work
    with threadpool_limits(1, "blas"):
        found = in_order(hunter.find, reader, threads=options.threads or workers())
        hits = pa.concat_tables([HIT_SCHEMA.empty_table(), *found])
    if output is not None:
        write_table(hits, to_file)
    return _report(quarry.family_id, hits, reader.report(), time.monotonic() - begin, top=options.top)


def preview(
    before: Quarry,
    after: Quarry,
    sources: Sequence[str | Path],
    options: HuntOptions | None = None,
    *,
    seconds: float | None = None,
) -> Preview:
    """Compare what a family and its edited form match in some traffic; `seconds` bounds how long that may take."""
    options = options or HuntOptions()
    embedder = options.embedder(after)
    begin = time.monotonic()
    hunters = [Hunter(q, embedder, by_meaning=options.by_meaning) for q in (before, after)]
    reader = read_traffic(
        sources, rejects=None, mapping=options.mapping, batch_rows=BATCH_ROWS, columns=COLUMNS
    )
    complete = True

    def until_time_is_up() -> Iterator[pa.RecordBatch]:
        nonlocal complete
        for batch in reader:
            yield batch
            if seconds is not None and time.monotonic() - begin > seconds:
                complete = False
                return

    def both(batch: pa.RecordBatch) -> tuple[pa.Table, pa.Table]:
        return hunters[0].find(batch), hunters[1].find(batch)

    pairs = list(in_order(both, until_time_is_up(), threads=options.threads or workers()))
    old, new = (pa.concat_tables([HIT_SCHEMA.empty_table(), *(pair[i] for pair in pairs)]) for i in (0, 1))
    taken = time.monotonic() - begin
    told = [
        replace(_report(q.family_id, hits, reader.report(), taken, top=options.top), complete=complete)
        for q, hits in ((before, old), (after, new))
    ]
    return Preview(told[1], told[0], gained=_without(new, old), lost=_without(old, new))


def _without(hits: pa.Table, others: pa.Table) -> pa.Table:
    return hits.filter(pc.invert(pc.is_in(hits.column("request_id"), others.column("request_id"))))


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
