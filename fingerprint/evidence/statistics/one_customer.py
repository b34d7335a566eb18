"""Whether a family's accounts are one customer's or one company's: they share the payment or the address."""

from __future__ import annotations

import numpy as np

from fingerprint.evidence.null_models import Trait
from fingerprint.evidence.observations import Observations
from fingerprint.evidence.statistics.pool_overlap import pool_overlaps
from fingerprint.evidence.statistics.shared_metadata import shared_address, shared_payment

CUSTOMER_ACCOUNTS, CUSTOMER_SHARE = 10, 0.8
"""Fewer accounts than this, of which at least this share has one payment hash or address block, are one customer's ..."""

COMPANY_ACCOUNTS, COMPANY_SHARE = 50, 0.6
"""... and so are these, where they have both in common: a pool that hides has many addresses."""


def one_customer(data: Observations) -> Trait:
    """Share of the accounts with a known value that have one payment hash, or address block; no test: evidence is 0 or 1."""
    payment, address = shared_payment(data).largest_share, shared_address(data).largest_share
    either, smaller = np.fmax(payment, address), np.minimum(payment, address)
    accounts = pool_overlaps(data).wider_accounts
    customer = (np.nan_to_num(either) >= CUSTOMER_SHARE) & (accounts < CUSTOMER_ACCOUNTS)
    company = (np.nan_to_num(smaller) >= COMPANY_SHARE) & (accounts < COMPANY_ACCOUNTS)
    return Trait(either, np.full(data.families, np.nan), (customer | company).astype(np.float64))
