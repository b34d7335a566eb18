"""A night too large for memory, stage by stage, each of them kept on disk until the night is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from fingerprint.base.types import Embed, HashArray, Ids, IntArray
from fingerprint.discovery import leftovers
from fingerprint.discovery.assignment import Assignment, Whole
from fingerprint.discovery.batch import Batch
from fingerprint.discovery.discover import Discovery
from fingerprint.discovery.families import COVER, Families, members_of
from fingerprint.discovery.shared_ngrams import shared_grams
from fingerprint.discovery.topics import topics
from fingerprint.domain.signature import Signature, Stamp
from fingerprint.domain.signature_json import from_json, to_json
from fingerprint.evidence.coactivity import Behaviour
from fingerprint.evidence.slot_fillings import Fillings
from fingerprint.nights import memory
from fingerprint.nights.checkpoint import Checkpoints
from fingerprint.nights.claims import cores
from fingerprint.nights.sampling import Job, Large, RoundCores, searched, settled
from fingerprint.nights.spool import Spool, claims_in, opened, sample, spooled, texts_of
from fingerprint.nights.spool import filled as fill
from fingerprint.signatures.describe import describe
from fingerprint.signatures.rewordings import NightFamilies, common_words, rewordings
from fingerprint.text.ngrams import shingle

MEMBERS = 64
"""Prompts of each family that its template and prototype are made of, beside those of the first sample."""

NEVER = 2**31 - 1


def read(
    batches: Iterable[pa.RecordBatch],
    stored: Sequence[Signature],
    job: Job,
    facts: Callable[[], dict[str, object]],
) -> None:
    """Spool the traffic and claim what is stored families'; `facts` are asked for when all is read.

    Raises UsageError as soon as the night does not fit into the memory it may take.
    """
    folder = job.work.begin("read")
    fitting = _fitting(batches, job.settings.memory_gb)
    arrays = spooled(fitting, folder, cores([s.grams for s in stored]), share=COVER, engine=job.engine)
    job.work.finish("read", facts(), **arrays)


def _fitting(batches: Iterable[pa.RecordBatch], memory_gb: float) -> Iterator[pa.RecordBatch]:
    requests = 0
    for batch in batches:
        requests += len(batch)
        memory.check(memory_gb, requests)
        yield batch


def resumed(job: Job) -> Spool:
    """Return the night that `read` has spooled, in this process or an earlier one."""
    return opened(job.work.path("read"), job.work.arrays("read"))


@dataclass(frozen=True, slots=True)
class Describer:
    """How texts are embedded, and the stamp of all that comes of it."""

    embed: Embed
    stamp: Stamp


def described(
    spool: Spool, stored: Sequence[Signature], earlier: pa.Table, words: Describer, job: Job
) -> tuple[NightFamilies, pa.Table]:
    """Find and describe the families of a spooled night; also return what of it to remember.

    earlier: what is remembered of other nights (`unexplained`).
    """
    if not job.work.has("described"):
        folder = job.work.begin("described")
        night, loose = _described(spool, stored, earlier, words, job)
        with pa.ipc.new_file(str(folder / "loose.arrow"), loose.schema) as file:
            file.write_table(loose)
        _keep(night, job.work)
        return night, loose
    kept = job.work.path("described") / "loose.arrow"
    return _kept(job.work), pa.ipc.open_file(kept.read_bytes()).read_all()


def _described(
    spool: Spool, stored: Sequence[Signature], earlier: pa.Table, words: Describer, job: Job
) -> tuple[NightFamilies, pa.Table]:
    text = int(spool.size.sum(dtype=np.int64))
    most = memory.sample(job.settings.memory_gb, len(spool.requests), text)
    known = RoundCores(
        tuple(s.grams for s in stored),
        np.ones(len(stored), dtype=np.bool_),
        np.arange(len(stored), dtype=np.int32),
    )
    held = claims_in(job.work.arrays("read"))
    known, held, first = searched(spool, held, known, job, most=most)
    found = settled(spool, known, held, first, job)
    job.tell("describe", 0, None)
    chosen = np.union1d(found.sampled, _some_members(found.label, spool, MEMBERS))
    part = sample(spool, chosen)
    whole = Whole(
        spool.requests,
        Assignment(found.label, found.coverage),
        chosen,
        lambda prompts: texts_of(spool, prompts),
    )
    closely = _closely(part, found, chosen)
    left = leftovers.loose(part, closely, earlier)
    closely = leftovers.extended(part, closely, left, job.settings)
    topical = topics(
        part, closely, closely.assignment, stored, words.embed, job.settings, graph=job.engine.graph
    )
    described = describe(part, closely, topical, stored, words.embed, words.stamp, job.settings, whole=whole)
    night = rewordings(described, whole.batch, whole.texts, common=common_words(part), embed=words.embed)
    return night, leftovers.rows(left, night.label[chosen])


def filled(spool: Spool, label: Ids, grams: Sequence[HashArray], job: Job) -> Fillings:
    """Return what the prompts of families are filled with; label: (n,), grams: of each family."""
    if not job.work.has("filled"):
        job.tell("fill", 0, spool.prompts)
        found = fill(
            spool,
            label,
            grams,
            engine=job.engine,
            told=lambda done: job.tell("fill", done, spool.prompts),
        )
        job.work.finish("filled", {}, whole=found.whole, slots=found.slots)
    return Fillings(**job.work.arrays("filled"))


def _keep(night: NightFamilies, work: Checkpoints) -> None:
    columns = {f"behaviour_{name}": getattr(night.behaviour, name) for name in Behaviour.__slots__}
    work.finish(
        "described",
        {"signatures": [to_json(s) for s in night.signatures]},
        label=night.label,
        strength=night.strength,
        born=night.born,
        joined=night.joined,
        **columns,
    )


def _kept(work: Checkpoints) -> NightFamilies:
    read = work.arrays("described")
    return NightFamilies(
        signatures=tuple(from_json(s) for s in work.facts("described")["signatures"]),
        label=read["label"],
        strength=read["strength"],
        behaviour=Behaviour(*(read[f"behaviour_{name}"] for name in Behaviour.__slots__)),
        born=read["born"],
        joined=read["joined"],
    )


def _some_members(label: Ids, spool: Spool, most: int) -> IntArray:
    """Return up to `most` prompts of each family, those of the lowest hashes."""
    prompts = np.flatnonzero(label >= 0)
    prompts = prompts[np.lexsort((spool.key[prompts], label[prompts]))]
    of = label[prompts]
    place = np.arange(len(of)) - np.searchsorted(of, of)
    return np.sort(prompts[place < most])


def _closely(part: Batch, found: Large, chosen: IntArray) -> Discovery:
    """Return what was found, of some prompts only, with the places of the cores' grams in them."""
    shingles = shingle(part.token_hashes, part.section, part.offsets)
    shared = shared_grams(shingles, part.senders(), min_prompts=NEVER, min_accounts=NEVER, known=found.hashes)
    label = found.label[chosen]
    families = Families(found.families.core, members_of(label, len(found.families)), found.families.known)
    return Discovery(shingles, shared, families, found.behaviour, label, found.coverage[chosen])
