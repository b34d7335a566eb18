"""Pools of accounts: which families share one beyond chance, and which are sent from one that acts together.

A campaign of many small templates is seen in few of them: a dozen requests show no bursts. But their senders are the
senders of the larger ones, and accounts drawn at random would hardly ever be (co-membership as in SynchroTrap, Cao et
al. 2014; hypergeometric and binomial nulls).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from fingerprint.base import stats
from fingerprint.base.sparse import components
from fingerprint.base.types import Bools, Doubles, Ids, IntArray
from fingerprint.evidence.null_models import MIN_POOL, POOL_OVERLAP_P

SHARED_POOL = 0.5
"""Two families have one pool if at least this share of the smaller one's accounts is in the larger one's."""

FEWEST_SHARED = 3
"""Accounts that two families of one pool have in common."""

CONNECTED_P = 1e-4
"""Two families are connected if chance gives them so many accounts in common more rarely than this (hypergeometric tail); whether
these and others of the kind are sent by one pool is asked of all of them together (`POOL_OVERLAP_P`)."""

LARGER_POOL = 3
"""... and if one has at most so many times the accounts of another: busy accounts are among the many senders of anything."""

OWN_POOL = 0.7
"""A family is a pool's own if at least this share of its accounts is in the pool."""


def pool_groups(pools: sparse.csr_matrix, accounts: int) -> Ids:
    """Group families whose pools are one; returns the number of each family's group, (f,) int32.

    pools: (f, a) CSR, positive where an account sent a family. accounts: how many there are in all, in families or not.
    Null: the smaller pool is drawn from all accounts (hypergeometric tail under POOL_OVERLAP_P).
    """
    pools = pools.sign()
    size = np.diff(pools.indptr)
    shared = (pools @ pools.T).tocoo()
    smaller = np.minimum(size[shared.row], size[shared.col])
    larger = np.maximum(size[shared.row], size[shared.col])
    p_value = stats.hypergeometric(shared.data, accounts, larger, smaller)
    same = (shared.data >= SHARED_POOL * smaller) & (p_value < POOL_OVERLAP_P)
    return components(shared.row[same], shared.col[same], len(size))


@dataclass(frozen=True, slots=True)
class OverlappingPools:
    """Pairs (p,) of families, the lower number first, that have FEWEST_SHARED accounts in common.

    mostly: (p,) half of the smaller one's accounts send both, far beyond chance. connected: (p,) whether they are, as CONNECTED_P says.
    """

    one: IntArray
    other: IntArray
    mostly: Bools
    connected: Bools


def overlapping_pools(pool: sparse.csr_matrix) -> OverlappingPools:
    """Return the pairs of families whose accounts overlap; pool: (f, a) CSR of ones, the accounts that send each, of all a."""
    size = np.diff(pool.indptr)
    shared = sparse.triu(pool @ pool.T, k=1).tocoo()
    near = shared.data >= FEWEST_SHARED
    one, other, both = (x[near].astype(np.int64) for x in (shared.row, shared.col, shared.data))
    smaller, larger = np.minimum(size[one], size[other]), np.maximum(size[one], size[other])
    chance = stats.hypergeometric(both, pool.shape[1], larger, smaller)
    mostly = (both >= SHARED_POOL * smaller) & (chance < POOL_OVERLAP_P)
    connected = (chance < CONNECTED_P) & of_like_size(size, one, other)
    return OverlappingPools(one, other, mostly, connected)


def of_like_size(size: IntArray | Ids, one: IntArray | Ids, other: IntArray | Ids) -> Bools:
    """Tell which pairs (p,) are of sizes (f,) of which neither is more than LARGER_POOL times the other."""
    return np.asarray(np.maximum(size[one], size[other]) <= LARGER_POOL * np.minimum(size[one], size[other]))


def sent_by_connected(pool: sparse.csr_matrix, pairs: OverlappingPools) -> Bools:
    """Tell of which families (f,) half of the accounts, far beyond chance, send others that are connected with it; pool: (f, a) CSR of ones."""
    one, other = pairs.one[pairs.connected], pairs.other[pairs.connected]
    count, accounts = pool.shape
    connected = sparse.csr_matrix((np.ones(len(one)), (one, other)), shape=(count, count))
    others = ((connected + connected.T) @ pool).sign().tocsr()
    size, elsewhere = np.diff(pool.indptr), np.diff(others.indptr)
    inside = np.asarray(pool.multiply(others).sum(axis=1)).ravel().astype(np.int64)
    out = (inside >= FEWEST_SHARED) & (inside >= SHARED_POOL * size)
    out[out] = stats.hypergeometric(inside[out], accounts, elsewhere[out], size[out]) < POOL_OVERLAP_P
    return np.asarray(out)


def in_joint_pools(pool: sparse.csr_matrix, pairs: OverlappingPools) -> tuple[IntArray, IntArray]:
    """Return the pairs (q,) of families of joint pools, the lower number first: `sent_by_connected` each (D-347); pool: (f, a) CSR of ones."""
    whole = sent_by_connected(pool, pairs)
    both = pairs.connected & whole[pairs.one] & whole[pairs.other]
    group = components(pairs.one[both], pairs.other[both], pool.shape[0]).astype(np.int64)
    return _pairs_within(np.where(whole, group, -1))


def _pairs_within(group: IntArray) -> tuple[IntArray, IntArray]:
    """Return the pairs (p,) of things in one group, the lower number first; group: (f,) numbers, -1 for none."""
    ones = sparse.csr_matrix(
        (np.ones(int((group >= 0).sum())), (np.flatnonzero(group >= 0), group[group >= 0])),
        shape=(len(group), int(group.max(initial=0)) + 1),
    )
    pairs = sparse.triu(ones @ ones.T, k=1).tocoo()
    return pairs.row.astype(np.int64), pairs.col.astype(np.int64)


def sent_by_active_pools(sent: sparse.csr_matrix, active: Bools, volume: Doubles) -> Bools:
    """Tell which families (f,) are sent by the pool of others that act together, themselves included.

    sent: (f, a) CSR of requests. active: (f,) families whose accounts act together. volume: (a,) requests of each
    account in all. Null: each of a family's accounts is in a pool with the pool's share of all accounts, or of the
    traffic beside its families, whichever is larger (binomial); Bonferroni over pools.
    """
    seeds = np.flatnonzero(active & (np.diff(sent.indptr) >= MIN_POOL))
    if not len(seeds):
        return np.zeros(len(active), dtype=np.bool_)
    group = pool_groups(sent[seeds], len(volume))
    ones = np.ones(len(seeds))
    of_group = sparse.csr_matrix((ones, (group, np.arange(len(seeds)))), shape=(group.max() + 1, len(seeds)))
    in_families = (of_group @ sent[seeds]).tocsr()
    pool = in_families.sign()
    other_traffic = np.maximum(pool @ volume - np.asarray(in_families.sum(axis=1)).ravel(), 0.0)
    share_of_traffic = other_traffic / max(volume.sum() - in_families.sum(), 1.0)
    chance = np.minimum(np.maximum(np.diff(pool.indptr) / len(volume), share_of_traffic), 1.0)
    shared = (sent.sign() @ pool.T).tocoo()
    accounts = np.diff(sent.indptr)[shared.row]
    p_value = stats.binomial(shared.data, accounts, chance[shared.col]) * pool.shape[0]
    own = (shared.data >= OWN_POOL * accounts) & (p_value < POOL_OVERLAP_P)
    out = np.zeros(len(active), dtype=np.bool_)
    out[shared.row[own]] = True
    return out
