"""Families of a night that is too large to look at as a whole: found in samples, then claimed from all of it.

Each round takes a sample of the prompts that no family holds yet, in the order of their hashes, finds families in it
as in a small night, and gives these all prompts that hold their text. What is explained leaves the next sample to what
is rarer: a template that a sample of everything shows twice is shown thirty times by a sample of what the large
families left (D-029).

Text that only two accounts of a sample share is a seed (D-030): many more of the night may hold it, so the next sample
begins with them. Behaviour is tested again on all requests, where it tells more than in a sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse

from fingerprint.base.types import Bools, Bytes, FloatArray, HashArray, Ids, IntArray
from fingerprint.discovery.assignment import Assignment
from fingerprint.discovery.batch import Batch, behaviour_of
from fingerprint.discovery.discover import Discovery, discover
from fingerprint.discovery.families import COVER, Families, cores_over, members_of
from fingerprint.discovery.proof import MIN_LONG_CORE, SYNCHRONY_P, has_outline
from fingerprint.discovery.segments import join_segments
from fingerprint.discovery.selection import select
from fingerprint.discovery.shared_ngrams import boundary_grams, shared_grams
from fingerprint.domain.settings import Settings
from fingerprint.evidence.coactivity import Behaviour
from fingerprint.nights.claims import Claims, append_claims, core_table
from fingerprint.nights.job import Job
from fingerprint.nights.spool import Spool, claim, claims_from_arrays, claims_to_arrays, sample

ROUNDS = 3
"""Samples that are taken, while there are prompts left."""

MIN_ROUND_SHARE = 0.02
"""A round but the first that explains less than this part of the night's prompts is the last."""

MIN_SEGMENT_LENGTH = 2
"""N-grams of a segment that families of a sample begin with: single shared ones are ordinary language, and most (D-032)."""

EXACT_UP_TO = 16_384
"""Segments of a sample above this number are compared through inverted lists; there are other samples."""

MIN_SEED_LENGTH = 8
"""N-grams in a row (11 words) that make a seed where two accounts of a sample share them."""

MAX_SEEDS = 50_000
"""Seeds of a sample that are kept: the longest."""

MAX_TESTED_HOLDERS = 20_000
"""Prompts that hold a seed, up to which its senders are tested (D-031): text that more hold is in any sample."""

