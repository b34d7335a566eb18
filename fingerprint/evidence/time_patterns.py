"""When a pool sends: the hours of its day, and how even the gaps are."""

from __future__ import annotations

import numpy as np
from scipy import sparse, special

from fingerprint.base.types import Doubles
from fingerprint.evidence.null_models import MIN_POOL, Trait, upper_tail


def clock_spread(rows: sparse.csr_matrix, second: Doubles) -> Trait:
    """Entropy in nats of the hours of the day, against random requests of the batch (Miller 1955); high is machine-like."""
    requests = np.diff(rows.indptr).astype(np.float64)
    hour = (np.floor(second / 3600) % 24).astype(np.int64)
    one_hot = sparse.csr_matrix((np.ones(len(hour)), hour, np.arange(len(hour) + 1)), shape=(len(hour), 24))
    share = np.asarray((rows @ one_hot).todense()) / np.maximum(requests, 1)[:, None]
    usual = np.bincount(hour, minlength=24) / max(len(hour), 1)
    whole = float(special.entr(usual).sum())
    bias = ((usual > 0).sum() - 1) / (2 * np.maximum(requests, 1))
    surprise = float((special.entr(usual) * -np.log(np.maximum(usual, 1e-300))).sum())
    deviation = np.sqrt(np.maximum(surprise - whole**2, 1e-6) / np.maximum(requests, 1) + bias**2)
    return upper_tail(special.entr(share).sum(axis=1), whole - bias, deviation, requests >= 4 * MIN_POOL)


def regularity(rows: sparse.csr_matrix, second: Doubles) -> Trait:
    """Greenwood's statistic (1946): sum of squared gaps between requests times (n + 2) / 2, 1 by chance, below 1 even.

    Times are ranks in the batch, so that the daily rhythm cancels.
    """
    rank = np.empty(len(second))
    order = np.lexsort((np.random.default_rng(0).permutation(len(second)), second))
    rank[order] = (np.arange(len(second)) + 0.5) / max(len(second), 1)
    n = np.diff(rows.indptr).astype(np.float64)
    family = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    when = rank[rows.indices]
    when = when[np.lexsort((when, family))]
    inner = np.diff(when)[np.diff(family) == 0] if len(when) else when
    squares = np.bincount(family[1:][np.diff(family) == 0], weights=inner**2, minlength=len(n))
    squares = squares.astype(np.float64)  # counts where there is nothing to weigh
    some = n > 0
    squares[some] += when[rows.indptr[:-1][some]] ** 2 + (1 - when[rows.indptr[1:][some] - 1]) ** 2
    variance = 4 * n / ((n + 2) ** 2 * (n + 3) * (n + 4))
    scale = (n + 2) / 2
    trait = upper_tail(-squares * scale, -np.ones_like(n), np.sqrt(variance) * scale, n >= 4 * MIN_POOL)
    return Trait(-trait.value, -trait.expected, trait.evidence)
