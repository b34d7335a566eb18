"""Pools of accounts: which families share one beyond chance, and which are sent from one that acts together.

A campaign of many small templates is seen in few of them: a dozen requests show no bursts. But their senders are the
senders of the larger ones, and accounts drawn at random would hardly ever be (co-membership as in SynchroTrap, Cao et
al. 2014; hypergeometric and binomial nulls).
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from fingerprint.base import stats
from fingerprint.base.types import Bools, Doubles, IntArray
from fingerprint.evidence.null_models import MIN_POOL, POOL_OVERLAP_P

SHARED_POOL = 0.5
"""Two families have one pool if at least this share of the smaller is in the larger."""

MOSTLY = 0.7
"""A family is a pool's own if it has so many of its accounts from there."""


def linked(sent: sparse.csr_matrix, accounts: int) -> IntArray:
    """Group families by their pools, (f,) numbers of groups; sent: (f, a) CSR, accounts: how many there are in all."""
    sent = sent.sign()
    size = np.diff(sent.indptr)
    both = (sent @ sent.T).tocoo()
    smaller = np.minimum(size[both.row], size[both.col])
    larger = np.maximum(size[both.row], size[both.col])
    chance = stats.hypergeometric(both.data, accounts, larger, smaller)
    same = (both.data >= SHARED_POOL * smaller) & (chance < POOL_OVERLAP_P)
    graph = sparse.csr_matrix((np.ones(same.sum()), (both.row[same], both.col[same])), shape=both.shape)
    return np.asarray(sparse.csgraph.connected_components(graph, directed=False)[1], dtype=np.int64)


def kin(sent: sparse.csr_matrix, together: Bools, volume: Doubles) -> Bools:
    """Tell which families (f,) are sent from the pool of others that act together.

    sent: (f, a) CSR of requests. together: (f,) bool. volume: (a,) requests of each account in all. Under the null each
    of a family's accounts is in a pool with the pool's share of all accounts, or of the traffic beside its families,
    whichever is larger; Bonferroni over pools.
    """
    seeds = np.flatnonzero(together & (np.diff(sent.indptr) >= MIN_POOL))
    if not len(seeds):
        return np.zeros(len(together), dtype=np.bool_)
    group = linked(sent[seeds], len(volume))
    ones = np.ones(len(seeds))
    of = sparse.csr_matrix((ones, (group, np.arange(len(seeds)))), shape=(group.max() + 1, len(seeds)))
    spent = (of @ sent[seeds]).tocsr()
    pool = spent.sign()
    beside = np.maximum(pool @ volume - np.asarray(spent.sum(axis=1)).ravel(), 0.0)
    chance = np.maximum(np.diff(pool.indptr) / len(volume), beside / max(volume.sum() - spent.sum(), 1.0))
    accounts = np.diff(sent.indptr)
    inside = (sent.sign() @ pool.T).tocoo()
    m = accounts[inside.row]
    p_value = stats.binomial(inside.data, m, np.minimum(chance[inside.col], 1.0)) * pool.shape[0]
    mine = (inside.data >= MOSTLY * m) & (p_value < POOL_OVERLAP_P)
    out = np.zeros(len(together), dtype=np.bool_)
    out[inside.row[mine]] = True
    return out