_NO_SEEDS = np.empty(0, dtype=np.uint64), np.zeros(1, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class RoundCores:
    """The f families that rounds found, stored ones first.

    grams: the core of each, sorted uint64. outlined: (f,) bool, as `proof.has_outline` tells of the sample. known: (f,)
    int32, the stored signature that each one continues, -1 for a new one.
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
class SearchResult:
    """What all rounds found: families, which of all n prompts hold them, and the prompts of the first sample."""

    cores: RoundCores
    claims: Claims
    first_sample: IntArray


@dataclass(frozen=True, slots=True)
class LargeDiscovery:
    """What a large night holds: f families over all n prompts.

    families: core (f, k) over sorted hashes (k,), members (f, n) as assigned. assignment: of all n prompts.
    """

    families: Families
    hashes: HashArray
    behaviour: Behaviour
    assignment: Assignment


def search(spool: Spool, claims: Claims, stored: RoundCores, job: Job, *, most: int) -> SearchResult:
    """Find families round by round; claims: which prompts hold the stored ones; most: bytes of text in a sample."""
    cores = stored
    sampled, likely, urgent = np.zeros((3, spool.prompts), dtype=np.uint8)
    first = np.empty(0, dtype=np.int64)
    for number in range(1, ROUNDS + 1):
        # a likely prompt may be sampled twice: with the others that hold its text
        free = sampled <= likely
        free[claims.prompt[_is_long(cores)[claims.family]]] = False
        if not (free & (sampled == 0)).any():
            break
        chosen = choose_sample(spool, free, likely + urgent, most)
        sampled[chosen] += 1
        first = chosen if number == 1 else first
        new, seeds = _search_sample(spool, chosen, number, job)
        unexplained = ~_marked(claims.prompt[_is_long(cores)[claims.family]], spool.prompts)
        new_claims, promising, together = _claim(spool, new, seeds, unexplained, number, job)
        before = np.count_nonzero(_marked(claims.prompt, spool.prompts))
        claims, cores = append_claims(claims, new_claims, len(cores.grams)), cores + new
        explained = np.count_nonzero(_marked(claims.prompt, spool.prompts)) - before
        if number > 1 and explained < MIN_ROUND_SHARE * spool.prompts:
            break
        likely[promising], urgent[together] = 1, 1
    return SearchResult(cores, claims, first)


def choose_sample(spool: Spool, free: Bools, likely: Bytes, most: int) -> IntArray:
    """Choose prompts of `free` (n,) until their texts fill `most` bytes, in the order of their hashes; ascending.

    likely: (n,) uint8, the likeliest come before the others.
    """

    def fit(prompts: IntArray, room: int) -> IntArray:
        prompts = prompts[np.lexsort((spool.key[prompts], -likely[prompts].astype(np.int8)))]
        return prompts[: np.searchsorted(np.cumsum(spool.size[prompts], dtype=np.int64), room, side="right")]

    first = fit(np.flatnonzero(free & (likely > 0)), most // 2)
    rest = free.copy()
    rest[first] = False
    room = most - int(spool.size[first].sum(dtype=np.int64))
    return np.sort(np.concatenate([first, fit(np.flatnonzero(rest), room)]))


def _search_sample(
    spool: Spool, chosen: IntArray, number: int, job: Job
) -> tuple[RoundCores, list[HashArray]]:
    """Return the families of a sample, and its seeds: long text in it that two accounts share, in no long family yet.

    The last round has no seeds, for no other comes to look for them.
    """
    stage = f"cores-{number}"
    if not job.work.has(stage):
        job.tell(f"sample {number}", 0, None)
        batch = sample(spool, chosen, shown=False)
        discovery = discover(
            batch,
            [],
            job.settings,
            lambda name: job.tell(f"{name} {number}", 0, None),
            min_length=MIN_SEGMENT_LENGTH,
            exact_up_to=EXACT_UP_TO,
            graph=job.engine.graph,
        )
        core, shared = discovery.families.core, discovery.shared
        seed_grams, seed_offsets = _seeds(batch, discovery) if number < ROUNDS else _NO_SEEDS
        job.work.finish(
            stage,
            {},
            grams=shared.hashes[core.indices],
            offsets=core.indptr.astype(np.int64),
            outlined=has_outline(discovery.families, shared, boundary_grams(discovery.shingles, shared)),
            seed_grams=seed_grams,
            seed_offsets=seed_offsets,
        )
    arrays = job.work.arrays(stage)
    grams = tuple(arrays["grams"][a:b] for a, b in pairwise(arrays["offsets"].tolist()))
    seeds = [arrays["seed_grams"][a:b] for a, b in pairwise(arrays["seed_offsets"].tolist())]
    return RoundCores(grams, arrays["outlined"], np.full(len(grams), -1, dtype=np.int32)), seeds


def _seeds(batch: Batch, discovery: Discovery) -> tuple[HashArray, IntArray]:
    """Return the n-grams of a sample's seeds, one seed after the other, and where each one's begin."""
    long = np.append(discovery.families.size >= MIN_LONG_CORE, np.False_)
    unexplained = np.flatnonzero(~long[discovery.label])
    shingles = discovery.shingles.only(unexplained)
    shared = shared_grams(shingles, batch.senders()[unexplained], min_prompts=2, min_accounts=2)
    segments = join_segments(shingles, shared).only(MIN_SEED_LENGTH)
    longest = np.sort(np.argsort(-segments.length, kind="stable")[:MAX_SEEDS])
    rank = np.full(len(segments.length) + 1, -1, dtype=np.int64)
    rank[longest] = np.arange(len(longest))
    seed = rank[segments.of_gram]
    grams = np.flatnonzero(seed >= 0)
    grams = grams[np.argsort(seed[grams], kind="stable")]
    ends = np.cumsum(np.bincount(seed[grams], minlength=len(longest)))
    return shared.hashes[grams], np.concatenate([[0], ends]).astype(np.int64)


def _is_long(cores: RoundCores) -> Bools:
    """Tell which families (f,) are templates by their text alone: what holds one is not compared with later ones."""
    return np.array([len(grams) >= MIN_LONG_CORE for grams in cores.grams], dtype=np.bool_)


def _claim(
    spool: Spool,
    new: RoundCores,
    seeds: list[HashArray],
    unexplained: Bools,
    number: int,
    job: Job,
) -> tuple[Claims, IntArray, IntArray]:
    """Return which unexplained prompts (n,) hold the new families, and which hold strong seeds (`_test_seeds`)."""
    stage = f"claims-{number}"
    if not job.work.has(stage):
        name = f"claim {number}"
        job.tell(name, 0, spool.prompts)
        claims = claim(
            spool,
            core_table([*new.grams, *seeds]),
            unexplained,
            share=COVER,
            engine=job.engine,
            on_progress=lambda done: job.tell(name, done, spool.prompts),
        )
        of_families = claims.family < len(new.grams)
        promising, together = _test_seeds(spool, claims, len(new.grams), len(seeds), job.settings)
        arrays = claims_to_arrays(claims.only(of_families))
        job.work.finish(stage, {}, **arrays, promising=promising, together=together)
    arrays = job.work.arrays(stage)
    return claims_from_arrays(arrays), arrays["promising"], arrays["together"]


def _test_seeds(
    spool: Spool, claims: Claims, families: int, seeds: int, settings: Settings
) -> tuple[IntArray, IntArray]:
    """Return the prompts of seeds that `min_requests` prompts hold, and those of seeds whose senders act together.

    claims: on the families, and on the seeds behind them. A sample thins a campaign's bursts: of a hundredth of its
    requests hardly two stand near in time. All of them tell.
    """
    holders = np.bincount(claims.family, minlength=families + seeds)[families:]
    strong = np.flatnonzero(holders >= settings.min_requests)
    rank = np.full(families + seeds, -1, dtype=np.int32)
    rank[families + strong] = np.arange(len(strong))
    row = rank[claims.family]
    tested = row >= 0
    promising = np.flatnonzero(_marked(claims.prompt[tested], spool.prompts))
    tested[tested] = (holders[strong] <= MAX_TESTED_HOLDERS)[row[tested]]
    if not tested.any():
        return promising, promising[:0]
    ones = np.ones(int(tested.sum()), dtype=np.float32)
    members = sparse.csr_matrix(
        (ones, (row[tested], claims.prompt[tested])), shape=(len(strong), spool.prompts)
    )
    act = behaviour_of(spool.batch, members)
    together = (act.p_synchrony <= SYNCHRONY_P) & (act.accounts >= settings.min_accounts)
    return promising, np.unique(members[np.flatnonzero(together)].indices).astype(np.int64)


def _marked(numbers: IntArray, count: int) -> Bools:
    """Return ones (count,) at these numbers, which may repeat: millions are sorted in seconds, and marked in none."""
    out = np.zeros(count, dtype=np.bool_)
    out[numbers] = True
    return out


def settle(spool: Spool, result: SearchResult, job: Job) -> LargeDiscovery:
    """Test all families on all requests, drop those that nothing proves, and give each prompt to its strongest."""
    cores = result.cores
    if not job.work.has("settled"):
        job.tell("settle", 0, None)
        selection = select(
            _candidates(cores, result.claims, spool.prompts),
            spool.batch,
            job.settings,
            outline=lambda _, number: cores.outlined[number],
        )
        job.work.finish("settled", {}, number=selection.number, label=selection.label)
    arrays = job.work.arrays("settled")
    number, label = arrays["number"], arrays["label"]
    grams = [cores.grams[n] for n in number]
    hashes = _distinct(grams)
    families = Families(cores_over(hashes, grams), members_of(label, len(number)), cores.known[number])
    act = behaviour_of(spool.batch, families.members)
    coverage = _coverage(cores, result.claims, number, label)
    return LargeDiscovery(families, hashes, act, Assignment(label, coverage))


def _candidates(cores: RoundCores, claims: Claims, prompts: int) -> Families:
    ones = np.ones(len(claims), dtype=np.float32)
    members = sparse.csr_matrix((ones, (claims.family, claims.prompt)), shape=(len(cores.grams), prompts))
    return Families(cores_over(_distinct(cores.grams), cores.grams), members, cores.known)


def _distinct(grams: Sequence[HashArray]) -> HashArray:
    return np.unique(np.concatenate([*grams, np.empty(0, dtype=np.uint64)]))


def _coverage(cores: RoundCores, claims: Claims, number: IntArray, label: Ids) -> FloatArray:
    """Return the share of its family's core that each prompt holds, (n,), 0 without a family.

    number: (f,) which of the cores each family's is. label: (n,) each prompt's family, -1 = none.
    """
    size = np.array([len(grams) for grams in cores.grams], dtype=np.int64)
    row = np.full(len(size), -1, dtype=np.int32)
    row[number] = np.arange(len(number))
    own = np.flatnonzero((row[claims.family] >= 0) & (row[claims.family] == label[claims.prompt]))
    out = np.zeros(len(label), dtype=np.float32)
    out[claims.prompt[own]] = claims.grams[own] / size[claims.family[own]]
    return out
