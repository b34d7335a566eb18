"""Whether the accounts of earlier nights are back: a pool goes on with its template."""

from __future__ import annotations

import numpy as np

from fingerprint.base.sparse import family_of, sum_of
from fingerprint.evidence.null_models import SMOOTHING, Trait, excess_evidence, trait_where, unknown_trait
from fingerprint.evidence.observations import Observations


def returning(data: Observations) -> Trait:
    """Accounts of tonight's pool that sent the family on an earlier night, against random senders of tonight.

    Null: each earlier member that is active tonight is drawn in one of m requests (Poisson-binomial, overdispersed).
    """
    if data.history is None:
        return unknown_trait(data.families)
    members = data.history.members
    share = (data.volume + SMOOTHING) / (data.volume + SMOOTHING).sum()
    drawn = -np.expm1(-data.requests[family_of(members)] * share[members.indices])
    count = np.asarray(data.pool.sign().multiply(members.sign()).sum(axis=1)).ravel()
    expected = sum_of(members, drawn)
    return trait_where(np.diff(members.indptr) > 0, count, expected, excess_evidence(count, expected))
