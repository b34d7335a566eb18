"""Whether a family's accounts are new, and whether some went silent as others came: banned accounts are replaced.

Null: an account that sent so much tonight is new with the share that all accounts of like volume are, and one that
sent so much before is silent tonight with theirs. Counts are overdispersed.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from fingerprint.base.sparse import sum_of
from fingerprint.base.types import Doubles
from fingerprint.evidence.history import AccountChanges
from fingerprint.evidence.null_models import (
    Trait,
    excess_evidence,
    share_among_like_volume,
    trait_where,
    unknown_trait,
)
from fingerprint.evidence.observations import Observations, once


def newcomers(data: Observations) -> Trait:
    """Accounts of the pool that no earlier night saw."""
    return _changes(data)[0]


def turnover(data: Observations) -> Trait:
    """Accounts that were replaced: as many as are both new and silent."""
    return _changes(data)[1]


@once
def _changes(data: Observations) -> tuple[Trait, Trait]:
    changes = data.history.changes if data.history else None
    if changes is None:
        return unknown_trait(data.families), unknown_trait(data.families)
    return turnover_traits(data.pool, data.volume, changes)


def turnover_traits(pool: sparse.csr_matrix, volume: Doubles, changes: AccountChanges) -> tuple[Trait, Trait]:
    """Return the traits of new accounts, and of replaced ones; pool: (f, a) CSR of requests, volume: (a,).

    Replacement takes both beyond chance, so its p-value is the larger of the two (intersection-union; Berger 1982).
    """
    new = sum_of(pool, changes.new[pool.indices].astype(np.float64))
    expected_new = sum_of(pool, share_among_like_volume(changes.new, volume)[pool.indices])
    silent, expected_silent = (
        np.pad(x, (0, pool.shape[0] - len(x))) for x in (changes.silent, changes.expected_silent)
    )
    new_evidence = excess_evidence(new, expected_new)
    silent_evidence = excess_evidence(silent, expected_silent)
    known = np.diff(pool.indptr) > 0
    return (
        trait_where(known, new, expected_new, new_evidence),
        trait_where(
            known,
            np.minimum(new, silent),
            np.minimum(expected_new, expected_silent),
            np.minimum(new_evidence, silent_evidence),
        ),
    )
