"""Whether a family's accounts send another family too: the templates of a campaign are sent by one pool.

Null: the other family's requests come from random senders (co-membership as in SynchroTrap, Cao et al. 2014;
Poisson-binomial). The count of shared accounts is overdispersed, and the p-value corrected for the number of other
families (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from fingerprint.base.types import Doubles, Ids
from fingerprint.evidence.null_models import SMOOTHING, Trait, counting_share, excess_evidence
from fingerprint.evidence.observations import Observations, once

INSIDE_EVIDENCE = 4.0
"""Evidence from which on a pool counts as part of another, if besides half of its accounts are in that."""

MIN_SHARED = 2
"""Accounts in common with another family from which on they are looked at; and EXCESS times what chance gives."""

EXCESS = 1.5

COLUMNS = 64
"""Numbers of requests whose chances are computed at once: (families, COLUMNS) float64."""


@dataclass(frozen=True, slots=True)
class PoolOverlaps:
    """Families beside the others that their accounts send.

    trait: (f,) accounts in common with the family of most evidence. related: (f, f) CSR of ones, which families (columns)
    a family's accounts belong to. wider_accounts: (f,) accounts of the largest of those and itself.
    """

    trait: Trait
    related: sparse.csr_matrix
    wider_accounts: Doubles


def overlap(data: Observations) -> Trait:
    """Accounts in common with the family whose pool overlaps most beyond chance, 0 if none does."""
    return pool_overlaps(data).trait


@once
def pool_overlaps(data: Observations) -> PoolOverlaps:
    """Compare the pools of all families with each other."""
    f = data.families
    sent = data.pool.sign().tocsr()
    shared = (sent @ sent.T).tocoo()
    several = (shared.row != shared.col) & (shared.data >= MIN_SHARED)
    row, column, count = shared.row[several], shared.col[several], shared.data[several]
    expected = _expected_shared(data, sent, row, column)
    excess = count >= EXCESS * expected
    row, column, count, expected = row[excess], column[excess], count[excess], expected[excess]
    evidence = np.maximum(excess_evidence(count, expected) - np.log10(max(f - 1, 1)), 0.0)
    accounts = data.accounts.astype(np.float64)
    inside = (evidence >= INSIDE_EVIDENCE) & (count >= accounts[row] / 2)
    wider = accounts.copy()
    np.maximum.at(wider, row[inside], accounts[column[inside]])
    related = sparse.csr_matrix((np.ones(int(inside.sum())), (row[inside], column[inside])), shape=(f, f))
    best = np.full(f, len(row), dtype=np.int64)
    order = np.lexsort((-column, count, evidence))
    best[row[order]] = order  # of each family the last one stays
    shared_accounts, by_chance, certainty = (np.append(x, 0.0)[best] for x in (count, expected, evidence))
    certainty = certainty * counting_share(shared_accounts / np.maximum(accounts, 1))
    return PoolOverlaps(Trait(shared_accounts, by_chance, certainty), related, wider)


def _expected_shared(data: Observations, sent: sparse.csr_matrix, row: Ids, column: Ids) -> Doubles:
    """How many accounts of family row[i] would send family column[i] by chance; families of as many requests at once."""
    weight = data.volume + SMOOTHING
    share = weight / max(float(weight.sum()), 1.0)
    level, place = np.unique(data.requests, return_inverse=True)
    expected = np.empty(len(row))
    for begin in range(0, len(level), COLUMNS):
        drawn = np.asarray(sent @ -np.expm1(-np.outer(share, level[begin : begin + COLUMNS])))
        here = (place[column] >= begin) & (place[column] < begin + COLUMNS)
        expected[here] = drawn[row[here], place[column[here]] - begin]
    return expected
