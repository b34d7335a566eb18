"""Templates inside a text that many people send: an agent's system prompt, a wrapper, a licence.

A prompt is given to one family by its text, and a long text of many senders (a carrier) wins over what a pool writes
beside it (a marker). So the prompts of carriers are searched once more, with the carrier's own text taken out, and
what is found there goes before the carrier if its senders prove it: few of the carrier's accounts send it and come back with
it, in nearly all that they send of the carrier, or at the same times. An agent's versions and tools, and documents that
several people ask about, are text inside a carrier, too (D-159, D-252).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy import sparse

from fingerprint.base.jit import kernel
from fingerprint.base.types import Bools, HashArray, Ids, IntArray
from fingerprint.discovery.batch import Batch, behaviour_of, part_of
from fingerprint.discovery.discover import Discovery, coverage_of, discover_in
from fingerprint.discovery.families import COVER, OVERLAP, Families, cores_over, members_of
from fingerprint.discovery.leftovers import knowing
from fingerprint.discovery.proof import FEWEST_RETURNING, MIN_LONG_CORE, RETURNING_SHARE, SYNCHRONY_P
from fingerprint.discovery.sparse_products import counts_from
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import Signature, is_campaign
from fingerprint.evidence.pools import pool_groups
from fingerprint.text.ngrams import Shingles

MIN_CARRIER_ACCOUNTS = 20
"""Accounts from which on a text can carry another one's template: a pool, and people beside it."""

MAX_MARKER_ACCOUNTS = 0.5
"""A marker is sent by at most this share of its carrier's accounts; what more of them send is part of the carrier."""

MARKED_SHARE = 0.7
"""Share of what a marker's accounts send of the carrier that holds the marker; of a document that people ask about at most 0.6."""

FEWER = 2
"""One of several texts of a pool needs so many times fewer prompts than a family."""

MARKED_TOGETHER = 0.8
"""The same of several markers of one pool; of a department's documents at most 0.7 (D-233)."""

INSIDE_SHARE = 0.5
"""Share of a family's prompts that hold a carrier, from which on it stands in it."""


def peel(batch: Batch, discovery: Discovery, stored: Sequence[Signature], settings: Settings) -> Discovery:
    """Give prompts that hold a marker inside a carrier to the marker; markers that are new are added behind the families.

    A stored campaign's template goes before any carrier, however few prompts hold both.
    """
    carriers = _carriers(batch, discovery, settings)
    if not len(carriers):
        return discovery
    texts = _inside(batch, discovery, carriers, settings)
    discovery = knowing(batch, discovery, texts)
    families, shared = discovery.families, discovery.shared
    found = _unknown(cores_over(shared.hashes, texts), families.core)
    core = sparse.vstack([families.core, found], format="csr")
    size = np.diff(core.indptr)
    held = counts_from(core, shared.postings, COVER * size)
    held.data[:] = 1.0
    hunted = np.zeros(core.shape[0], dtype=np.bool_)
    hunted[: len(families)] = [
        s is not None and is_campaign(s.label, flagged=s.flagged) for s in discovery.continued(stored)
    ]
    label, senders = discovery.label.copy(), batch.senders()
    apart = (core @ families.core[carriers].T).toarray() < OVERLAP * size[:, None]
    for column, carrier in enumerate(carriers.tolist()):
        inside = held.multiply(discovery.label == carrier).tocsr()
        inside.eliminate_zeros()
        held_here = (np.diff(inside.indptr) > 0) & apart[:, column]
        held_here[carrier] = False
        asked = np.flatnonzero(held_here)
        chosen = held_here & hunted
        prompts = families.members[carrier].indices
        long = size[asked] >= MIN_LONG_CORE
        marks = _are_markers(batch, senders, prompts, inside[asked], long, settings)
        chosen[asked[marks]] = True
        rows = np.flatnonzero(chosen)
        # the longest of those that a prompt holds
        for marker in rows[np.argsort(size[rows], kind="stable")]:
            label[inside[marker].indices] = marker
    return _with_markers(batch, discovery, core, held, label)


