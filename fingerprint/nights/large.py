"""A night too large for memory, stage by stage, each of them kept on disk until the night is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.base.private import private_file
from fingerprint.base.types import HashArray, Ids, IntArray
from fingerprint.discovery.assignment import Whole
from fingerprint.discovery.batch import Batch, Requests
from fingerprint.discovery.discover import Discovery
from fingerprint.discovery.families import COVER
from fingerprint.discovery.shared_ngrams import shared_grams
from fingerprint.domain.signature import Signature
from fingerprint.domain.signature_json import from_json, to_json
from fingerprint.evidence.coactivity import Behaviour
from fingerprint.evidence.slot_fillings import Fillings, told_apart
from fingerprint.nights import memory, over_midnight
from fingerprint.nights.checkpoint import Checkpoints
from fingerprint.nights.claims import Claims, core_table
from fingerprint.nights.job import Job
from fingerprint.nights.over_midnight import Continued, GoingOn
from fingerprint.nights.sampling import LargeDiscovery, RoundCores, search, settle
from fingerprint.nights.spool import (
    Spool,
    claims_from_arrays,
    claims_to_arrays,
    open_spool,
    sample,
    texts_of,
    write_spool,
)
from fingerprint.nights.spool import fill as fill_spool
from fingerprint.nights.spool_files import forget_sent, refusals
from fingerprint.nights.turns import TurnFiles, requests_in
from fingerprint.signatures.rewordings import NightFamilies
from fingerprint.text.licences import own_grams, without_licences
from fingerprint.text.ngrams import shingle
from fingerprint.traffic.conversations import Conversations
from fingerprint.traffic.earlier_texts import SentTexts, newest

MEMBERS = 64
"""Prompts of each family that its template and prototype are made of, beside those of the first sample."""

NEVER = 2**31 - 1


def read(
    batches: Iterable[pa.RecordBatch],
    stored: Sequence[Signature],
    job: Job,
    facts: Callable[[], dict[str, object]],
    seen: Conversations,
) -> None:
    """Spool turns as conversations and claim what is stored families'; `facts` are asked for when all is read.

    seen: what tells the turns' conversations.

    Raises UsageError as soon as the night does not fit into the memory it may take.
    """
    folder = job.work.begin("read")
    files = TurnFiles.written(_fitting(batches, job.settings.memory_gb), folder)
    read_facts, hours = facts(), job.settings.conversation_hours
    sent = newest(seen.end(), hours)
    going_on = GoingOn(over_midnight.read(job.conversations, but=str(read_facts["content_hash"])), hours)
    table = core_table([own_grams(s.grams) for s in stored])
    conversations = going_on.without_known(files.conversations(), files.first_sizes())
    arrays = write_spool(conversations, folder, table, share=COVER, engine=job.engine)
    arrays |= {"conversation": files.conversation, "request_second": files.second}
    arrays |= over_midnight.to_arrays(going_on.continued, sent)
    job.work.finish("read", read_facts, **arrays)


def _fitting(batches: Iterable[pa.RecordBatch], memory_gb: float) -> Iterator[pa.RecordBatch]:
    requests = conversations = 0
    for batch in batches:
        requests += len(batch)
        conversations = max(conversations, pc.max(batch.column("conversation")).as_py() + 1)
        memory.check(memory_gb, conversations, requests)
        yield batch


def reopen(job: Job) -> tuple[Spool, Requests, Continued, SentTexts]:
    """Return the night that `read` has spooled, in this process or an earlier one.

    Its texts, its requests, its conversations that go on from earlier nights, and what later nights' may go on from.
    """
    folder, arrays = job.work.path("read"), job.work.arrays("read")
    requests = requests_in(folder, arrays["conversation"], arrays["request_second"])
    return open_spool(folder, arrays), requests, *over_midnight.from_arrays(arrays)


def discover(spool: Spool, stored: Sequence[Signature], job: Job) -> tuple[Batch, Discovery, Whole]:
    """Find the families of a spooled night, and look closely at the first sample and some members of each family.

    Returns the prompts that are looked at closely, what they hold, and the night that they are a sample of.
    """
    most = memory.sample(job.settings.memory_gb, len(spool.batch), spool.size)
    cores = RoundCores(
        tuple(own_grams(s.grams) for s in stored),
        np.ones(len(stored), dtype=np.bool_),
        np.arange(len(stored), dtype=np.int32),
    )
    result = search(spool, claims_from_arrays(job.work.arrays("read")), cores, job, most=most)
    discovery = settle(spool, result, job)
    job.tell("describe", 0, None)
    label = discovery.assignment.label
    members = _some_members(label, spool, MEMBERS)
    most = memory.closely(job.settings.memory_gb, len(spool.batch))
    chosen = with_members(spool.size, result.first_sample, members, most)
    batch = sample(spool, chosen)
    whole = Whole(spool.batch, discovery.assignment, chosen, lambda prompts: texts_of(spool, prompts))
    return batch, _only(discovery, chosen, batch), whole


def fill(spool: Spool, label: Ids, grams: Sequence[HashArray], job: Job) -> tuple[Fillings, Claims]:
    """Return what the prompts of families are filled with, and which others they hold; label: (n,), grams: of each family."""
    if not job.work.has("filled"):
        job.tell("fill", 0, spool.prompts)
        filled, also = fill_spool(
            spool,
            label,
            grams,
            share=COVER,
            engine=job.engine,
            on_progress=lambda done: job.tell("fill", done, spool.prompts),
        )
        job.work.finish("filled", {}, whole=filled.whole, slots=filled.slots, **claims_to_arrays(also))
    arrays = job.work.arrays("filled")
    return told_apart(Fillings(arrays["whole"], arrays["slots"]), label), claims_from_arrays(arrays)


def keep(families: NightFamilies, unexplained: pa.Table, work: Checkpoints) -> None:
    """Keep the described families, and what of the night to remember, for a process that goes on from there.

    From then on the texts as sent are gone.
    """
    folder = work.begin("described")
    loose = folder / "loose.arrow"
    with refusals(folder), pa.ipc.new_file(str(private_file(loose)), unexplained.schema) as file:
        file.write_table(unexplained)
    columns = {f"behaviour_{name}": getattr(families.behaviour, name) for name in Behaviour.__slots__}
    work.finish(
        "described",
        {"signatures": [to_json(s) for s in families.signatures]},
        label=families.label,
        strength=families.strength,
        born=families.born,
        joined=families.joined,
        carrier=families.carrier,
        **columns,
    )
    forget_sent(work.path("read"))


def finished(work: Checkpoints) -> tuple[NightFamilies, pa.Table] | None:
    """Return what an earlier process kept of this night; None where it did not come so far."""
    if not work.has("described"):
        return None
    arrays = work.arrays("described")
    families = NightFamilies(
        signatures=tuple(from_json(s) for s in work.facts("described")["signatures"]),
        label=arrays["label"],
        strength=arrays["strength"],
        behaviour=Behaviour(*(arrays[f"behaviour_{name}"] for name in Behaviour.__slots__)),
        born=arrays["born"],
        joined=arrays["joined"],
        carrier=arrays["carrier"],
    )
    unexplained = (work.path("described") / "loose.arrow").read_bytes()
    return families, pa.ipc.open_file(unexplained).read_all()


def _some_members(label: Ids, spool: Spool, most: int) -> IntArray:
    """Return up to `most` prompts of each family, those of the lowest hashes: first one of each, then the second ones."""
    prompts = np.flatnonzero(label >= 0)
    prompts = prompts[np.lexsort((spool.key[prompts], label[prompts]))]
    family = label[prompts]
    place = np.arange(len(family)) - np.searchsorted(family, family)
    some = np.flatnonzero(place < most)
    return prompts[some[np.argsort(place[some], kind="stable")]]


def with_members(size: Ids, sample: IntArray, members: IntArray, most: int) -> IntArray:
    """Return the prompts of a sample and of families' members, ascending, of at most so many bytes of text together.

    size: (n,) bytes of each prompt. sample: (s,), all of which stay. members: (m,), of which the first ones stay.
    """
    more = members[~np.isin(members, sample)]
    room = most - int(size[sample].sum(dtype=np.int64))
    return np.union1d(sample, more[np.cumsum(size[more], dtype=np.int64) <= room])


def _only(discovery: LargeDiscovery, chosen: IntArray, batch: Batch) -> Discovery:
    """Return what was found of some prompts (m,) only, with the places of the cores' n-grams in their texts (batch)."""
    shingles = without_licences(shingle(batch.token_hashes, batch.section, batch.offsets))
    shared = shared_grams(
        shingles, batch.senders(), min_prompts=NEVER, min_accounts=NEVER, known=discovery.hashes
    )
    label, coverage = discovery.assignment.label[chosen], discovery.assignment.strength[chosen]
    families = discovery.families.with_members(label)
    return Discovery(shingles, shared, families, discovery.behaviour, label, coverage)
