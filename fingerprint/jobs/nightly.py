"""One night: a batch of traffic into families."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from fingerprint.assessment import assess, campaigns, departures, lifecycle
from fingerprint.base.parallel import workers
from fingerprint.base.types import FloatArray, StageProgress
from fingerprint.discovery import leftovers
from fingerprint.discovery.batch import Batch
from fingerprint.domain.errors import StoreError, UsageError
from fingerprint.domain.results import NightReport
from fingerprint.domain.schemas import ACTIVITY_SCHEMA, SPREAD_SCHEMA, Activity
from fingerprint.domain.settings import Home, Settings
from fingerprint.embedding.embedder import Embedder, encode_cached, stamp_of
from fingerprint.embedding.vector_cache import VectorCache, forget_older
from fingerprint.jobs.stage_clock import StageClock
from fingerprint.matching import snapshot_build
from fingerprint.nights import resume
from fingerprint.nights.activity import activity_of
from fingerprint.nights.checkpoint import Checkpoints
from fingerprint.nights.engine import Engine, Threads
from fingerprint.nights.night import Night, NightRequest, Stored, job_key, worked
from fingerprint.nights.ray_engine import Ray
from fingerprint.nights.resume import StoredNight
from fingerprint.nights.sampling import Job
from fingerprint.store.lock import HomeLock
from fingerprint.store.store import Store
from fingerprint.traffic.reader import read_traffic
from fingerprint.traffic.writer import check_extension, write_table


def nightly(
    sources: Sequence[str | Path],
    home: Home,
    settings: Settings | None = None,
    *,
    assignments: Path | str | None = None,
    mapping: Mapping[str, str] | None = None,
    on_progress: StageProgress | None = None,
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
    clock = StageClock(on_progress)
    # a call that cannot succeed makes no home
    working, asked = _engine(settings, home), NightRequest(sources, mapping, settings)
    embedder = Embedder.load(
        settings.model, device=settings.device, light=True, threads=settings.threads or workers()
    )
    work = home.path / "work"
    with HomeLock(home.path), Store.open(home.path, home.database) as store, working as engine:
        shutil.rmtree(home.path / "spill", ignore_errors=True)  # of a job that was killed
        store.check_stamp(stamp_of(embedder))
        done = resume.stored_night(work, asked.key, store.nights())
        if done is None:
            done = _worked(asked, home, store, embedder, engine, clock)
        clock.stage("publish")
        snapshot_build.publish(
            home.path,
            store.signatures(),
            stamp_of(embedder),
            night=done.report.batch_id,
            senders=store.family_accounts(),
            revision=store.revision(),
        )
        days = settings.retention_days
        leftovers.write(home.path / "unexplained", done.report.batch_id, done.end, done.loose(), days=days)
        if assignments is not None:
            _hand_out(done, assignments)
        forget_older(home.path / "cache", days)
        shutil.rmtree(work, ignore_errors=True)
        clock.stage("done")
    return done.report


def _hand_out(done: StoredNight, assignments: Path | str) -> None:
    try:
        write_table(done.assignments(), assignments)
    except StoreError as error:
        raise StoreError(
            f"{error}; the night is stored: run the same command again to write this file"
        ) from error


def _worked(
    asked: NightRequest, home: Home, store: Store, embedder: Embedder, engine: Engine, clock: StageClock
) -> StoredNight:
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
        rhythm = beside.submit(activity_of, found)
        unlike = departures.account_features(found.batch, found.described.label, embed, found.texts)
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
    from fingerprint.clustering.knn_gpu import DeviceSearch  # torch takes seconds to import

    return nullcontext(Threads(count, DeviceSearch(settings.device)))


def _save(
    store: Store,
    found: Night,
    unlike: departures.AccountFeatures,
    rhythm: Future[Activity],
    clock: StageClock,
    asked: NightRequest,
    work: Checkpoints,
) -> StoredNight:
    batch, night, batch_id = found.batch, found.described, found.content_hash
    names = [s.family_id for s in night.signatures]
    spread = _counts(batch, names, night.label[batch.prompt])
    activity = _counts(batch, None, np.zeros(len(batch), dtype=np.int32))
    earlier, sent = store.family_accounts(but_batch=batch_id), store.account_totals(but_batch=batch_id)
    before = assess.EarlierNights(earlier, sent)
    signatures = assess.assess(batch, night, found.filled(), before, store.signatures())
    pool, accounts = campaigns.pools(_with_history(spread, earlier), names)
    totals = _with_history(activity, sent)
    whole = dict(
        zip(totals.column("account_id").to_pylist(), totals.column("requests").to_pylist(), strict=True)
    )
    both = departures.with_earlier_nights(unlike, store.account_features(but_batch=batch_id))
    assessed = departures.with_departures(campaigns.accounts(signatures, pool, accounts, whole), both, whole)
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
    kept = resume.keep(work, asked.key, report, found)
    store.save_night(
        report,
        signatures,
        spread=spread,
        activity=activity,
        rhythm=rhythm.result(),
        features=departures.storable(unlike),
        accounts=assessed,
        campaigns=campaigns.campaigns(signatures, pool, len(whole)),
        events=lifecycle.events(
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
