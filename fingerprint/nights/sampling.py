"""Families of a night too large to be looked at at once: found in samples, then claimed from all of it.

Each round takes a sample of the prompts that no family holds yet, in the order of their hashes, finds families in it
as in a small night, and gives them all prompts that hold their text. What is explained leaves the next sample to
what is rarer: a template that a sample of everything shows twice is shown thirty times by a sample of what
the large families left. And text that only a few prompts of a sample share sends for all others that hold it: what
two of a sample share is shared by many more in the night, so the next sample begins with them. Behaviour is tested again on all requests, where it tells more than in a sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse

from fingerprint.base.types import Bools, Bytes, FloatArray, HashArray, Ids, IntArray
from fingerprint.discovery import proof
from fingerprint.discovery.batch import Batch
from fingerprint.discovery.discover import Discovery, discover
from fingerprint.discovery.families import COVER, Families, cores_over, members_of
from fingerprint.discovery.segments import join_segments
from fingerprint.discovery.selection import select
from fingerprint.discovery.shared_ngrams import boundary_grams, shared_grams
from fingerprint.domain.settings import Settings
from fingerprint.evidence.coactivity import Behaviour, behaviour
from fingerprint.nights.claims import Claims, cores
from fingerprint.nights.job import Job
from fingerprint.nights.spool import Spool, arrays_of, claimed, claims_in, sample

ROUNDS = 3
"""Samples that are looked at, if there are prompts left."""

WORTH = 0.02
"""A round but the first that explains less than this part of the night's prompts is the last."""

MOST_HELD = 20_000
"""Prompts that hold a seed, up to which it is tested whether their senders act together: more are seen in any sample."""

_NO_SEEDS = np.empty(0, dtype=np.uint64), np.zeros(1, dtype=np.int64)

MIN_LENGTH = 2
"""Grams of a segment that families of a sample begin with: single shared grams are ordinary language, and most (D-032)."""

EXACT_UP_TO = 16_384
"""Segments of a sample above this number are compared through inverted lists; there are other samples."""

SEED, MOST_SEEDS = 8, 50_000
"""Grams in a row (11 words) that two accounts of a sample share; prompts that hold such text are looked at next."""


@dataclass(frozen=True, slots=True)
class RoundCores:
    """The families that rounds found, stored ones first.

    grams: of each core, sorted. outlined: (f,) bool, as `refine` tells it of the sample. known: (f,) int32,
    the stored signature each one continues, -1 for a new one.
    """

    grams: tuple[HashArray, ...]
    outlined: Bools
    known: Ids

    def __add__(self, other: RoundCores) -> RoundCores:
        return RoundCores(
            self.grams + other.grams,
            np.concatenate([self.outlined, other.outlined]),
            np.concatenate([self.known, other.known]),
        )


@dataclass(frozen=True, slots=True)
class Large:
    """What a large night holds: f families over all n prompts, and which prompts were looked at closely.

    families: core (f, k) over hashes (k,), members (f, n) as assigned. label: (n,) int32. coverage: (n,) float32.
    sampled: numbers of the prompts of the first sample, ascending.
    """

    families: Families
    hashes: HashArray
    behaviour: Behaviour
    label: Ids
    coverage: FloatArray
    sampled: IntArray


def searched(
    spool: Spool, held: Claims, known: RoundCores, job: Job, *, most: int
) -> tuple[RoundCores, Claims, IntArray]:
    """Find families round by round; held: what the stored ones (`known`) claim already.

    most: bytes of text in a sample. Returns all families, all claims, and the prompts of the first sample.
    """
    looked, likely, urgent = np.zeros((3, spool.prompts), dtype=np.uint8)
    first = np.empty(0, dtype=np.int64)
    for number in range(1, ROUNDS + 1):
        # a likely prompt may be looked at twice: with the others that hold its text
        free = looked <= likely
        free[held.prompt] = False
        if not (free & (looked == 0)).any():
            break
        chosen = sampled(spool, free, likely + urgent, most)
        looked[chosen] += 1
        first = chosen if number == 1 else first
        found, seeds = _looked_at(spool, chosen, number, job)
        asked = ~_marked(held.prompt[_long(known)[held.family]], spool.prompts)
        new, promising, together = _claimed(spool, found, seeds, asked, number, job)
        before = np.count_nonzero(_marked(held.prompt, spool.prompts))
        held, known = _both(held, new, len(known.grams)), known + found
        explained = np.count_nonzero(_marked(held.prompt, spool.prompts)) - before
        if number > 1 and explained < WORTH * spool.prompts:
            break
        likely[promising], urgent[together] = 1, 1
    return known, held, first


