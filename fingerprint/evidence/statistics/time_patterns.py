"""When a family is sent: at which hours of the day, and at how even a pace."""

from __future__ import annotations

import numpy as np
from scipy import sparse, special

from fingerprint.base.sparse import family_of
from fingerprint.base.times import HOUR_SECONDS
from fingerprint.evidence.null_models import MIN_POOL, Trait, upper_tail_trait
from fingerprint.evidence.observations import Observations

MIN_REQUESTS = 4 * MIN_POOL
"""Requests from which on their times say something."""


def clock(data: Observations) -> Trait:
    """Entropy in nats of the hours of the day; high, that is round the clock, is machine-like.

    Null: random requests of the batch; the entropy of a sample, with its bias and deviation (Miller 1955).
    """
    requests = np.maximum(data.requests, 1)
    hour = (np.floor(data.second / HOUR_SECONDS) % 24).astype(np.int64)
    one_hot = sparse.csr_matrix((np.ones(len(hour)), hour, np.arange(len(hour) + 1)), shape=(len(hour), 24))
    share = np.asarray((data.rows @ one_hot).todense()) / requests[:, None]
    typical = np.bincount(hour, minlength=24) / max(len(hour), 1)
    entropy = float(special.entr(typical).sum())
    bias = ((typical > 0).sum() - 1) / (2 * requests)
    squares = float((special.entr(typical) * -np.log(np.maximum(typical, 1e-300))).sum())
    deviation = np.sqrt(np.maximum(squares - entropy**2, 1e-6) / requests + bias**2)
    value = special.entr(share).sum(axis=1)
    return upper_tail_trait(value, entropy - bias, deviation, data.requests >= MIN_REQUESTS)


def regularity(data: Observations) -> Trait:
    """Sum of squared gaps between requests times (n + 2) / 2: 1 by chance, below 1 evenly paced.

    Null: n points at random between 0 and 1 (Greenwood 1946; mean and variance from Moran 1947); normal tail. Times are
    ranks in the batch, so that the daily rhythm cancels.
    """
    n, rows = data.requests, data.rows
    time = data.ranks.middle[rows.indices]
    family = family_of(rows)
    time = time[np.lexsort((time, family))]
    same = np.diff(family) == 0
    squares = np.bincount(family[1:][same], weights=np.diff(time)[same] ** 2, minlength=len(n))
    squares = squares.astype(np.float64)  # counts where there is nothing to weigh
    some = n > 0
    squares[some] += time[rows.indptr[:-1][some]] ** 2 + (1 - time[rows.indptr[1:][some] - 1]) ** 2
    variance = 4 * n / ((n + 2) ** 2 * (n + 3) * (n + 4))
    scale = (n + 2) / 2
    trait = upper_tail_trait(-squares * scale, -np.ones_like(n), np.sqrt(variance) * scale, n >= MIN_REQUESTS)
    return Trait(-trait.value, -trait.expected, trait.evidence)