def carriers_of(batch: Batch, discovery: Discovery, settings: Settings) -> Ids:
    """Return the carrier that most prompts of each family stand in, (f,) rows of families, -1 = none.

    What stands in it is sent by at most MAX_MARKER_ACCOUNTS of its accounts.
    """
    families = discovery.families
    out = np.full(len(families), -1, dtype=np.int32)
    carriers = _carriers(batch, discovery, settings)
    if not len(carriers):
        return out
    core, size = families.core[carriers], families.size
    held = counts_from(core, discovery.shared.postings, COVER * size[carriers])
    held.data[:] = 1.0
    share = (families.members @ held.T).toarray() / np.maximum(families.support, 1)[:, None]
    accounts = np.diff((families.members @ batch.senders()).tocsr().indptr)
    share[accounts[:, None] > MAX_MARKER_ACCOUNTS * accounts[carriers]] = 0.0
    share[(families.core @ core.T).toarray() >= OVERLAP * size[:, None]] = 0.0
    inside = np.flatnonzero(share.max(axis=1) > INSIDE_SHARE)
    out[inside] = carriers[share[inside].argmax(axis=1)]
    return out


def _carriers(batch: Batch, discovery: Discovery, settings: Settings) -> IntArray:
    """Return the families (c,) whose text is long and whose senders are many."""
    families = discovery.families
    accounts = np.diff((families.members @ batch.senders()).tocsr().indptr)
    many = (accounts >= MIN_CARRIER_ACCOUNTS) & (families.support >= 2 * settings.min_requests)
    return np.flatnonzero(many & (families.size >= MIN_LONG_CORE))


def _inside(batch: Batch, discovery: Discovery, carriers: IntArray, settings: Settings) -> list[HashArray]:
    """Return the n-grams of the cores (t) of what the carriers' prompts share beside the carriers' text, sorted."""
    prompts = np.flatnonzero(np.isin(discovery.label, carriers))
    left = _without_cores(discovery, prompts)
    small = replace(settings, min_requests=_fewest(settings))
    more = discover_in(left, part_of(batch, prompts), (), small, lambda _: None, min_length=2)
    core = more.families.core
    return [more.shared.hashes[core.indices[a:b]] for a, b in pairwise(core.indptr)]


