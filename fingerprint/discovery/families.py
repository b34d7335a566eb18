"""From clusters of segments to families: cores, members, merging, and which family gets a prompt.

A family's core is what most of its members hold. Families whose cores overlap are one. A prompt belongs to the family
whose core it covers and whose evidence is strongest. Which families stay is decided in `selection`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from fingerprint.base.jit import njit
from fingerprint.base.sparse import components, family_of
from fingerprint.base.types import Bools, Doubles, FloatArray, HashArray, Ids, IntArray
from fingerprint.discovery.segments import Segments
from fingerprint.discovery.shared_ngrams import SharedGrams
from fingerprint.discovery.sparse_products import counts_from
from fingerprint.evidence.coactivity import Behaviour


@dataclass(frozen=True, slots=True)
class Families:
    """Families as sets of grams and of prompts.

    core: (f, k) CSR of float32 ones, the grams of each family's fixed text.
    members: (f, n) CSR of float32 ones, the prompts that cover enough of the core.
    known: (f,) int32, which stored signature each family continues, -1 for a new one.
    """

    core: sparse.csr_matrix
    members: sparse.csr_matrix
    known: Ids

    @property
    def size(self) -> IntArray:
        """Grams in each family's core, (f,) int64."""
        return np.asarray(np.diff(self.core.indptr), dtype=np.int64)

    @property
    def support(self) -> IntArray:
        """Prompts in each family, (f,) int64."""
        return np.asarray(np.diff(self.members.indptr), dtype=np.int64)

    def __len__(self) -> int:
        return int(self.core.shape[0])

    def take(self, rows: npt.NDArray[np.integer] | Bools) -> Families:
        """Return only these families, in this order; rows: numbers (m,), or a mask (f,) bool."""
        return Families(self.core[rows], self.members[rows], self.known[rows])

    def with_members(self, label: Ids) -> Families:
        """Return the same families with the prompts as members that labels (n,) give to each, -1 = none."""
        return Families(self.core, members_of(label, len(self)), self.known)


def members_of(label: Ids, families: int) -> sparse.csr_matrix:
    """Return (families, n) CSR of ones from labels (n,), -1 = none."""
    prompts = np.flatnonzero(label >= 0)
    ones = np.ones(len(prompts), dtype=np.float32)
    return sparse.csr_matrix((ones, (label[prompts], prompts)), shape=(families, len(label)))


def cores_over(hashes: HashArray, cores: Sequence[HashArray]) -> sparse.csr_matrix:
    """Return cores as (f, k) CSR of float32 ones over sorted hashes (k,), which hold all of each core's n-grams."""
    grams = np.concatenate([*cores, np.empty(0, dtype=np.uint64)])
    ends = np.cumsum([0, *(len(core) for core in cores)]).astype(np.int64)
    ones = np.ones(len(grams), dtype=np.float32)
    return sparse.csr_matrix((ones, np.searchsorted(hashes, grams), ends), shape=(len(cores), len(hashes)))


CORE_SHARE = 0.7
"""An n-gram is in the core if this share of the members hold it."""

OWN_SHARE = 0.9
"""An n-gram that is new to a stored family's core must have this share of its prompts in the family."""

COVER = 0.6
"""A prompt is a member if it holds this share of the core's n-grams (D-079)."""

OVERLAP = 0.5
"""Families merge if their cores share this part of the larger core, and FEWEST_SHARED n-grams."""

FEWEST_SHARED = 2.0
"""N-grams that two cores share, or nothing is said of them."""

SAME_PROMPTS = 0.9
"""A stored family goes on as a new one whose core holds this share of its own, if they have this share of all their prompts in common."""

MERGE_ROUNDS = 2
"""Times that cores are derived anew and merged: a merged family's core is another than its parts'."""

ASSIGN_ROUNDS = 4
"""Times that prompts are assigned: what a family gets changes what it is worth to the next prompt."""

ORDINARY_SHARE, TOGETHER_SHARE = 0.01, 0.5
"""N-grams are ordinary language if this share of the prompts in no family hold each, or as many as the family has, and
fewer than the second share of those that hold any hold them together (D-380)."""

