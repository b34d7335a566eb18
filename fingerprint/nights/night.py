"""One night's families: in memory where the night fits, otherwise by way of the disk."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa

from fingerprint.base.parallel import workers
from fingerprint.base.sparse import ranges
from fingerprint.base.types import Embed, IntArray
from fingerprint.discovery import leftovers
from fingerprint.discovery.batch import Batch, collect
from fingerprint.discovery.discover import discover
from fingerprint.discovery.topics import topics
from fingerprint.domain.errors import InputError
from fingerprint.domain.results import IngestReport
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import Signature, Stamp
from fingerprint.evidence.slot_fillings import Fillings, fillings
from fingerprint.nights import large, memory
from fingerprint.nights.checkpoint import key_of
from fingerprint.nights.large import Describer
from fingerprint.nights.sampling import Job
from fingerprint.nights.spool import texts_of
from fingerprint.signatures.adoption import adopt
from fingerprint.signatures.describe import describe
from fingerprint.signatures.rewordings import NightFamilies, common_words, rewordings
from fingerprint.text.ngrams import shingle
from fingerprint.text.normalise import normalised, shown
from fingerprint.text.tokenise import tokens
from fingerprint.traffic.reader import TrafficReader
from fingerprint.traffic.sources import find_sources


@dataclass(frozen=True, slots=True)
class Stored:
    """What a home holds before the night: its signatures, what made them, and the nights they come from."""

    signatures: Sequence[Signature]
    stamp: Stamp
    nights: Sequence[str]


@dataclass(frozen=True, slots=True)
class Night:
    """What a night holds; content_hash names its rows, whatever files they came in.

    texts: gives the normalised texts of some distinct prompts, by their ascending numbers.
    filled: gives what the prompts of the night's families are filled with. loose: what no family holds, to remember.
    """

    batch: Batch
    described: NightFamilies
    ingest: IngestReport
    content_hash: str
    texts: Callable[[IntArray], pa.Array | pa.ChunkedArray]
    filled: Callable[[], Fillings]
    loose: pa.Table


@dataclass(frozen=True, slots=True)
class NightRequest:
    """What a night is asked for; key stands for it, and traffic from stdin is never the same twice."""

    sources: Sequence[str | Path]
    mapping: Mapping[str, str] | None
    settings: Settings
    key: str = field(init=False)

    def __post_init__(self) -> None:
        files = [source.identity or uuid.uuid4().hex for source in find_sources(self.sources)]
        lasting = asdict(replace(self.settings, threads=None, engine="", ray_address=None))
        key = key_of({"files": files, "mapping": dict(self.mapping or {}), "settings": lasting})
        object.__setattr__(self, "key", key)


def job_key(asked: NightRequest, stored: Stored) -> str:
    """Return what the result of a night depends on, hashed: what it is asked for and what is stored."""
    return key_of(
        {
            "asked": asked.key,
            "stamp": asdict(stored.stamp),
            "families": [(s.family_id, s.version, s.label) for s in stored.signatures],
            "nights": list(stored.nights),
        }
    )


def worked(reader: TrafficReader, stored: Stored, embed: Embed, job: Job) -> Night:
    """Read a night, or go on with one that an earlier process has read, and find and describe its families.

    Raises InputError without a single valid row, and what reading raises.
    """
    if not job.work.has("read"):
        head, rest = _begun(reader, 0 if job.engine.spreads else memory.whole(job.settings.memory_gb))
        if rest is None:
            return _in_memory(reader, head, stored, embed, job)
        large.read(
            chain(_let_go(head), rest),
            stored.signatures,
            job,
            lambda: {"ingest": asdict(reader.report()), "content_hash": reader.content_hash},
        )
    facts = job.work.facts("read")
    spool = large.resumed(job)
    earlier = leftovers.read(
        job.unexplained,
        but=facts["content_hash"],
        end=spool.requests.second.max(),
        days=job.settings.retention_days,
    )
    told, loose = large.described(spool, stored.signatures, earlier, Describer(embed, stored.stamp), job)
    return Night(
        spool.requests,
        told,
        IngestReport(**facts["ingest"]),
        facts["content_hash"],
        lambda prompts: texts_of(spool, prompts),
        lambda: large.filled(spool, told.label, [s.grams for s in told.signatures], job),
        loose,
    )


def _begun(reader: TrafficReader, most: int) -> tuple[list[pa.RecordBatch], Iterator[pa.RecordBatch] | None]:
    """Read until the end, or until the texts fill `most` bytes; the rest is None where there is none."""
    head, size = [], 0
    rest = iter(reader)
    for batch in rest:
        head.append(batch)
        size += batch.column("prompt").nbytes + batch.column("system").nbytes
        if size > most:
            return head, rest
    return head, None


def _let_go(batches: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Hand batches on, keeping none."""
    batches.reverse()
    while batches:
        yield batches.pop()


def _in_memory(
    reader: TrafficReader, batches: list[pa.RecordBatch], stored: Stored, embed: Embed, job: Job
) -> Night:
    threads = job.settings.threads or workers()
    batch = collect(_let_go(batches), normalised, tokens, shown, threads=threads)
    read = reader.report()
    if not len(batch):
        where = f"; {read.rejects_path} says why" if read.rejected else ""
        raise InputError(f"none of the {read.rows_read} rows in {reader.named} is a valid request{where}")
    found = discover(batch, stored.signatures, job.settings, lambda stage: job.tell(stage, 0, None))
    earlier = leftovers.read(
        job.unexplained, but=reader.content_hash, end=batch.second.max(), days=job.settings.retention_days
    )
    left = leftovers.loose(batch, found, earlier)
    found = leftovers.extended(batch, found, left, job.settings)
    job.tell("describe", 0, None)
    known = found.families.known
    origins = [stored.signatures[n] if n >= 0 else None for n in known.tolist()]
    assignment = adopt(batch, batch.texts_of, origins, found.assignment, embed)
    topical = topics(batch, found, assignment, stored.signatures, embed, job.settings)
    described = describe(batch, found, topical, stored.signatures, embed, stored.stamp, job.settings)
    told = rewordings(described, batch, batch.texts_of, common=common_words(batch), embed=embed)
    return Night(
        batch,
        told,
        read,
        reader.content_hash,
        lambda prompts: batch.texts.take(pa.array(prompts)),
        lambda: batch_fillings(batch, told),
        leftovers.rows(left, told.label),
    )


def batch_fillings(batch: Batch, night: NightFamilies) -> Fillings:
    """Return what all distinct prompts of families are filled with; the others' fillings are empty."""
    members = np.flatnonzero(night.label >= 0)
    places, offsets = ranges(batch.offsets, members)
    hashes = batch.token_hashes[places]
    grams = [s.grams for s in night.signatures]
    found = fillings(
        shingle(hashes, batch.section[places], offsets), hashes, offsets, night.label[members], grams
    )
    whole = np.zeros(batch.distinct, dtype=np.uint64)
    slots = np.zeros((batch.distinct, found.slots.shape[1]), dtype=np.uint64)
    whole[members], slots[members] = found.whole, found.slots
    return Fillings(whole, slots)
