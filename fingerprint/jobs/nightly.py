"""One night, in order: read, discover, topics, describe, rewordings, assess, campaigns, store, publish."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from fingerprint.assessment.assess import EarlierNights, assess, meanings
from fingerprint.assessment.campaigns import AllNights
from fingerprint.assessment.departures import AccountFeatures, account_features, storable, with_earlier_nights
from fingerprint.assessment.earlier_evidence import Since
from fingerprint.assessment.flagging import flag_threshold
from fingerprint.assessment.lifecycle import flag_events
from fingerprint.assessment.outcome import group_campaigns
from fingerprint.base.parallel import workers
from fingerprint.base.process import peak_memory
from fingerprint.base.types import Ids, StageProgress
from fingerprint.discovery import leftovers
from fingerprint.discovery.topics import Unassigned, topics
from fingerprint.domain.errors import StoreError
from fingerprint.domain.expected_precision import expected_false_flags
from fingerprint.domain.reading import Reading
from fingerprint.domain.results import NightReport
from fingerprint.domain.rows import Event
from fingerprint.domain.settings import Home, Settings
from fingerprint.domain.signature import Signature
from fingerprint.domain.vocabulary import DEFAULT_MODEL
from fingerprint.embedding.embedder import Embedder, cached_encoder, model_of, stamp_of
from fingerprint.embedding.vector_cache import forget_older
from fingerprint.evidence.intents import catalogue
from fingerprint.jobs.stage_clock import StageClock
from fingerprint.matching import snapshot_build
from fingerprint.nights import large, over_midnight, resume, spool
from fingerprint.nights.beyond import by_meaning
from fingerprint.nights.checkpoint import Checkpoints
from fingerprint.nights.engine import Engine, choose_engine
from fingerprint.nights.job import Job, KnownFamilies, NightRequest, job_key
from fingerprint.nights.night import Night, discover, fill, read
from fingerprint.nights.over_midnight import given
from fingerprint.nights.profiles import with_profiles
from fingerprint.nights.resume import StoredNight
from fingerprint.nights.rhythm import rhythm_of
from fingerprint.signatures.describe import describe, text_families
from fingerprint.signatures.rewordings import NightFamilies, common_words, rewordings
from fingerprint.signatures.spread import account_days, family_days, with_requests
from fingerprint.store.home_size import home_sizes
from fingerprint.store.lock import HomeLock
from fingerprint.store.store import Store
from fingerprint.traffic.plausibility import fewer_rows, refuse_doubtful
from fingerprint.traffic.reader import TrafficReader, read_traffic
from fingerprint.traffic.writer import check_extension, write_table

BATCH_ROWS = 16_384
"""Rows that are read at a time, while those before them are put into their conversations."""


def nightly(
    sources: Sequence[str | Path],
    home: Home,
    settings: Settings | None = None,
    *,
    assignments: Path | str | None = None,
    reading: Reading | None = None,
    on_progress: StageProgress | None = None,
) -> NightReport:
    """Cluster one batch of traffic into a home, continuing from the families it knows.

    sources: files, directories, URLs of either, or "-". assignments: path or URL to write request_id, family_id,
    strength and families (all that a request holds, with their scores) to (.jsonl, .csv or .parquet).
    Nothing is stored until all is computed; then everything is, in one transaction. A job that ended after that, killed
    or because `assignments` could not be written, is finished by the same call again, without working anything twice.
    Raises InputError without a single valid row, and the errors of traffic, store and embedding.
    """
    settings = settings or Settings()
    if assignments is not None:
        check_extension(assignments)
    clock = StageClock(on_progress)
    flag_threshold(settings.precision)
    # a call that cannot succeed makes no home
    starting = choose_engine(settings, spill=home.spill, warm_up=spool.warm_up)
    request = NightRequest(sources, reading or Reading(), settings)
    threads = settings.threads or workers()
    chosen = Embedder.load(
        settings.model or DEFAULT_MODEL, device=settings.device, light=True, threads=threads
    )
    with HomeLock(home.path), Store.open(home.path, home.database) as store, starting as engine:
        shutil.rmtree(home.spill, ignore_errors=True)  # of a job that was killed
        embedder = chosen
        if settings.model is None and model_of(store.stamp()) != DEFAULT_MODEL:
            made_by = model_of(store.stamp())  # of an older home, which goes on with it
            embedder = Embedder.load(made_by, device=settings.device, light=True, threads=threads)
        store.check_stamp(stamp_of(embedder))
        night = resume.stored_night(home.work, request.key, store.nights())
        if night is None:
            night = _work(request, home, store, embedder, engine, clock)
        clock.stage("publish")
        _publish(night, home, store, embedder, settings)
        if assignments is not None:
            _hand_out(night, assignments)
        forget_older(home.vector_cache, settings.retention_days)
        shutil.rmtree(home.work, ignore_errors=True)
        clock.stage("done")
    return night.report


def _work(
    request: NightRequest, home: Home, store: Store, embedder: Embedder, engine: Engine, clock: StageClock
) -> StoredNight:
    """Read a night, find its families and judge them, and store all of it at once."""
    known = KnownFamilies(store.signatures(), stamp_of(embedder), [n.batch_id for n in store.nights()])
    job = _job(request, home, known, embedder, engine, clock)
    clock.stage("read")
    night = _looked_at(read(_reader(request, home, clock), known, job), store, request.settings.strict)
    families, unexplained, embedded = _families(night, known, job)
    night = night.counted(families)
    clock.stage("judge")
    batch, requests, but = night.batch, night.requests, night.content_hash
    family_of = given(batch, night.continued, families).family
    with ThreadPoolExecutor(1) as aside:
        features = aside.submit(_features, night, families, job, embedded)
        rhythm = aside.submit(rhythm_of, night, families)
        filled = fill(night, families, job)
        earlier = EarlierNights(store.family_accounts(but_batch=but), store.account_totals(but_batch=but))
        intents = catalogue(home.path / "intents.toml")
        signatures = assess(
            batch=batch,
            night=families,
            fillings=filled[0],
            meanings=meanings(batch, families, night.texts, night.sizes, intents, job.embed),
            earlier=earlier,
            stored=store.signatures(),
            precision=request.settings.precision,
            since=_since(store, but),
        )
        signatures = _as_sent(night, signatures, family_of, request.settings)
        spread = family_days(batch, requests, families.signatures, family_of)
        by_account = account_days(batch, requests)
        outcome = group_campaigns(
            signatures=signatures,
            families=families,
            history=AllNights.of(families, spread=spread, activity=by_account, earlier=earlier),
            features=with_earlier_nights(features.result(), store.account_features(but_batch=but)),
            end=night.end,
        )
        events = [*outcome.events, *flag_events(signatures, store.flagged_before(but))]
        clock.stage("store")
        report = _report(night, families, family_of, signatures, clock, events)
        report = replace(report, home_bytes=sum(home_sizes(home, store.database).values()))
        results = resume.Results(night, families, also=filled[1], unexplained=unexplained)
        kept = resume.keep(job.work, request.key, report, results)
        store.save_night(
            report,
            signatures,
            spread=spread,
            activity=by_account,
            rhythm=rhythm.result(),
            features=storable(features.result()),
            accounts=outcome.accounts,
            campaigns=outcome.campaigns,
            events=events,
            retention_days=request.settings.retention_days,
            keep_days=request.settings.keep_days,
        )
    return kept


def _job(
    request: NightRequest,
    home: Home,
    known: KnownFamilies,
    embedder: Embedder,
    engine: Engine,
    clock: StageClock,
) -> Job:
    work, embed = Checkpoints(home.work, job_key(request, known)), cached_encoder(embedder, home.vector_cache)
    words = embedder.word_model
    return Job(work, home.leftovers, home.conversations, request.settings, engine, embed, clock.at, words)


def _as_sent(
    night: Night, signatures: Sequence[Signature], family_of: Ids, settings: Settings
) -> list[Signature]:
    """Give the signatures of families that were sent tonight their spread and their profile."""
    spread = with_requests(night.batch, night.requests, signatures, family_of)
    return with_profiles(night, spread, family_of, settings.min_accounts)


def _features(
    night: Night, families: NightFamilies, job: Job, embedded: Unassigned | None
) -> AccountFeatures:
    return account_features(
        night.batch, families.label, job.embed, night.texts, night.sizes, embedded=embedded
    )


def _since(store: Store, batch_id: str) -> Since:
    """Say what the stored reasons are of: the night that was stored last may be worked again."""
    return Since.SAME if [n.batch_id for n in store.nights()][-1:] == [batch_id] else Since.BEFORE


def _looked_at(night: Night, store: Store, strict: bool) -> Night:
    """Compare a night with those before it; raises DoubtfulTraffic where something is odd and `strict` forbids it."""
    earlier = [n.ingest for n in store.nights() if n.batch_id != night.content_hash]
    warnings = (*night.ingest.warnings, *fewer_rows(night.ingest, earlier))
    if strict:
        refuse_doubtful(warnings, "nothing is stored")
    return replace(night, ingest=replace(night.ingest, warnings=warnings))


def _families(
    night: Night, known: KnownFamilies, job: Job
) -> tuple[NightFamilies, pa.Table, Unassigned | None]:
    """Return the families of a night, what of it to remember, and what of it was embedded, None if an earlier process did."""
    finished = large.finished(job.work)
    if finished is not None:
        return *finished, None
    with ThreadPoolExecutor(1) as aside:
        return _find(night, known, job, aside)


def _find(
    night: Night, known: KnownFamilies, job: Job, aside: Executor
) -> tuple[NightFamilies, pa.Table, Unassigned | None]:
    """Find and describe the families of a night; aside: does what waits for nothing."""
    discovered = discover(night=night, known=known, job=job)
    textual = aside.submit(
        text_families,
        discovered.batch,
        discovered.discovery,
        known.signatures,
        known.stamp,
        job.settings,
        whole=discovered.whole,
    )
    common = aside.submit(common_words, discovered.batch)
    topical = topics(
        batch=discovered.batch,
        discovery=discovered.discovery,
        assignment=discovered.assignment,
        stored=known.signatures,
        embed=job.embed,
        settings=job.settings,
        graph=discovered.graph,
    )
    whole = discovered.whole
    if night.spool is not None:
        whole = by_meaning(night.batch, whole, discovered.discovery, topical, known.signatures, job.embed)
    described = describe(
        batch=discovered.batch,
        discovery=discovered.discovery,
        textual=textual.result(),
        topical=topical,
        stored=known.signatures,
        embed=job.embed,
        stamp=known.stamp,
        settings=job.settings,
        whole=whole,
        words=job.words,
    )
    families = rewordings(
        described=described,
        batch=night.batch,
        texts=night.texts,
        common=common.result(),
        embed=job.embed,
    )
    unexplained = discovered.unexplained(families)
    if night.spool is not None:
        large.keep(families, unexplained, job.work)
        return families, unexplained, None
    return families, unexplained, topical.unassigned


def _reader(request: NightRequest, home: Home, clock: StageClock) -> TrafficReader:
    return read_traffic(
        request.sources,
        rejects=home.rejects / f"{clock.started:%Y%m%dT%H%M%S}.jsonl",
        max_rejects=request.settings.max_rejects,
        reading=request.reading,
        batch_rows=BATCH_ROWS,
        on_progress=clock.reading,
    )


def _report(
    night: Night,
    families: NightFamilies,
    family_of: Ids,
    signatures: Sequence[Signature],
    clock: StageClock,
    events: Sequence[Event],
) -> NightReport:
    first, last = (datetime.fromtimestamp(at, UTC) for at in (night.begin, night.end))
    return NightReport(
        batch_id=night.content_hash,
        ingest=night.ingest,
        started=clock.started,
        seconds=clock.seconds,
        distinct_prompts=night.batch.distinct,
        families=len(np.unique(families.label[families.label >= 0])),
        new_families=int(families.born.sum()),
        flagged=sum(s.flagged for s in signatures),
        expected_false_flags=expected_false_flags(s.score for s in signatures if s.flagged),
        assigned=int((family_of >= 0)[night.requests.conversation].sum()),
        conversations=int(night.requests.begins.sum()),
        first_request=first,
        last_request=last,
        accounts=len(night.batch.accounts),
        newly_flagged=sum(event.kind == "flagged" for event in events),
        cpu_seconds=clock.cpu_seconds,
        peak_memory=peak_memory(),
    )


def _publish(night: StoredNight, home: Home, store: Store, embedder: Embedder, settings: Settings) -> None:
    """Make the lookup snapshot anew, and remember what no family holds and what conversations may go on from."""
    snapshot_build.publish(
        home.path,
        store.signatures(),
        stamp_of(embedder),
        night=night.report.batch_id,
        senders=store.family_accounts(),
        revision=store.revision(),
    )
    batch_id = night.report.batch_id
    leftovers.write(home.leftovers, batch_id, night.end, night.unexplained(), days=settings.retention_days)
    over_midnight.write(
        home.conversations,
        batch_id,
        night.begin,
        night.end,
        night.conversations(),
        hours=settings.conversation_hours,
    )


def _hand_out(night: StoredNight, assignments: Path | str) -> None:
    try:
        write_table(night.assignments(), assignments)
    except StoreError as error:
        raise StoreError(
            f"{error}; the night is stored: run the same command again to write this file"
        ) from error