UNPROVEN_STRENGTH = 0.1
"""What the strength of a family without proof is worth: a phrase that half the traffic holds must not starve a template (D-084)."""


def candidates(
    label: Ids, segments: Segments, shared: SharedGrams, stored: sparse.csr_matrix, *, least: int
) -> Families:
    """Turn clusters of segments and stored cores into merged candidate families.

    label: (s,) int32, each segment's cluster, -1 = noise: such a segment is a candidate by itself. stored: (g, k) CSR
    of ones, the cores of stored families. least: fewest prompts of a new family.
    """
    groups = label.astype(np.int64).copy()
    alone = np.flatnonzero(groups < 0)
    groups[alone] = groups.max(initial=-1) + 1 + np.arange(len(alone))
    k = shared.postings.shape[0]
    grams = np.flatnonzero(segments.of_gram >= 0)
    ones = np.ones(len(grams), dtype=np.float32)
    fresh = sparse.csr_matrix(
        (ones, (groups[segments.of_gram[grams]], grams)), shape=(groups.max(initial=-1) + 1, k)
    )
    known = np.concatenate([np.full(fresh.shape[0], -1), np.arange(stored.shape[0])]).astype(np.int32)
    families, _ = _covering(sparse.vstack([fresh, stored], format="csr"), known, shared, least)
    for _ in range(MERGE_ROUNDS):
        families = _merge(_recore(families, shared, least), _overlapping)
        families, _ = _covering(_recore(families, shared, least).core, families.known, shared, least)
    return _merge(families, _going_on)


def renew(
    families: Families, assigned: sparse.csr_matrix, shared: SharedGrams, *, least: int
) -> tuple[Families, IntArray]:
    """Derive cores and members anew from the prompts assigned to each family, (f, n) CSR.

    Also returns the rows that are left, ascending: new families of fewer than `least` prompts go.
    """
    given = Families(families.core, assigned, families.known)
    alive = np.flatnonzero((families.known >= 0) | (given.support >= least))
    given = given.take(alive)
    renewed, left = _without_ordinary(_recore(given, shared, least), assigned, shared, least)
    fresh, rows = _covering(renewed.core, renewed.known, shared, least)
    return fresh, alive[left[rows]]


def assign(families: Families, strength: Doubles, *, least: int) -> Ids:
    """Give every prompt to its strongest family, (n,) int32, -1 = none; families that starve drop out.

    strength: (f,) what a family's evidence is worth per log of its support.
    """
    members, support = families.members, families.support.astype(np.float64)
    stored = families.known >= 0
    label = np.full(families.members.shape[1], -1, dtype=np.int32)
    alive = stored | (support >= least)
    for _ in range(ASSIGN_ROUNDS):
        value = strength * np.log1p(support) * alive
        label = _strongest(members.indptr, members.indices, value, members.shape[1])
        support = np.bincount(label[label >= 0], minlength=len(families)).astype(np.float64)
        alive = stored | (support >= least)
    return np.where(alive[label], label, -1).astype(np.int32) if len(families) else label


def strength(families: Families, behaviour: Behaviour, proven: Bools) -> Doubles:
    """Return what each family's evidence is worth where a prompt holds several, (f,) float64.

    Longer cores and pools that act together win over payload and phrases that happen to be shared. proven: (f,) bool,
    families that could stay as they are; the others yield.
    """
    evidence = _decades(behaviour.p_value) + _decades(behaviour.p_synchrony)
    return np.asarray(
        np.log1p(families.size) * (1 + evidence / 10) * np.where(proven, 1.0, UNPROVEN_STRENGTH)
    )


def _decades(p_value: Doubles) -> Doubles:
    """Return -log10 of p-values, at most 10."""
    return np.asarray(np.minimum(-np.log10(np.maximum(p_value, 1e-10)), 10.0))


def _covering(
    core: sparse.csr_matrix, known: Ids, shared: SharedGrams, least: int
) -> tuple[Families, IntArray]:
    """Find the prompts that cover each core, and the rows left: new families of too few, or of one n-gram, go."""
    size = np.diff(core.indptr)
    cover = counts_from(core, shared.postings, COVER * size)
    cover.data[:] = 1.0
    kept = np.flatnonzero((known >= 0) | ((np.diff(cover.indptr) >= least) & (size >= 2)))
    return Families(core, cover, known).take(kept), kept