def _unknown(cores: sparse.csr_matrix, known: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return those of some cores (t, k) that are not the text of a known family (f, k), either CSR of ones."""
    larger = np.maximum(np.diff(cores.indptr)[:, None], np.diff(known.indptr))
    return cores[np.flatnonzero(~((cores @ known.T).toarray() >= OVERLAP * larger).any(axis=1))]


def _without_cores(discovery: Discovery, prompts: IntArray) -> Shingles:
    """Return the n-grams of some prompts of families without those of their family's core."""
    shingles, core = discovery.shingles, discovery.families.core
    some = shingles.only(prompts)
    kept = np.empty(len(some.hashes), dtype=np.bool_)
    _mark_others(
        discovery.shared.ids,
        (shingles.offsets, some.offsets),
        (prompts, np.argsort(discovery.label[prompts], kind="stable"), discovery.label),
        (core.indptr, core.indices),
        np.full(core.shape[1], -1, dtype=np.int32),
        kept,
    )
    joined = some.joined & np.append(kept[1:], np.False_)
    return Shingles(some.hashes[kept], joined[kept], np.append(0, np.cumsum(kept))[some.offsets])


@kernel
def _mark_others(
    ids: Ids,
    offsets: tuple[IntArray, IntArray],
    asked: tuple[IntArray, IntArray, Ids],
    core: tuple[Ids, Ids],
    own: Ids,
    kept: Bools,
) -> None:
    """Tell which n-grams of some prompts are not of their family's core, into kept (q,), prompt by prompt.

    ids: (p,) which n-gram stands at each place of all prompts. offsets: where each of all prompts begins, and each of these.
    asked: these prompts (m,), their order by family (m,), and the family of each of all prompts. core: indptr and indices
    of cores (f, k). own: (k,) -1, used up.
    """
    prompts, by_family, label = asked
    family = -1
    for m in by_family:
        if label[prompts[m]] != family:
            family = label[prompts[m]]
            for g in range(core[0][family], core[0][family + 1]):
                own[core[1][g]] = family
        begin = offsets[0][prompts[m]] - offsets[1][m]
        for place in range(offsets[1][m], offsets[1][m + 1]):
            gram = ids[begin + place]
            kept[place] = gram < 0 or own[gram] != family


def _are_markers(
    batch: Batch,
    senders: sparse.csr_matrix,
    prompts: IntArray,
    inside: sparse.csr_matrix,
    long: Bools,
    settings: Settings,
) -> Bools:
    """Tell which texts (t,) inside a carrier are a pool's, by who else sends the carrier; inside: (t, n) CSR, its prompts.

    prompts: (m,) of the carrier. senders: (n, a) CSR.
    Templates of one pool (`evidence.pools`) count together: each alone is in a part of what the pool sends. Accounts that
    send a text at the same times may send much else of the carrier; a text that is not `long` (t,) needs both.
    """
    out = np.zeros(inside.shape[0], dtype=np.bool_)
    enough = np.diff(inside.indptr) >= _fewest(settings)
    enough &= np.diff((inside @ senders).tocsr().indptr) >= settings.min_accounts
    if not enough.any():
        return out
    beside = part_of(batch, prompts)
    short = np.flatnonzero(enough & ~long)
    if len(short):
        enough[short] = _act_together(beside, inside[short][:, prompts])
    rows = np.flatnonzero(enough)
    if not len(rows):
        return out
    carried = np.asarray(senders[prompts].sum(axis=0)).ravel()
    group = pool_groups((inside[rows] @ senders).tocsr(), senders.shape[1])
    groups = _joined(inside[rows], group)
    together = _act_together(beside, groups[:, prompts])
    for number in range(groups.shape[0]):
        mine = rows[group == number]
        held = groups[number].indices
        marked = np.asarray(senders[held].sum(axis=0)).ravel()
        pool = np.flatnonzero(marked)
        again = int((np.asarray(senders[held].sign().sum(axis=0)).ravel() >= 2).sum())
        share = MARKED_SHARE if len(mine) == 1 else MARKED_TOGETHER
        in_all = marked.sum() >= share * carried[pool].sum()
        comes_back = again >= max(FEWEST_RETURNING, RETURNING_SHARE * len(pool))
        few = len(pool) <= MAX_MARKER_ACCOUNTS * np.count_nonzero(carried)
        if few and comes_back and len(held) >= settings.min_requests:
            out[mine] = np.where(long[mine], in_all | together[number], in_all & together[number])
    return out


def _act_together(carried: Batch, inside: sparse.csr_matrix) -> Bools:
    """Tell of which texts (t, n) inside a carrier (n prompts) the senders act together, more than all that is sent in it.

    A scheduled product has its moments, too.
    """
    return np.asarray(behaviour_of(carried, inside.tocsr()).p_synchrony <= SYNCHRONY_P)


def _fewest(settings: Settings) -> int:
    """Return the fewest prompts of a text that counts together with others of its pool, as of a frame (D-206)."""
    return min(settings.min_requests, max(settings.min_accounts + 1, settings.min_requests // FEWER))


def _joined(inside: sparse.csr_matrix, group: Ids) -> sparse.csr_matrix:
    """Return which prompts hold a text of each group, (g, n) CSR of ones; inside: (t, n) CSR, group: (t,)."""
    ones = np.ones(len(group), dtype=np.float32)
    shape = (int(group.max(initial=-1)) + 1, len(group))
    out = (sparse.csr_matrix((ones, (group, np.arange(len(group)))), shape=shape) @ inside).tocsr()
    out.data[:] = 1.0
    out.sort_indices()
    return out


def _with_markers(
    batch: Batch, discovery: Discovery, core: sparse.csr_matrix, held: sparse.csr_matrix, label: Ids
) -> Discovery:
    """Return the discovery with these labels (n,), of rows of `core` (t, k); new ones without prompts go.

    held: (t, n) CSR, which prompts hold each core; those in no family go to the new marker that they hold.
    """
    families = len(discovery.families)
    used = np.bincount(label[label >= 0], minlength=core.shape[0]) > 0
    used[:families] = True
    for marker in range(families, core.shape[0]):
        if used[marker]:
            prompts = held[marker].indices
            label[prompts[label[prompts] < 0]] = marker
    kept: Bools = used
    rank = np.full(core.shape[0] + 1, -1, dtype=np.int32)
    rank[np.flatnonzero(kept)] = np.arange(np.count_nonzero(kept))
    label = rank[label]
    cores = core[np.flatnonzero(kept)]
    known = np.full(cores.shape[0], -1, dtype=np.int32)
    known[:families] = discovery.families.known
    fresh = Families(cores, members_of(label, cores.shape[0]), known)
    return replace(
        discovery,
        families=fresh,
        behaviour=behaviour_of(batch, fresh.members),
        label=label,
        coverage=coverage_of(fresh, discovery.shared, label),
    )
