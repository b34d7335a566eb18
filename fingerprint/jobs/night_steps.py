"""One night, in order: read, discover, topics, describe, rewordings, assess, campaigns, store, publish.

`nightly` asks for it, and reads ahead while this module and all that it needs are loaded.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from fingerprint.assessment.assess import EarlierNights, assess, meanings
from fingerprint.assessment.campaigns import AllNights
from fingerprint.assessment.departures import AccountFeatures, account_features, storable, with_earlier_nights
from fingerprint.assessment.earlier_evidence import Since
from fingerprint.assessment.lifecycle import flag_events
from fingerprint.assessment.outcome import group_campaigns
from fingerprint.base.parallel import workers
from fingerprint.base.process import give_back, peak_memory
from fingerprint.base.types import Ids
from fingerprint.discovery import leftovers
from fingerprint.discovery.topics import Unassigned, compare_unassigned, topics
from fingerprint.domain.errors import StoreError
from fingerprint.domain.expected_precision import expected_false_flags
from fingerprint.domain.results import NightReport
from fingerprint.domain.rows import Event
from fingerprint.domain.settings import Home, Settings
from fingerprint.domain.signature import Signature
from fingerprint.domain.vocabulary import DEFAULT_MODEL
from fingerprint.embedding.embedder import Embedder, cached_encoder, model_of, stamp_of
from fingerprint.embedding.static_model import StaticModel
from fingerprint.embedding.vector_cache import forget_older
from fingerprint.evidence.intents import catalogue
from fingerprint.jobs.stage_clock import StageClock
from fingerprint.matching import snapshot_build
from fingerprint.nights import large, over_midnight, resume
from fingerprint.nights.beyond import by_meaning
from fingerprint.nights.checkpoint import Checkpoints
from fingerprint.nights.engine import Engine
from fingerprint.nights.job import Job, KnownFamilies, NightRequest, job_key
from fingerprint.nights.night import Discovered, Night, discover, fill, read
from fingerprint.nights.over_midnight import given
from fingerprint.nights.profiles import with_profiles
from fingerprint.nights.resume import StoredNight
from fingerprint.nights.rhythm import rhythm_of
from fingerprint.signatures.describe import describe, text_families
from fingerprint.signatures.rewordings import NightFamilies, common_words, rewordings
from fingerprint.signatures.spread import account_days, family_days, with_requests
from fingerprint.store.home_size import home_sizes
from fingerprint.store.store import Store
from fingerprint.traffic.plausibility import fewer_rows, refuse_doubtful
from fingerprint.traffic.reader import TrafficReader
from fingerprint.traffic.writer import write_table

Proven: TypeAlias = tuple[NightFamilies, pa.Table, Unassigned | None]
"""The families of a night, what of it to remember, and what of it was embedded, None if an earlier process did."""


def work_night(
    request: NightRequest,
    home: Home,
    starting: AbstractContextManager[Engine],
    embedder: Embedder,
    reader: TrafficReader,
    batches: Iterator[pa.RecordBatch],
    clock: StageClock,
    assignments: Path | str | None,
) -> NightReport:
    """Work a night as `nightly` says, in a home that this process has locked; batches: of the reader, which has begun.

    starting: the engine, which starts when it is first used. embedder: of the model that was asked for, or the default one.
    """
    settings = request.settings
    with Store.open(home.path, home.database) as store, starting as engine, ThreadPoolExecutor(1) as aside:
        if settings.model is None and model_of(store.stamp()) != DEFAULT_MODEL:
            made_by = model_of(store.stamp())  # of an older home, which goes on with it
            embedder = Embedder.load(
                made_by, device=settings.device, light=True, threads=settings.threads or workers()
            )
        store.check_stamp(stamp_of(embedder))
        night = resume.stored_night(home.work, request.key, store.nights())
        if night is None:
            known = KnownFamilies(
                store.signatures(), stamp_of(embedder), [n.batch_id for n in store.nights()]
            )
            job = _job(request, home, known, embedder, engine, clock)
            words = aside.submit(_words_of, embedder)  # a model is read while traffic is
            clock.at("read", 0, None)
            read_night = _looked_at(read(reader, known, job, batches), store, settings.strict)
            job = replace(job, words=words.result())
            proven = _families(read_night, known, job)
            give_back()
            clock.stage("judge")
            night = _judged(read_night, proven, request, home, store, job, clock)
        clock.stage("publish")
        _publish(night, home, store, embedder, settings)
        if assignments is not None:
            _hand_out(night, assignments)
        forget_older(home.vector_cache, settings.retention_days)
        shutil.rmtree(home.work, ignore_errors=True)
        clock.stage("done")
    return night.report


def _judged(
    night: Night,
    proven: Proven,
    request: NightRequest,
    home: Home,
    store: Store,
    job: Job,
    clock: StageClock,
) -> StoredNight:
    """Judge the families of a night, and store all of it at once."""
    families, unexplained, embedded = proven
    night = night.counted(families)
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
    return Job(work, home.leftovers, home.conversations, request.settings, engine, embed, clock.at)


def _words_of(embedder: Embedder) -> StaticModel | None:
    return embedder.word_model


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


def _families(night: Night, known: KnownFamilies, job: Job) -> Proven:
    """Return the families of a night as they were kept, or find them."""
    finished = large.finished(job.work)
    if finished is not None:
        return *finished, None
    with ThreadPoolExecutor(1) as aside:
        return _find(night, known, job, aside)


def _find(night: Night, known: KnownFamilies, job: Job, aside: Executor) -> Proven:
    """Find and describe the families of a night; aside: does what waits for nothing else, while one thread finds them."""
    common = aside.submit(common_words, night.batch) if night.spool is None else None
    discovered = discover(night=night, known=known, job=job, aside=aside)
    give_back()
    common = common or aside.submit(common_words, discovered.batch)
    open_prompts = compare_unassigned(
        batch=discovered.batch,
        discovery=discovered.discovery,
        assignment=discovered.assignment,
        stored=known.signatures,
        embed=job.embed,
        settings=job.settings,
        readings=discovered.readings.result() if discovered.readings else None,
    )
    # while one thread makes groups of what is near
    textual = aside.submit(_textual, discovered, known, job)
    topical = topics(
        batch=discovered.batch,
        discovery=discovered.discovery,
        assignment=discovered.assignment,
        stored=known.signatures,
        embed=job.embed,
        settings=job.settings,
        graph=discovered.graph,
        open_prompts=open_prompts,
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


def _textual(discovered: Discovered, known: KnownFamilies, job: Job) -> list[Signature]:
    """Describe the families that share text, as far as their text does."""
    return text_families(
        batch=discovered.batch,
        discovery=discovered.discovery,
        stored=known.signatures,
        stamp=known.stamp,
        settings=job.settings,
        whole=discovered.whole,
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