def sampled(spool: Spool, free: Bools, likely: Bytes, most: int) -> IntArray:
    """Choose prompts of `free` (n,) until their texts fill `most` bytes, in the order of their hashes; ascending.

    Up to half of the bytes go to `likely` ones (n,), the likeliest first; alone they would be no sample to test
    behaviour on.
    """

    def filled(prompts: IntArray, room: int) -> IntArray:
        prompts = prompts[np.lexsort((spool.key[prompts], -likely[prompts].astype(np.int8)))]
        return prompts[: np.searchsorted(np.cumsum(spool.size[prompts], dtype=np.int64), room, side="right")]

    first = filled(np.flatnonzero(free & (likely > 0)), most // 2)
    rest = free.copy()
    rest[first] = False
    room = most - int(spool.size[first].sum(dtype=np.int64))
    return np.sort(np.concatenate([first, filled(np.flatnonzero(rest), room)]))


def _looked_at(spool: Spool, chosen: IntArray, number: int, job: Job) -> tuple[RoundCores, list[HashArray]]:
    """Return the families of a sample, and seeds: long text in it that two accounts share, in no family yet.

    The last round has no seeds, for no other comes to look at them.
    """
    stage = f"cores-{number}"
    if not job.work.has(stage):
        job.tell(f"sample {number}", 0, None)
        batch = sample(spool, chosen, shown=False)
        found = discover(
            batch,
            [],
            job.settings,
            lambda name: job.tell(f"{name} {number}", 0, None),
            min_length=MIN_LENGTH,
            exact_up_to=EXACT_UP_TO,
            graph=job.engine.graph,
        )
        grams, offsets, outlined = _columns(found)
        shared, ends = _seeds(batch, found) if number < ROUNDS else _NO_SEEDS
        job.work.finish(
            stage, {}, grams=grams, offsets=offsets, outlined=outlined, seed_grams=shared, seed_offsets=ends
        )
    read = job.work.arrays(stage)
    texts = tuple(read["grams"][a:b] for a, b in pairwise(read["offsets"].tolist()))
    seeds = [read["seed_grams"][a:b] for a, b in pairwise(read["seed_offsets"].tolist())]
    return RoundCores(texts, read["outlined"], np.full(len(texts), -1, dtype=np.int32)), seeds


def _columns(found: Discovery) -> tuple[HashArray, IntArray, Bools]:
    """Return the cores of a sample's families, one after the other, their offsets, and which of them are outlined."""
    core = found.families.core
    boundary = boundary_grams(found.shingles, found.shared)
    outlined = proof.has_outline(found.families, found.shared, boundary)
    return found.shared.hashes[core.indices], core.indptr.astype(np.int64), outlined


def _seeds(batch: Batch, found: Discovery) -> tuple[HashArray, IntArray]:
    """Return the grams of seeds, one after the other, and their offsets; the longest MOST_SEEDS of them."""
    loose = np.flatnonzero(found.label < 0)
    shingles = found.shingles.only(loose)
    shared = shared_grams(shingles, batch.senders()[loose], min_prompts=2, min_accounts=2)
    segments = join_segments(shingles, shared).only(SEED)
    longest = np.sort(np.argsort(-segments.length, kind="stable")[:MOST_SEEDS])
    rank = np.full(len(segments.length) + 1, -1, dtype=np.int64)
    rank[longest] = np.arange(len(longest))
    of = rank[segments.of_gram]
    grams = np.flatnonzero(of >= 0)
    grams = grams[np.argsort(of[grams], kind="stable")]
    ends = np.cumsum(np.bincount(of[grams], minlength=len(longest)))
    return shared.hashes[grams], np.concatenate([[0], ends]).astype(np.int64)


def _long(known: RoundCores) -> Bools:
    """Tell which families (f,) are templates by their text alone: a prompt that holds one is not asked for others."""
    return np.array([len(grams) >= proof.MIN_LONG_CORE for grams in known.grams], dtype=np.bool_)


def _claimed(
    spool: Spool,
    found: RoundCores,
    seeds: list[HashArray],
    asked: Bools,
    number: int,
    job: Job,
) -> tuple[Claims, IntArray, IntArray]:
    """Return which prompts of those asked (n,) hold the families, and which hold grown and synchronous seeds (`_grown`)."""
    stage = f"claims-{number}"
    if not job.work.has(stage):
        name = f"claim {number}"
        job.tell(name, 0, spool.prompts)
        every = claimed(
            spool,
            cores([*found.grams, *seeds]),
            asked,
            share=COVER,
            engine=job.engine,
            told=lambda done: job.tell(name, done, spool.prompts),
        )
        own = every.family < len(found.grams)
        new = Claims(every.prompt[own], every.family[own], every.held[own])
        promising, together = _grown(spool, every, len(found.grams), len(seeds), job.settings)
        job.work.finish(stage, {}, **arrays_of(new), promising=promising, together=together)
    read = job.work.arrays(stage)
    return claims_in(read), read["promising"], read["together"]


def _grown(
    spool: Spool, every: Claims, families: int, seeds: int, settings: Settings
) -> tuple[IntArray, IntArray]:
    """Return the prompts that hold seeds which `min_requests` hold, and those that hold seeds whose senders act together.

    A sample thins a campaign's bursts: of a hundredth of its requests hardly two stand near in time. All of them tell.
    """
    held = np.bincount(every.family, minlength=families + seeds)[families:]
    strong = np.flatnonzero(held >= settings.min_requests)
    rank = np.full(families + seeds, -1, dtype=np.int32)
    rank[families + strong] = np.arange(len(strong))
    row = rank[every.family]
    mine = row >= 0
    promising = np.flatnonzero(_marked(every.prompt[mine], spool.prompts))
    testable = held[strong] <= MOST_HELD
    mine[mine] = testable[row[mine]]
    if not mine.any():
        return promising, promising[:0]
    shape = (len(strong), spool.prompts)
    ones = np.ones(int(mine.sum()), dtype=np.float32)
    members = sparse.csr_matrix((ones, (row[mine], every.prompt[mine])), shape=shape)
    whole = spool.requests
    act = behaviour((members @ whole.requests()).tocsr(), whole.account, whole.second)
    act_together = (act.p_synchrony <= proof.SYNCHRONY_P) & (act.accounts >= settings.min_accounts)
    return promising, np.unique(members[np.flatnonzero(act_together)].indices).astype(np.int64)


def _marked(numbers: IntArray, count: int) -> Bools:
    """Return ones (count,) at these numbers, which may repeat: millions are sorted in seconds, and marked in none."""
    out = np.zeros(count, dtype=np.bool_)
    out[numbers] = True
    return out


def _both(held: Claims, more: Claims, families: int) -> Claims:
    return Claims(
        np.concatenate([held.prompt, more.prompt]),
        np.concatenate([held.family, more.family + np.int32(families)]),
        np.concatenate([held.held, more.held]),
    )


def settled(spool: Spool, known: RoundCores, held: Claims, first: IntArray, job: Job) -> Large:
    """Test all families on all requests, drop those that nothing proves, and give each prompt to its strongest."""
    if not job.work.has("settled"):
        job.tell("settle", 0, None)
        number, label = _selected(spool, known, held, job.settings)
        job.work.finish("settled", {}, number=number, label=label)
    read = job.work.arrays("settled")
    number, label = read["number"], read["label"]
    hashes = np.unique(np.concatenate([*(known.grams[n] for n in number), np.empty(0, dtype=np.uint64)]))
    core = cores_over(hashes, [known.grams[n] for n in number])
    families = Families(core, members_of(label, len(number)), known.known[number])
    whole = spool.requests
    act = behaviour((families.members @ whole.requests()).tocsr(), whole.account, whole.second)
    return Large(families, hashes, act, label, _coverage(known, held, number, label), first)


def _selected(spool: Spool, known: RoundCores, held: Claims, settings: Settings) -> tuple[IntArray, Ids]:
    """Return the numbers of the families that stay, and each prompt's row among them (n,), -1 = none."""
    hashes = np.unique(np.concatenate([*known.grams, np.empty(0, dtype=np.uint64)]))
    candidates = _families(known, held, hashes, spool.prompts)
    chosen = select(candidates, spool.requests, settings, outline=lambda _, number: known.outlined[number])
    return chosen.number, chosen.label


def _families(known: RoundCores, held: Claims, hashes: HashArray, prompts: int) -> Families:
    sizes = len(known.grams)
    ones = np.ones(len(held), dtype=np.float32)
    members = sparse.csr_matrix((ones, (held.family, held.prompt)), shape=(sizes, prompts))
    return Families(cores_over(hashes, known.grams), members, known.known)


def _coverage(known: RoundCores, held: Claims, number: IntArray, label: Ids) -> FloatArray:
    """Return the share of its family's core that each prompt holds, 0 without a family; number: each row's core."""
    size = np.array([len(core) for core in known.grams], dtype=np.int64)
    of = np.full(len(size), -1, dtype=np.int32)
    of[number] = np.arange(len(number))
    own = np.flatnonzero((of[held.family] >= 0) & (of[held.family] == label[held.prompt]))
    out = np.zeros(len(label), dtype=np.float32)
    out[held.prompt[own]] = held.held[own] / size[held.family[own]]
    return out
