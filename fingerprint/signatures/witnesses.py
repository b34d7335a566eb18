"""Who counts where text needs k accounts to be shown: accounts, of which those that pay alike count by fours.

Whoever knows a sentence of somebody's can send it from accounts of their own until enough did. An account costs
little, a payment of its own more. So four accounts of one payment hash are one witness. They are not one for any number:
a campaign that pays with one card is found by its template, and must not hide it by paying for one account with another (D-278).
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from fingerprint.base.types import Ids
from fingerprint.discovery.batch import Batch
from fingerprint.evidence.statistics.shared_metadata import account_values

OF_ONE_CUSTOMER = 4
"""Accounts of one payment hash that count as one."""

_PAYMENT = "payment_hash"


def witnesses(batch: Batch) -> sparse.csr_matrix:
    """Return (n, w) CSR of the w witnesses that sent each distinct prompt of a batch, and in how many conversations."""
    witness = _witness_of(batch)
    shape = (batch.distinct, int(witness.max(initial=-1)) + 1)
    ones = np.ones(len(batch), dtype=np.float32)
    return sparse.csr_matrix((ones, (batch.prompt, witness[batch.account])), shape=shape)


def _witness_of(batch: Batch) -> Ids:
    """Return the witness of each account, (a,) int32; the accounts of a payment in the order of their numbers."""
    accounts = len(batch.accounts)
    payment = account_values(batch.metadata, batch.account, [_PAYMENT], accounts=accounts)[_PAYMENT]
    alone = payment < 0
    group = np.where(alone, np.arange(accounts) + payment.max(initial=-1) + 1, payment)
    order = np.argsort(group, kind="stable")
    begins = np.diff(group[order], prepend=-1) != 0
    first = np.maximum.accumulate(np.where(begins, np.arange(accounts), 0))
    of_four = (np.arange(accounts) - first) % OF_ONE_CUSTOMER == 0
    out = np.empty(accounts, dtype=np.int32)
    out[order] = np.cumsum(of_four) - 1
    return out
