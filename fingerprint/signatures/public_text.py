"""Text in templates that many people send who do not send the template: a licence, a wrapper, an agent's system prompt.

It stays in the template, for it is in every request; but it distinguishes nothing, so it has no weight where prompts, rules
and other homes are compared with the template.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from fingerprint.base.types import Bools, FloatArray, IntArray
from fingerprint.discovery.discover import Discovery
from fingerprint.discovery.sparse_products import counts_at
from fingerprint.domain.signature import Signature

PUBLIC_ACCOUNTS = 10
"""Accounts that do not send a family, from which on a text of its is public."""

PUBLIC_SHARE = 0.5
"""The same, as a share of the family's own accounts: two campaigns may have a sentence in common."""

MIN_OWN = 8
"""N-grams (11 words) of its own from which on a family is told by these alone; with fewer all of its text counts."""


def public_grams(
    discovery: Discovery, core: sparse.csr_matrix, outside: IntArray, senders: sparse.csr_matrix
) -> Bools:
    """Tell which n-grams of cores (f, k CSR) are public text that need not count, in the order of their entries (e,).

    outside: (e,) how many prompts that are not the family's hold each. senders: (n, a) CSR, who sent each prompt.
    """
    pool = (discovery.families.members @ senders).sign().tocsr()
    row = np.repeat(np.arange(core.shape[0]), np.diff(core.indptr))
    least = np.maximum(PUBLIC_ACCOUNTS, PUBLIC_SHARE * np.diff(pool.indptr))[row]
    asked = np.flatnonzero(outside >= least)
    grams, place = np.unique(core.indices[asked], return_inverse=True)
    holders = (discovery.shared.postings[grams] @ senders).sign().tocsr()
    at = sparse.csr_matrix(
        (np.arange(1, len(asked) + 1), (row[asked], place)), shape=(core.shape[0], len(grams))
    )
    at.sort_indices()
    own = np.zeros(len(asked))
    own[at.data - 1] = counts_at(pool, holders.T.tocsr(), at)
    public = np.zeros(core.nnz, dtype=np.bool_)
    public[asked] = np.diff(holders.indptr)[place] - own >= least[asked]
    left = np.bincount(row[~public], minlength=core.shape[0])
    return np.asarray(public & (left >= MIN_OWN)[row])


def known_public(old: Signature, fresh: Signature) -> FloatArray:
    """Return a stored family's weights (g,) without those of text that turned out to be public, as a later night found."""
    weights = old.weights.copy()
    weights[np.isin(old.grams, fresh.grams[fresh.weights == 0])] = 0.0
    return weights if np.count_nonzero(weights) >= MIN_OWN else old.weights
