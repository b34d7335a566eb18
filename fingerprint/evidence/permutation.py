"""Whether requests of one account are more alike than requests of different accounts, by exact permutation moments.

The statistic is the mean similarity of two requests of one account. Null: accounts are dealt to the requests at random,
each keeping its number of them. Its mean and variance over all such permutations are known in closed form (Mantel 1967,
the generalised regression approach; the comparison is PERMANOVA's, Anderson 2001), so nothing is drawn at random.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fingerprint.base.types import Doubles, Ids, IntArray

MIN_ITEMS = 6
MIN_PAIRS = 3
"""Requests, and pairs of requests of one account, from which on the comparison says something."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """How much more alike m requests of one account are than those of different ones.

    excess: mean similarity within accounts less its mean under the null. deviation: standard deviation of that under
    the null; inf where it is not known. pairs: of requests of one account.
    """

    excess: float
    deviation: float
    pairs: int

    @property
    def z(self) -> float:
        """The excess in standard deviations, 0 where it is not known."""
        return self.excess / self.deviation if np.isfinite(self.deviation) and self.deviation > 0 else 0.0


def likeness(vectors: Doubles, account: IntArray | Ids) -> Likeness:
    """Compare requests, rows (m, d) whose dot products are their similarities, by their accounts (m,)."""
    group = np.unique(account, return_inverse=True)[1].ravel()
    size = np.bincount(group, minlength=1).astype(np.float64)
    m, pairs = len(group), int((size * (size - 1)).sum() // 2)
    if m < MIN_ITEMS or pairs < MIN_PAIRS or len(size) < 2:
        return Likeness(0.0, np.inf, pairs)
    own = (vectors * vectors).sum(axis=1)
    total = np.zeros((len(size), vectors.shape[1]))
    np.add.at(total, group, vectors)
    within = (total * total).sum() - own.sum()  # over ordered pairs, as all sums below
    mean, variance = _moments(vectors, own, size[group] - 1.0)
    # of vectors that are all alike rounding leaves a little
    if variance <= 1e-12 * max(mean * mean, 1e-12):
        return Likeness(0.0, np.inf, pairs)
    ordered = 2.0 * pairs
    return Likeness(float((within - mean) / ordered), float(np.sqrt(variance) / ordered), pairs)


def _moments(vectors: Doubles, own: Doubles, others: Doubles) -> tuple[float, float]:
    """Return mean and variance of the sum of similarities within accounts over all permutations (Mantel 1967).

    own: (m,) squared lengths of the vectors. others: (m,) how many further requests each one's account has.
    """
    m = len(own)
    row = vectors @ vectors.sum(axis=0) - own
    gram = vectors.T @ vectors if vectors.shape[1] < m else vectors @ vectors.T
    whole, squares = row.sum(), (gram * gram).sum() - (own * own).sum()
    shared = (row * row).sum() - squares
    apart = whole * whole - 2 * squares - 4 * shared
    a, a_shared = others.sum(), (others * others).sum() - others.sum()
    a_apart = a * a - 2 * a - 4 * a_shared
    mean = whole * a / (m * (m - 1))
    second = (2 * squares * a + 4 * shared * a_shared / (m - 2) + apart * a_apart / ((m - 2) * (m - 3))) / (
        m * (m - 1)
    )
    return float(mean), float(max(second - mean * mean, 0.0))
