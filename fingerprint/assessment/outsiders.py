"""Who else sends a template than the campaign's accounts: they are judged by themselves.

A campaign's accounts can send the template of honest software in step, so that it looks like theirs. What is theirs alone
gives them away: a flagged family whose pool lies inside the other family's larger one. That one is then measured once more
without the accounts of the smaller pool, and the lower score counts. Accounts outside a cluster inherit nothing (D-303).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from fingerprint.base.sparse import family_of
from fingerprint.base.types import Bools
from fingerprint.evidence.coactivity import behaviour
from fingerprint.evidence.null_models import FEW_SHARE, MOST_SHARE
from fingerprint.evidence.observations import Observations

INSIDE = 0.9
"""Share of a smaller pool's accounts that send the other family, too."""

MIN_OUTSIDERS = 20
"""Accounts besides those of smaller pools from which on they are judged by themselves: of fewer little is known."""


def insiders(pool: sparse.csr_matrix, flagged: Bools) -> sparse.csr_matrix:
    """Return the accounts to leave out of each family, (f, a) CSR of ones; pool: (f, a) CSR of requests, flagged: (f,).

    Only of families of which enough other accounts are left.
    """
    sent = pool.sign().tocsr()
    accounts = np.diff(sent.indptr)
    rows = np.flatnonzero(flagged)
    shared = (sent[rows] @ sent[rows].T).toarray()
    larger, smaller = accounts[rows][:, None], accounts[rows][None, :]
    inside = (shared >= INSIDE * smaller) & (smaller <= MOST_SHARE * larger)
    np.fill_diagonal(inside, False)
    place = sparse.csr_matrix(
        (np.ones(len(rows)), (rows, np.arange(len(rows)))), shape=(len(flagged), len(rows))
    )
    left_out = (
        (place @ sparse.csr_matrix(inside.astype(np.float64)) @ sent[rows]).sign().multiply(sent).tocsr()
    )
    others = accounts - np.diff(left_out.indptr)
    judged = (others >= MIN_OUTSIDERS) & (others >= FEW_SHARE * accounts)
    return (sparse.diags(judged.astype(np.float64)) @ left_out).tocsr()


def without(data: Observations, left_out: sparse.csr_matrix) -> Observations:
    """Return what is seen of the families without some accounts of each, (f, a) CSR of ones."""
    out = left_out.copy()
    out.eliminate_zeros()
    known = _keys(family_of(out), out.indices, out.shape[1])
    rows = data.rows.copy().tocsr()
    gone = np.isin(_keys(family_of(rows), data.account[rows.indices], out.shape[1]), known)
    rows.data = np.where(gone, 0.0, rows.data).astype(rows.dtype)
    rows.eliminate_zeros()
    sample = data.sample
    if sample is not None:
        sample = sample.only(
            ~np.isin(_keys(sample.family, data.account[sample.request], out.shape[1]), known)
        )
    seen = behaviour(rows, data.account, data.second, ranks=data.ranks)
    return replace(data, rows=rows, behaviour=seen, sample=sample)


def _keys(family: np.ndarray, account: np.ndarray, accounts: int) -> np.ndarray:
    return family.astype(np.int64) * accounts + account.astype(np.int64)
