"""The hunt: past traffic read for one family, and previews of what an edited signature would match."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from threadpoolctl import threadpool_limits

from fingerprint.base.parallel import in_order, workers
from fingerprint.base.types import StageProgress
from fingerprint.domain.errors import InputError, NotFound
from fingerprint.domain.reading import Reading
from fingerprint.domain.results import IngestReport
from fingerprint.domain.settings import Home
from fingerprint.domain.signature import DayCount, Signature
from fingerprint.domain.signature_json import from_json
from fingerprint.embedding.embedder import Embedder
from fingerprint.hunting.hunter import HIT_SCHEMA, Hunter, Target
from fingerprint.store.store import Store
from fingerprint.traffic.plausibility import refuse_doubtful
from fingerprint.traffic.reader import read_traffic
from fingerprint.traffic.writer import check_extension, rejects_of, write_table

HUNT_COLUMNS = ("request_id", "account_id", "timestamp", "system", "prompt")
"""What is read of native Parquet files."""

BATCH_ROWS = 8_192


@dataclass(frozen=True, slots=True)
class HuntOptions:
    """How to hunt.

    model: None takes the one of the two shipped models that made the signatures, or else the folder of one.
    by_meaning: False finds only what shares text. threads: None for all processors. top: accounts to list. strict: write
    no hits where the traffic raises a warning; raises DoubtfulTraffic.
    """

    model: str | None = None
    by_meaning: bool = True
    reading: Reading = field(default_factory=Reading)
    max_rejects: int | None = None
    threads: int | None = None
    top: int = 10
    strict: bool = False

    def embedder(self, target: Target) -> Embedder:
        """Load the model that reads as the signatures were read."""
        return Embedder.for_stamp(target.signatures[0].stamp, self.model)


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
class HuntPreview:
    """What a changed signature would match: as it is changed, and what that gains and loses.

    gained, lost: HIT_SCHEMA, the hits that only the changed and only the former signature has.
    """

    after: HuntReport
    before: HuntReport
    gained: pa.Table
    lost: pa.Table


def stored_target(home: Home, family_id: str, *, edited: Signature | None = None) -> Target:
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
    of_family = pc.equal(senders.column("family_id"), own[0].variant_of or family_id)
    return Target(tuple(own), senders.filter(of_family))


def read_target(file: Path, home: Home | None = None, *, edited: bool = False) -> Target:
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
        return Target(signatures)
    with Store.open(home.path, home.database, read_only=True) as store:
        senders = store.family_accounts()
    return Target(signatures, senders.filter(pc.equal(senders.column("family_id"), names[0])))


def hunt(
    target: Target,
    sources: Sequence[str | Path],
    options: HuntOptions | None = None,
    *,
    output: Path | str | None = None,
    on_progress: StageProgress | None = None,
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
    hunter = Hunter(target, options.embedder(target), by_meaning=options.by_meaning)
    reader = read_traffic(
        sources,
        rejects=None if to_file is None else rejects_of(to_file),
        max_rejects=options.max_rejects,
        reading=options.reading,
        batch_rows=BATCH_ROWS,
        columns=HUNT_COLUMNS,
        on_progress=None if on_progress is None else lambda done, total, _: on_progress("hunt", done, total),
    )
    # its products are small: threads of BLAS would take processors from ours by waiting for work
    with threadpool_limits(1, "blas"):
        parts = in_order(hunter.find, reader, threads=options.threads or workers())
        hits = pa.concat_tables([HIT_SCHEMA.empty_table(), *parts])
    ingest = reader.report()
    if options.strict:
        refuse_doubtful(ingest.warnings, "no hits are written")
    if output is not None:
        write_table(hits, to_file)
    return _report(target.family_id, hits, ingest, time.monotonic() - begin, top=options.top)


def preview(
    before: Target,
    after: Target,
    sources: Sequence[str | Path],
    options: HuntOptions | None = None,
    *,
    seconds: float | None = None,
) -> HuntPreview:
    """Compare what a family and its edited form match in some traffic; `seconds` bounds how long that may take."""
    options = options or HuntOptions()
    embedder = options.embedder(after)
    begin = time.monotonic()
    hunters = [Hunter(q, embedder, by_meaning=options.by_meaning) for q in (before, after)]
    reader = read_traffic(
        sources, rejects=None, reading=options.reading, batch_rows=BATCH_ROWS, columns=HUNT_COLUMNS
    )
    complete = True

    def until_time_is_up() -> Iterator[pa.RecordBatch]:
        nonlocal complete
        for batch in reader:
            yield batch
            if seconds is not None and time.monotonic() - begin > seconds:
                complete = False
                return

    def compare(batch: pa.RecordBatch) -> tuple[pa.Table, pa.Table]:
        return hunters[0].find(batch), hunters[1].find(batch)

    pairs = list(in_order(compare, until_time_is_up(), threads=options.threads or workers()))
    old, new = (pa.concat_tables([HIT_SCHEMA.empty_table(), *(pair[i] for pair in pairs)]) for i in (0, 1))
    passed = time.monotonic() - begin
    former, changed = (
        replace(_report(target.family_id, hits, reader.report(), passed, top=options.top), complete=complete)
        for target, hits in ((before, old), (after, new))
    )
    return HuntPreview(changed, former, gained=_without(new, old), lost=_without(old, new))


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