def _recore(families: Families, shared: SharedGrams, least: int) -> Families:
    """Derive each core from its members anew; a stored one stays where too few members, or n-grams, would make it.

    A stored one takes in no text that mostly others hold, such as the system prompt of a tool that its senders now use.
    """
    support = families.support
    counts = counts_from(families.members, shared.by_prompt, CORE_SHARE * support)
    stored = families.known >= 0
    if not stored.any():
        counts.data[:] = 1.0
        return Families(counts, families.members, families.known)
    row = family_of(counts)
    own = ~stored[row] | (counts.data >= OWN_SHARE * np.diff(shared.postings.indptr)[counts.indices])
    asked = np.flatnonzero(~own)
    own[asked] = _held_before(families.core, row[asked], counts.indices[asked])
    counts.data[:] = own
    counts.eliminate_zeros()
    fresh = ~stored | ((support >= least) & (np.diff(counts.indptr) >= 2))
    chosen = np.arange(len(families)) + np.where(fresh, 0, len(families))
    core = sparse.vstack([counts, families.core], format="csr")[chosen]
    core.sort_indices()
    return Families(core, families.members, families.known)


def _without_ordinary(
    families: Families, assigned: sparse.csr_matrix, shared: SharedGrams, least: int
) -> tuple[Families, IntArray]:
    """Take ordinary language out of new cores of which it alone would make strangers' prompts members.

    Long payloads hold the same set phrases, and so do the long texts of strangers, prompts that no family has; assigned:
    (f, n) CSR. What is left of a core may be another family's, which then has its prompts. Also returns the rows that are
    left, ascending.
    """
    strangers = np.bincount(assigned.indices, minlength=assigned.shape[1]) == 0
    holders = shared.postings @ strangers.astype(np.float64)
    enough = np.minimum(ORDINARY_SHARE * int(strangers.sum()), families.support)
    ordinary, size = families.core.copy(), families.size
    row = np.repeat(np.arange(len(families)), size)
    ordinary.data[:] = holders[ordinary.indices] >= np.maximum(enough, least)[row]
    ordinary.eliminate_zeros()
    count = np.diff(ordinary.indptr)
    changed = np.flatnonzero((families.known < 0) & (count >= COVER * size) & (size - count >= 2))
    changed = changed[_here_and_there(ordinary[changed], shared, strangers)]
    yields = np.zeros(len(families), dtype=np.bool_)
    yields[changed] = True
    core = (families.core - sparse.diags(yields.astype(np.float32)) @ ordinary).tocsr()
    core.eliminate_zeros()
    core.sort_indices()
    overlap, size = (core[changed] @ core.T).tocoo(), np.diff(core.indptr)
    one, other = changed[overlap.row], overlap.col
    same = overlap.data >= np.maximum(OVERLAP * np.maximum(size[one], size[other]), COVER * size[other])
    # of two that were changed the first stays
    same &= (one != other) & (~yields[other] | (other < one))
    left = np.setdiff1d(np.arange(len(families)), one[same])
    return Families(core, families.members, families.known).take(left), left


def _here_and_there(ordinary: sparse.csr_matrix, shared: SharedGrams, strangers: Bools) -> Bools:
    """Tell whose ordinary n-grams (f, k) strangers hold by chance, some here and some there, and seldom together, as a template's."""
    held = (ordinary @ shared.postings).tocsr()
    row = np.repeat(np.arange(held.shape[0]), np.diff(held.indptr))
    theirs = strangers[held.indices]
    together = theirs & (held.data >= COVER * np.diff(ordinary.indptr)[row])
    some, most = (np.bincount(row[which], minlength=held.shape[0]) for which in (theirs, together))
    return np.asarray(most < TOGETHER_SHARE * some)


def _held_before(core: sparse.csr_matrix, row: IntArray, column: Ids) -> Bools:
    """Tell which of these cells (e,) of a core are set."""
    width = core.shape[1]
    return np.asarray(np.isin(row * width + column, family_of(core) * width + core.indices))


