"""A night is read, and its families are discovered: in memory where it fits, otherwise by way of the disk.

From there on a small night and a large one are worked by the same steps (`jobs.night_steps` lists them), for a small one
is a sample of everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from itertools import chain

import numpy as np
import pyarrow as pa

from fingerprint.base.once import Once
from fingerprint.base.parallel import workers
from fingerprint.base.sparse import ranges
from fingerprint.base.types import Ids, IntArray
from fingerprint.discovery import discover as discovery_stage
from fingerprint.discovery import frames, layers, leftovers
from fingerprint.discovery.assignment import Assignment, Whole
from fingerprint.discovery.batch import Batch, Requests, collect
from fingerprint.discovery.discover import Discovery, Graph
from fingerprint.discovery.families import COVER
from fingerprint.discovery.leftovers import Leftovers
from fingerprint.discovery.topics import MAX_UNASSIGNED, Readings, graph_of_meaning, read_unassigned
from fingerprint.domain.errors import InputError
from fingerprint.domain.results import IngestReport
from fingerprint.evidence.slot_fillings import Fillings, fillings, told_apart
from fingerprint.nights import beyond, large, memory, over_midnight
from fingerprint.nights.claims import Claims, core_table, find_own
from fingerprint.nights.job import Job, KnownFamilies
from fingerprint.nights.over_midnight import Continued, GoingOn
from fingerprint.nights.spool import Spool, texts_of
from fingerprint.nights.turns import first_sizes, in_memory, turns
from fingerprint.signatures.adoption import adopt
from fingerprint.signatures.rewordings import NightFamilies
from fingerprint.text.ngrams import shingle, spans
from fingerprint.traffic.conversations import Conversations
from fingerprint.traffic.earlier_texts import SentTexts, newest
from fingerprint.traffic.reader import TrafficReader


@dataclass(frozen=True, slots=True)
class Night:
    """A night that was read: q requests in r conversations over n distinct prompts.

    batch: all conversations; of a night on disk without texts and tokens. content_hash: names the rows, whatever files
    they came in. spool: where the texts of a night on disk are; None for one in memory. continued: conversations that
    go on from earlier nights. sent: what later nights' may go on from.
    """

    batch: Batch
    requests: Requests
    ingest: IngestReport
    content_hash: str
    spool: Spool | None = None
    continued: Continued = field(default_factory=Continued.none)
    sent: SentTexts = field(default_factory=SentTexts.none)

    def texts(self, prompts: IntArray) -> pa.Array | pa.ChunkedArray:
        """Return the normalised texts of some distinct prompts, (p,) ascending numbers."""
        return self.batch.texts_of(prompts) if self.spool is None else texts_of(self.spool, prompts)

    @property
    def sizes(self) -> IntArray | Ids:
        """How many bytes the normalised text of each distinct prompt has, (n,)."""
        return self.batch.sizes if self.spool is None else self.spool.size

    def counted(self, families: NightFamilies) -> Night:
        """Return the same, in which conversations that go on count only where what they add is of a family."""
        number = self.continued.conversation
        uncounted = number[families.label[self.batch.prompt[number]] < 0]
        return replace(self, requests=replace(self.requests, uncounted=uncounted))

    @property
    def begin(self) -> float:
        """The time of the first request (Unix time)."""
        return float(self.requests.second.min())

    @property
    def end(self) -> float:
        """The time of the last request (Unix time)."""
        return float(self.requests.second.max())


@dataclass(frozen=True, slots=True)
class Discovered:
    """The families that text proves, of the prompts that are looked at closely.

    batch: these prompts with all their requests: all of a small night, a sample of a large one. discovery: what it
    holds. assignment: its prompts to the families of the discovery. whole: the night that it is a sample of. leftovers:
    its prompts in no family beside those of earlier nights. graph: finds neighbours. readings: what is read meanwhile of
    prompts that may be in no family, None if nothing is.
    """

    batch: Batch
    discovery: Discovery
    assignment: Assignment
    whole: Whole
    leftovers: Leftovers
    graph: Graph
    readings: Future[Once[Readings]] | None = None

    def unexplained(self, families: NightFamilies) -> pa.Table:
        """Return what later nights should remember of the prompts in no family (`leftovers.to_rows`)."""
        return leftovers.to_rows(self.leftovers, families.label[self.whole.sampled])


def read(
    reader: TrafficReader, known: KnownFamilies, job: Job, batches: Iterator[pa.RecordBatch] | None = None
) -> Night:
    """Read a night, or take up one that an earlier process has read; batches: the reader's, where that has begun.

    Raises InputError without a single valid row, and what reading raises.
    """
    if not job.work.has("read"):
        seen = Conversations(job.settings.conversation_hours)
        most = 0 if job.engine.spreads else memory.whole(job.settings.memory_gb)
        head, rest = _read_head(turns(batches or iter(reader), job.settings.conversation_hours, seen), most)
        if rest is None:
            return _in_memory(reader, head, seen, job)
        large.read(
            chain(_hand_over(head), rest),
            known.signatures,
            job,
            lambda: {"ingest": asdict(reader.report()), "content_hash": reader.content_hash},
            seen,
        )
    facts, (spool, requests, continued, sent) = job.work.facts("read"), large.reopen(job)
    ingest = IngestReport.from_json(facts["ingest"])
    return Night(spool.batch, requests, ingest, facts["content_hash"], spool, continued, sent)


def _read_head(
    rest: Iterator[pa.RecordBatch], most: int
) -> tuple[list[pa.RecordBatch], Iterator[pa.RecordBatch] | None]:
    """Read until the end, or until the texts fill `most` bytes; the rest is None where there is none."""
    head, size = [], 0
    for batch in rest:
        head.append(batch)
        size += batch.column("prompt").nbytes + batch.column("system").nbytes
        if size > most:
            return head, rest
    return head, None


def _hand_over(batches: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the batches, keeping none."""
    batches.reverse()
    while batches:
        yield batches.pop()


