"""Whether a family's accounts are one customer's or one company's: they share the payment, or the address."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from fingerprint.base.types import Doubles
from fingerprint.evidence.null_models import Trait
from fingerprint.evidence.observations import Observations
from fingerprint.evidence.statistics.pool_overlap import pool_overlaps
from fingerprint.evidence.statistics.shared_metadata import FIELDS, account_numbers, shared_values

PAYER_SHARE = 0.9
"""One payment hash of at least this share of a pool is one customer's, whatever its size and addresses (D-130)."""

CUSTOMER_ACCOUNTS, CUSTOMER_SHARE = 10, 0.8
"""Fewer accounts than this, of which at least this share has one payment hash or address block, are one customer's ..."""

COMPANY_ACCOUNTS, COMPANY_SHARE = 50, 0.6
"""... and so are these, where they have both in common: a pool that hides has many addresses."""


def one_customer(data: Observations) -> Trait:
    """Share of the accounts with a known value that have one payment hash, or address block; no test: evidence is 0 or 1.

    The accounts are those of the family and of others that the same pool sends. What is expected is no chance but how
    many address blocks they send from: one customer whose accounts hide from each other has as many as accounts.
    """
    related = pool_overlaps(data).related
    pool = (related @ data.pool + data.pool).tocsr()
    payment, address = (_largest_share(data, pool, field) for field in FIELDS[:2])
    stronger, weaker = np.fmax(payment, address), np.minimum(payment, address)
    accounts = pool_overlaps(data).wider_accounts
    payer = np.nan_to_num(payment) >= PAYER_SHARE
    customer = (np.nan_to_num(stronger) >= CUSTOMER_SHARE) & (accounts < CUSTOMER_ACCOUNTS)
    company = (np.nan_to_num(weaker) >= COMPANY_SHARE) & (accounts < COMPANY_ACCOUNTS)
    evidence = (payer | customer | company).astype(np.float64)
    return Trait(stronger, _address_blocks(data, pool), evidence)


def _largest_share(data: Observations, pool: sparse.csr_matrix, field: str) -> Doubles:
    return shared_values(pool, account_numbers(data)[field]).largest_share


def _address_blocks(data: Observations, pool: sparse.csr_matrix) -> Doubles:
    """Count the address blocks that each pool's accounts send from, (f,), NaN where none is known."""
    block = account_numbers(data)[FIELDS[1]]
    known = np.flatnonzero(block >= 0)
    shape = (len(block), int(block.max(initial=-1)) + 1)
    of_block = sparse.csr_matrix((np.ones(len(known)), (known, block[known])), shape=shape)
    blocks = np.diff((pool.sign() @ of_block).tocsr().indptr)
    return np.where(blocks > 0, blocks, np.nan)