def _merge(families: Families, alike: Callable[[Families, sparse.coo_matrix], Bools]) -> Families:
    """Join families whose cores are alike; two stored families never become one.

    alike: which pairs of families are, (e,) bool, given how many n-grams their cores have in common, FEWEST_SHARED at least,
    (f, f) of e pairs.
    """
    f = len(families)
    shared = counts_from(families.core, families.core.T.tocsr(), np.full(f, FEWEST_SHARED))
    overlap = sparse.triu(shared, k=1, format="coo")
    same = np.flatnonzero(alike(families, overlap))
    row, column = overlap.row[same], overlap.col[same]
    shares = overlap.data[same] / np.maximum(families.size[row], families.size[column])
    group = _apart(components(row, column, f), families.known, row, column, shares)
    _, first, group = np.unique(group, return_index=True, return_inverse=True)
    known = np.full(len(first), -1, dtype=np.int32)
    np.maximum.at(known, group, families.known)
    join = sparse.csr_matrix((np.ones(f, dtype=np.float32), (group, np.arange(f))), shape=(len(first), f))
    members, core = (join @ families.members).tocsr(), (join @ families.core).tocsr()
    for matrix in (members, core):
        matrix.data[:] = 1.0
        matrix.sort_indices()  # sums of sparse matrices come unsorted; signatures keep their n-grams sorted
    return Families(core, members, known)


def _overlapping(families: Families, overlap: sparse.coo_matrix) -> Bools:
    larger = np.maximum(families.size[overlap.row], families.size[overlap.col])
    return np.asarray(overlap.data >= np.maximum(OVERLAP * larger, FEWEST_SHARED))


def _going_on(families: Families, overlap: sparse.coo_matrix) -> Bools:
    """Tell which pairs are a stored family and a new one of the same prompts whose core holds the stored one's and more.

    What is stored of a template may be less than its text (`asked`).
    """
    row, column, known = overlap.row, overlap.col, families.known
    held = overlap.data >= np.maximum(
        SAME_PROMPTS * np.minimum(families.size[row], families.size[column]), FEWEST_SHARED
    )
    pairs = np.flatnonzero(held & ((known[row] >= 0) != (known[column] >= 0)))
    row, column = row[pairs], column[pairs]
    both = np.asarray(families.members[row].multiply(families.members[column]).sum(axis=1)).ravel()
    out = np.zeros(overlap.nnz, dtype=np.bool_)
    out[pairs] = both >= SAME_PROMPTS * (families.support[row] + families.support[column] - both)
    return out


def _apart(group: Ids, known: Ids, row: Ids, column: Ids, shares: FloatArray) -> IntArray:
    """Part groups (f,) into which several stored families fell: each gets its own, the rest go to their best overlap.

    known: (f,) the stored family each one is, -1 for none. row, column: (e,) pairs of families whose cores overlap, by
    these shares (e,).
    """
    stored = np.flatnonzero(known >= 0)
    out = group.astype(np.int64)
    crowded = np.flatnonzero(np.bincount(group[stored], minlength=group.max(initial=-1) + 1) > 1)
    heads = stored[np.isin(group[stored], crowded)]
    out[heads] = group.max(initial=-1) + 1 + heads
    i, j, share = (
        np.concatenate([row, column]),
        np.concatenate([column, row]),
        np.concatenate([shares, shares]),
    )
    pull = np.isin(j, heads) & ~np.isin(i, heads)
    order = np.lexsort((-j[pull], share[pull]))  # the best overlap is written last, the lower id on a tie
    out[i[pull][order]] = out[j[pull][order]]
    return out


@njit(cache=True, nogil=True)
def _strongest(indptr: Ids, indices: Ids, value: Doubles, prompts: int) -> Ids:
    """Return for each prompt the family of the highest value above 0 that it is a member of, the lower row on a tie.

    indptr, indices: (f, n) CSR of members. value: (f,) float64. Returns (n,) int32, -1 for none.
    """
    label = np.full(prompts, -1, np.int32)
    most = np.zeros(prompts)
    for family in range(len(indptr) - 1):
        for i in range(indptr[family], indptr[family + 1]):
            if value[family] > most[indices[i]]:
                label[indices[i]], most[indices[i]] = family, value[family]
    return label
