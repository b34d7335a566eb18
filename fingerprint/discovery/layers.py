"""Templates inside a text that many people send: an agent's system prompt, a wrapper, a licence.

A prompt is given to one family by its text, and a long text of many senders (a carrier) wins over what a pool writes
beside it (a marker). So the prompts of carriers are searched once more, with the carrier's own text taken out, and
what is found there goes before the carrier if its senders prove it: few of the carrier's accounts send it, in nearly all that
they send of the carrier, and come back with it. An agent's versions and tools, and documents that several people ask about,
are text inside a carrier, too (D-159).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import sparse

from fingerprint.base.sparse import ranges
from fingerprint.base.types import Bools, Ids, IntArray
from fingerprint.discovery.batch import Batch, behaviour_of, part_of
from fingerprint.discovery.discover import Discovery, coverage_of, discover_in
from fingerprint.discovery.families import COVER, OVERLAP, Families, cores_over, members_of
from fingerprint.discovery.proof import FEWEST_RETURNING, MIN_LONG_CORE, RETURNING_SHARE
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

MARKED_TOGETHER = 0.8
"""The same of several markers of one pool; of a department's documents at most 0.7 (D-233)."""


def peel(batch: Batch, discovery: Discovery, stored: Sequence[Signature], settings: Settings) -> Discovery:
    """Give prompts that hold a marker inside a carrier to the marker; markers that are new are added behind the families.

    A stored campaign's template goes before any carrier, however few prompts hold both.
    """
    carriers = _carriers(batch, discovery, settings)
    if not len(carriers):
        return discovery
    families, shared = discovery.families, discovery.shared
    found = _inside(batch, discovery, carriers, settings)
    core = sparse.vstack([families.core, found], format="csr")
    size = np.diff(core.indptr)
    held = counts_from(core, shared.postings, COVER * size)
    held.data[:] = 1.0
    hunted = np.zeros(core.shape[0], dtype=np.bool_)
    hunted[: len(families)] = [
        s is not None and is_campaign(s.label, flagged=s.flagged) for s in discovery.continued(stored)
    ]
    label = discovery.label.copy()
    apart = (core @ families.core[carriers].T).toarray() < OVERLAP * size[:, None]
    for column, carrier in enumerate(carriers.tolist()):
        inside = held.multiply(discovery.label == carrier).tocsr()
        inside.eliminate_zeros()
        held_here = (np.diff(inside.indptr) > 0) & apart[:, column]
        held_here[carrier] = False
        long = np.flatnonzero(held_here & (size >= MIN_LONG_CORE))
        chosen = held_here & hunted
        chosen[long[_are_markers(batch, discovery, inside[long], carrier, settings)]] = True
        rows = np.flatnonzero(chosen)
        # the longest of those that a prompt holds
        for marker in rows[np.argsort(size[rows], kind="stable")]:
            label[inside[marker].indices] = marker
    return _with_markers(batch, discovery, core, held, label)


def _carriers(batch: Batch, discovery: Discovery, settings: Settings) -> IntArray:
    """Return the families (c,) whose text is long and whose senders are many."""
    families = discovery.families
    accounts = np.diff((families.members @ batch.senders()).tocsr().indptr)
    many = (accounts >= MIN_CARRIER_ACCOUNTS) & (families.support >= 2 * settings.min_requests)
    return np.flatnonzero(many & (families.size >= MIN_LONG_CORE))


def _inside(batch: Batch, discovery: Discovery, carriers: IntArray, settings: Settings) -> sparse.csr_matrix:
    """Return the cores of what the carriers' prompts share beside the carriers' text, (t, k) CSR of ones.

    Without those of families that are known to the discovery.
    """
    prompts = np.flatnonzero(np.isin(discovery.label, carriers))
    left = _without_cores(discovery, prompts)
    more = discover_in(left, part_of(batch, prompts), (), settings, lambda _: None, min_length=2)
    core = more.families.core
    grams = [
        more.shared.hashes[core.indices[core.indptr[f] : core.indptr[f + 1]]] for f in range(core.shape[0])
    ]
    cores, known = cores_over(discovery.shared.hashes, grams), discovery.families.core
    larger = np.maximum(np.diff(cores.indptr)[:, None], np.diff(known.indptr))
    return cores[np.flatnonzero(~((cores @ known.T).toarray() >= OVERLAP * larger).any(axis=1))]


def _without_cores(discovery: Discovery, prompts: IntArray) -> Shingles:
    """Return the n-grams of some prompts of families without those of their family's core."""
    shingles, core = discovery.shingles, discovery.families.core
    places, ends = ranges(shingles.offsets, prompts)
    gram = discovery.shared.ids[places].astype(np.int64)
    family = np.repeat(discovery.label[prompts].astype(np.int64), np.diff(ends))
    own = np.repeat(np.arange(core.shape[0], dtype=np.int64), np.diff(core.indptr)) * core.shape[1]
    kept = (gram < 0) | ~np.isin(family * core.shape[1] + gram, own + core.indices)
    joined = shingles.joined[places] & np.append(kept[1:], np.False_)
    return Shingles(
        shingles.hashes[places[kept]],
        joined[kept],
        shingles.first[places[kept]],
        shingles.last[places[kept]],
        np.append(0, np.cumsum(kept))[ends].astype(np.int64),
    )


def _are_markers(
    batch: Batch, discovery: Discovery, inside: sparse.csr_matrix, carrier: int, settings: Settings
) -> Bools:
    """Tell which texts (t,) inside a carrier are a pool's, by who else sends the carrier; inside: (t, n) CSR, its prompts.

    Templates of one pool (`evidence.pools`) count together: each alone is in a part of what the pool sends.
    """
    if not inside.shape[0]:
        return np.zeros(0, dtype=np.bool_)
    senders = batch.senders()
    carried = np.asarray(senders[discovery.families.members[carrier].indices].sum(axis=0)).ravel()
    sent = (inside @ senders).tocsr()
    group = pool_groups(sent, len(batch.accounts))
    out = np.zeros(inside.shape[0], dtype=np.bool_)
    for number in range(int(group.max()) + 1):
        rows = np.flatnonzero(group == number)
        prompts = np.unique(inside[rows].indices)
        marked = np.asarray(senders[prompts].sum(axis=0)).ravel()
        pool = np.flatnonzero(marked)
        again = int((np.asarray(senders[prompts].sign().sum(axis=0)).ravel() >= 2).sum())
        out[rows] = (
            len(pool) <= MAX_MARKER_ACCOUNTS * np.count_nonzero(carried)
            and marked.sum() >= (MARKED_SHARE if len(rows) == 1 else MARKED_TOGETHER) * carried[pool].sum()
            and again >= max(FEWEST_RETURNING, RETURNING_SHARE * len(pool))
        )
    accounts = np.diff(sent.indptr)
    enough = np.diff(inside.indptr) >= settings.min_requests
    return np.asarray(out & enough & (accounts >= settings.min_accounts))


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
