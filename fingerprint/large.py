"""A night too large for memory, stage by stage, each of them kept on disk until the night is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pyarrow as pa

from fingerprint import memory, refine
from fingerprint.batch import Batch, Whole
from fingerprint.claim import cores
from fingerprint.columns import Families
from fingerprint.describe import Described, Embed, describe
from fingerprint.discover import Discovery, members_of
from fingerprint.records import Ids, IntArray, Signature, Stamp
from fingerprint.rounds import Cores, Job, Large, searched, settled
from fingerprint.shingle import shared_grams, shingle
from fingerprint.spool import Spool, claims_in, opened, sample, spooled

MEMBERS = 64
"""Prompts of each family that its template and prototype are made of, beside those of the first sample."""

NEVER = 2**31 - 1


def read(
    batches: Iterable[pa.RecordBatch],
    stored: Sequence[Signature],
    job: Job,
    facts: Callable[[], dict[str, object]],
) -> None:
    """Spool the traffic and claim what is stored families'; `facts` are asked for when all is read."""
    folder = job.work.begin("read")
    arrays = spooled(
        batches, folder, cores([s.grams for s in stored]), share=refine.COVER, threads=job.threads
    )
    job.work.finish("read", facts(), **arrays)


def night(stored: Sequence[Signature], embed: Embed, stamp: Stamp, job: Job) -> tuple[Batch, Described]:
    """Find and describe the families of a night that `read` has spooled."""
    arrays = job.work.arrays("read")
    spool, held = opened(job.work.path("read"), arrays), claims_in(arrays)
    text = int(spool.size.sum(dtype=np.int64))
    most = memory.sample(job.settings.memory_gb, len(spool.requests), text)
    known = Cores(
        tuple(s.grams for s in stored),
        np.ones(len(stored), dtype=np.bool_),
        np.arange(len(stored), dtype=np.int32),
    )
    known, held, first = searched(spool, held, known, job, most=most)
    job.tell("settle", 0, None)
    found = settled(spool, known, held, first, job.settings)
    job.tell("describe", 0, None)
    chosen = np.union1d(found.sampled, _some_members(found.label, spool, MEMBERS))
    part = sample(spool, chosen)
    whole = Whole(spool.requests, found.label, found.coverage, chosen)
    told = describe(part, _closely(part, found, chosen), stored, embed, stamp, job.settings, of=whole)
    return spool.requests, told


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
