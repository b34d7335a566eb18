"""The jobs: a night of traffic into families, and new traffic against them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint import campaign, continuity, handover, judge, matcher, unexplained
from fingerprint.batch import Batch
from fingerprint.casework import Rhythm
from fingerprint.checkpoint import Checkpoints
from fingerprint.clock import Clock, Progress
from fingerprint.embed import Embedder, encode_cached
from fingerprint.engine import Engine, Threads
from fingerprint.engine_ray import Ray
from fingerprint.errors import SnapshotError, StoreError, UsageError
from fingerprint.handover import Handover
from fingerprint.index import open_snapshot
from fingerprint.ingest import read_traffic
from fingerprint.matcher import Matcher, stamp_of
from fingerprint.night import Asked, Night, Stored, job_key, normalised, worked
from fingerprint.observed import observed
from fingerprint.parallel import workers
from fingerprint.records import (
    ACTIVITY_SCHEMA,
    SPREAD_SCHEMA,
    TRAFFIC_SCHEMA,
    FloatArray,
    IngestReport,
    NightReport,
)
from fingerprint.rounds import Job
from fingerprint.settings import Home, Settings
from fingerprint.store import HomeLock, Store
from fingerprint.tabulate import check_extension, rejects_of, write_table
from fingerprint.vectors import VectorCache, forget_older


@dataclass(frozen=True, slots=True)
class LookupReport:
    """What one lookup run did; `snapshot` is the one it read."""

    ingest: IngestReport
    matched: int
    seconds: float
    snapshot: str


def nightly(
    sources: Sequence[str | Path],
    home: Home,
    settings: Settings | None = None,
    *,
    assignments: Path | str | None = None,
    mapping: Mapping[str, str] | None = None,
    on_progress: Progress | None = None,
) -> NightReport:
    """Cluster one batch of traffic into a home, continuing from the families it knows.

    sources: files, directories, URLs of either, or "-". assignments: path or URL to write request_id, family_id and
    strength to (.jsonl, .csv or .parquet).
    Nothing is stored until all is computed; then everything is, in one transaction. A job that ended after that, killed
    or because `assignments` could not be written, is finished by the same call again, without working anything twice.
    Raises InputError without a single valid row, and the errors of ingest, store and embed.
    """
    settings = settings or Settings()
    if assignments is not None:
        check_extension(assignments)
    clock = Clock(on_progress)
    # a call that cannot succeed makes no home
    working, asked = _engine(settings, home), Asked(sources, mapping, settings)
    embedder = Embedder.load(
        settings.model, device=settings.device, light=True, threads=settings.threads or workers()
    )
    work = home.path / "work"
    with HomeLock(home.path), Store.open(home.path, home.database) as store, working as engine:
        shutil.rmtree(home.path / "spill", ignore_errors=True)  # of a job that was killed
        store.check_stamp(stamp_of(embedder))
        done = handover.stored(work, asked.key, store.nights())
        if done is None:
            done = _worked(asked, home, store, embedder, engine, clock)
        clock.stage("publish")
        matcher.publish(
            home.path,
            store.signatures(),
            stamp_of(embedder),
            night=done.report.batch_id,
            senders=store.family_accounts(),
            revision=store.revision(),
        )
        days = settings.retention_days
        unexplained.write(home.path / "unexplained", done.report.batch_id, done.end, done.loose(), days=days)
        if assignments is not None:
            _hand_out(done, assignments)
        forget_older(home.path / "cache", days)
        shutil.rmtree(work, ignore_errors=True)
        clock.stage("done")
    return done.report


def _hand_out(done: Handover, assignments: Path | str) -> None:
    try:
        write_table(done.assignments(), assignments)
    except StoreError as error:
        raise StoreError(f"{error}; the night is stored, and run again it only writes this") from error


def _worked(
    asked: Asked, home: Home, store: Store, embedder: Embedder, engine: Engine, clock: Clock
) -> Handover:
    """Find and judge the families of a night, and store all of it at once."""
    settings = asked.settings
    stored = Stored(store.signatures(), stamp_of(embedder), [night.batch_id for night in store.nights()])
    work = Checkpoints(home.path / "work", job_key(asked, stored))
    cache = VectorCache(home.path / "cache", embedder.stamp, embedder.dimension)

    def embed(texts: pa.Array | pa.ChunkedArray) -> FloatArray:
        # a static model makes a vector in less time than a cache takes to find it
        return embedder.encode(texts) if embedder.is_static else encode_cached(embedder, cache, texts)

    clock.stage("read")
    reader = read_traffic(
        asked.sources,
        rejects=home.path / "rejects" / f"{clock.started:%Y%m%dT%H%M%S}.jsonl",
        max_rejects=settings.max_rejects,
        mapping=asked.mapping,
        on_progress=clock.reading,
    )
    found = worked(reader, stored, embed, Job(work, settings, clock.at, engine))
    clock.stage("judge")
    with ThreadPoolExecutor(1) as beside:
        rhythm = beside.submit(observed, found)
        unlike = judge.windows(found.batch, found.described.label, embed, found.texts)
        return _save(store, found, unlike, rhythm, clock, asked, work)


def _engine(settings: Settings, home: Home) -> AbstractContextManager[Engine]:
    count = settings.threads or workers()
    if settings.engine not in ("local", "ray"):
        raise UsageError(f"engine: local or ray expected, {settings.engine!r} found")
    if settings.engine == "ray":
        if settings.device is not None:
            raise UsageError("--device: only with --engine local")
        return Ray(settings.ray_address, workers=count, spill=home.path / "spill")
    if settings.ray_address is not None:
        raise UsageError("--ray-address: only with --engine ray")
    if settings.device is None:
        return nullcontext(Threads(count))
    from fingerprint.gpu import Search  # torch takes seconds to import

    return nullcontext(Threads(count, Search(settings.device)))


def lookup(
    sources: Sequence[str | Path],
    home: Home,
    *,
    output: Path | str | None,
    model: str | None = None,
    mapping: Mapping[str, str] | None = None,
    max_rejects: int | None = None,
    explain: bool = False,
    on_progress: Progress | None = None,
) -> LookupReport:
    """Look every request of some traffic up among a home's families, in the order of the traffic.

    output: path or URL (.jsonl, .csv or .parquet) to write request_id, family_id (null = no match), candidate_id (the
    nearest family, matched or not), score, label and campaign_id to; None = JSON lines on stdout. Rejected rows are
    listed beside it, those of a URL in the working folder. explain adds threshold, coverage, similarity and
    known_sender. model: None finds the one of the two shipped models that made the home.
    """
    if output is not None:
        check_extension(output)
    clock = Clock(on_progress)
    found = open_matcher(home, model)
    clock.stage("lookup")
    reader = read_traffic(
        sources,
        rejects=None if output is None else rejects_of(output),
        max_rejects=max_rejects,
        mapping=mapping,
        on_progress=clock.reading,
    )
    parts = [_matches(found, batch, explain) for batch in reader]
    table = pa.concat_tables(parts) if parts else _no_matches(found, explain)
    write_table(table, output)
    matched = table.num_rows - table.column("family_id").null_count
    return LookupReport(reader.report(), matched, clock.total(), found.snapshot.id)


def open_matcher(home: Home, model: str | None = None) -> Matcher:
    """Open a home's lookup snapshot; one that is missing or older than the database is made anew.

    Raises SnapshotError for a home that no night has worked on, StampMismatch if the model is not the home's.
    """
    if is_behind(home):
        publish_snapshot(home)
    return Matcher.open(home.path, model)


def is_behind(home: Home) -> bool:
    """Tell whether the snapshot is missing, damaged, or older than the database's last night or label.

    Raises SnapshotError for a home that no night has worked on.
    """
    with Store.open(home.path, home.database, read_only=True) as store:
        nights, stamp, revision = store.nights(), store.stamp(), store.revision()
    if not nights and stamp is None:
        raise SnapshotError(
            f"{home.path}: no families stored yet; run `fingerprint nightly TRAFFIC --home {home.path}`"
        )
    return _behind(home.path, nights[-1].batch_id if nights else None, revision)


def _behind(home: Path, night: str | None, revision: int) -> bool:
    try:
        meta = open_snapshot(home, verify=False).meta
        return bool(meta["night"] != night or meta.get("revision", -1) < revision)
    except SnapshotError:
        return True


def publish_snapshot(home: Home) -> str:
    """Make the lookup snapshot anew from the database, after a label or an import; returns its id."""
    with HomeLock(home.path), Store.open(home.path, home.database) as store:
        stamp, nights, revision = store.stamp(), store.nights(), store.revision()
        if stamp is None:
            raise SnapshotError(f"{home.path}: no families stored yet")
        return matcher.publish(
            home.path,
            store.signatures(),
            stamp,
            night=nights[-1].batch_id if nights else None,
            senders=store.family_accounts(),
            revision=revision,
        )


def _save(
    store: Store,
    found: Night,
    unlike: judge.Windows,
    rhythm: Future[Rhythm],
    clock: Clock,
    asked: Asked,
    work: Checkpoints,
) -> Handover:
    batch, night, batch_id = found.batch, found.described, found.content_hash
    names = [s.family_id for s in night.signatures]
    spread = _counts(batch, names, night.label[batch.prompt])
    activity = _counts(batch, None, np.zeros(len(batch), dtype=np.int32))
    earlier, sent = store.family_accounts(but_batch=batch_id), store.account_totals(but_batch=batch_id)
    before = judge.Before(earlier, sent)
    signatures = judge.judged(batch, night, found.filled(), before, store.signatures())
    pool, accounts = campaign.pools(_with_history(spread, earlier), names)
    totals = _with_history(activity, sent)
    whole = dict(
        zip(totals.column("account_id").to_pylist(), totals.column("requests").to_pylist(), strict=True)
    )
    both = judge.together(unlike, store.account_features(but_batch=batch_id))
    assessed = judge.with_departures(campaign.accounts(signatures, pool, accounts, whole), both, whole)
    clock.stage("store")
    report = NightReport(
        batch_id=batch_id,
        ingest=found.ingest,
        started=clock.started,
        seconds=clock.seconds,
        distinct_prompts=batch.distinct,
        families=int((np.bincount(night.label[night.label >= 0], minlength=len(names)) > 0).sum()),
        new_families=int(night.born.sum()),
        flagged=sum(s.flagged for s in signatures),
        assigned=int((night.label[batch.prompt] >= 0).sum()),
    )
    kept = handover.keep(work, asked.key, report, found)
    store.save_night(
        report,
        signatures,
        spread=spread,
        activity=activity,
        rhythm=rhythm.result(),
        features=judge.to_store(unlike),
        accounts=assessed,
        campaigns=campaign.campaigns(signatures, pool, len(whole)),
        events=continuity.events(
            signatures, night.born, night.joined, night.behaviour.requests, pool, _end(batch)
        ),
        retention_days=asked.settings.retention_days,
    )
    return kept


def _end(batch: Batch) -> datetime:
    return datetime.fromtimestamp(float(batch.second.max()), UTC)


def _counts(batch: Batch, names: list[str] | None, label: np.ndarray) -> pa.Table:
    """Count requests by family, account and day (SPREAD_SCHEMA); without names by account and day (ACTIVITY_SCHEMA)."""
    rows = np.flatnonzero(label >= 0)
    day = np.floor(batch.second[rows] / 86400).astype(np.int64)
    begin, end = (int(day.min()), int(day.max())) if len(day) else (0, 0)
    days, accounts = end - begin + 1, len(batch.accounts)
    key = (label[rows].astype(np.int64) * accounts + batch.account[rows]) * days + (day - begin)
    key, requests = np.unique(key, return_counts=True)
    sent, on = np.divmod(key, days)
    family, account = np.divmod(sent, accounts)
    columns = {
        "account_id": batch.accounts.take(pa.array(account)),
        "day": pa.array((on + begin).astype("datetime64[D]")),
        "requests": pa.array(requests.astype(np.int64)),
    }
    if names is None:
        return pa.table(columns, schema=ACTIVITY_SCHEMA)
    return pa.table(
        {"family_id": pa.array(names, pa.large_string()).take(pa.array(family)), **columns},
        schema=SPREAD_SCHEMA,
    )


def _with_history(tonight: pa.Table, before: pa.Table) -> pa.Table:
    """Sum tonight's and earlier requests by everything but the day."""
    keys = [name for name in ("family_id", "account_id") if name in tonight.column_names]
    columns = [*keys, "requests"]
    both = pa.concat_tables([tonight.select(columns), before.select(columns)], promote_options="permissive")
    summed = both.group_by(keys, use_threads=False).aggregate([("requests", "sum")])
    return summed.rename_columns([*keys, "requests"])


def _matches(found: Matcher, batch: pa.RecordBatch, explain: bool) -> pa.Table:
    hits = found.find(normalised(batch), batch.column("account_id"))
    number = pa.array(hits.family, mask=hits.family < 0)

    def facts(name: str) -> pa.Array:
        return pa.array([f[name] for f in found.families], pa.large_string()).take(number)

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
        columns["threshold"] = pa.array(found.snapshot.arrays["threshold"]).take(number)
        columns["coverage"] = pa.array(np.round(hits.coverage.astype(np.float64), 4))
        columns["similarity"] = pa.array(np.round(hits.similarity.astype(np.float64), 4))
        columns["known_sender"] = pa.array(hits.known_sender)
    return pa.table(columns)


def _no_matches(found: Matcher, explain: bool) -> pa.Table:
    empty = pa.RecordBatch.from_pylist([], schema=TRAFFIC_SCHEMA)
    return _matches(found, empty, explain)
