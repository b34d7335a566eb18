"""Pools of accounts: which families share one beyond chance, and which are sent from one that acts together.

A campaign of many small templates is seen in few of them: a dozen requests show no bursts. But their senders are the
senders of the larger ones, and accounts drawn at random would hardly ever be (co-membership as in SynchroTrap, Cao et
al. 2014; hypergeometric and binomial nulls).
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from fingerprint.base import stats
from fingerprint.base.sparse import components
from fingerprint.base.types import Bools, Doubles, Ids
from fingerprint.evidence.null_models import MIN_POOL, POOL_OVERLAP_P

SHARED_POOL = 0.5
"""Two families have one pool if at least this share of the smaller one's accounts is in the larger one's."""

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