def _in_memory(reader: TrafficReader, batches: list[pa.RecordBatch], seen: Conversations, job: Job) -> Night:
    report = reader.report()
    if not report.accepted:
        where = f"; {report.rejects_path} says why" if report.rejected else ""
        raise InputError(f"none of the {report.rows_read} rows in {reader.named} is a valid request{where}")
    hours = job.settings.conversation_hours
    sent, first = newest(seen.end(), hours), first_sizes(batches)
    rows, requests = in_memory(batches)
    batches.clear()
    going_on = GoingOn(over_midnight.read(job.conversations, but=reader.content_hash), hours)
    conversations = going_on.without_known([rows], first)
    batch = collect(conversations, threads=job.settings.threads or workers())
    return Night(batch, requests, report, reader.content_hash, continued=going_on.continued, sent=sent)


def discover(night: Night, known: KnownFamilies, job: Job, aside: Executor) -> Discovered:
    """Find the families that share text, continuing the known ones, with what earlier nights left beside tonight's.

    aside: reads prompts that are in no family so far, while others are still looked for.
    """
    if night.spool is not None:
        batch, discovery, whole = large.discover(night.spool, known.signatures, job)
        discovery, left = _extended(night, batch, discovery, known, job)
        whole = beyond.by_text(night.spool, whole, discovery, job)
        return Discovered(batch, discovery, discovery.assignment, whole, left, job.engine.graph)
    batch = night.batch
    discovery = discovery_stage.discover(
        batch, known.signatures, job.settings, lambda stage: job.tell(stage, 0, None)
    )
    readings = None
    if np.count_nonzero(discovery.label < 0) <= MAX_UNASSIGNED:  # which of more are chosen depends on all
        readings = aside.submit(read_unassigned, batch, discovery, job.embed)
    discovery, left = _extended(night, batch, discovery, known, job)
    job.tell("describe", 0, None)
    whole = Whole.of(batch, discovery.assignment)
    # what only rewords a known family makes no topic; of a large night's sample too little is known to tell
    carrier = layers.carriers_of(batch, discovery, job.settings)
    continued = discovery.continued(known.signatures)
    assignment = adopt(batch, batch.texts_of, continued, discovery.assignment, job.embed, carrier)
    return Discovered(batch, discovery, assignment, whole, left, graph_of_meaning, readings)


def _extended(
    night: Night, batch: Batch, discovery: Discovery, known: KnownFamilies, job: Job
) -> tuple[Discovery, Leftovers]:
    """Add families that show beside earlier nights, inside others' texts and beside each other; also return what is left."""
    left = _leftovers(night, batch, discovery, job)
    discovery = leftovers.extend(batch, discovery, left, job.settings)
    with ThreadPoolExecutor(1) as aside:
        # what is inside families' texts seldom changes which prompts are in none
        small = aside.submit(frames.find_small, batch, discovery, job.settings)
        peeled = layers.peel(batch, discovery, known.signatures, job.settings)
    discovery = frames.add_frames(batch, peeled, small.result(), job.settings)
    return discovery, leftovers.rememberable(left)


def _leftovers(night: Night, batch: Batch, discovery: Discovery, job: Job) -> Leftovers:
    earlier = leftovers.read(
        job.leftovers, but=night.content_hash, end=night.end, days=job.settings.retention_days
    )
    return leftovers.gather(batch, discovery, earlier)


def fill(night: Night, families: NightFamilies, job: Job) -> tuple[Fillings, Claims]:
    """Return what each distinct prompt of a family is filled with, and which other families' text it holds.

    The others' fillings are empty.
    """
    if night.spool is None:
        return fill_batch(night.batch, families)
    return large.fill(night.spool, families.label, [s.grams for s in families.signatures], job)


def fill_batch(batch: Batch, families: NightFamilies) -> tuple[Fillings, Claims]:
    """Return what each distinct prompt of a batch in memory is filled with, and what else it holds, as `fill`."""
    members = np.flatnonzero(families.label >= 0)
    places, offsets = ranges(batch.offsets, members)
    hashes = batch.token_hashes[places]
    section, label = batch.section[places], families.label[members]
    shingles = shingle(hashes, section, offsets)
    cores = core_table([s.grams for s in families.signatures])
    also, own = find_own(cores, shingles.hashes, shingles.offsets, label, share=COVER)
    member_fillings = fillings(own, spans(section, offsets), hashes, offsets, label)
    whole = np.zeros(batch.distinct, dtype=np.uint64)
    slots = np.zeros((batch.distinct, member_fillings.slots.shape[1]), dtype=np.uint64)
    whole[members], slots[members] = member_fillings.whole, member_fillings.slots
    filled = told_apart(Fillings(whole, slots), families.label)
    return filled, Claims(members[also.prompt], also.family, also.grams)
