"""Tail probabilities of the distributions that evidence is measured by, q-values, and an even choice of items.

Made of SciPy's special functions alone: `scipy.stats` says the same, but takes 0.7 s to import. All take
float64 arrays of shapes that NumPy broadcasts, and return such; counts are whole numbers.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy import special

from fingerprint.base.jit import inlined, kernel
from fingerprint.base.types import Doubles, IntArray

Numbers = IntArray | Doubles
Item = TypeVar("Item", bound=np.generic)


def normal(z: Doubles) -> Doubles:
    """P(Z > z) of a standard normal Z."""
    return np.asarray(special.ndtr(-z))


def log_normal(z: Doubles) -> Doubles:
    """Log of P(Z > z) of a standard normal Z, which does not underflow."""
    return np.asarray(special.log_ndtr(-z))


def chi_squared(value: Doubles, freedom: int) -> Doubles:
    """P(X > value) of χ² with some degrees of freedom."""
    return np.asarray(special.chdtrc(freedom, value))


def log_chi_squared_below(value: Doubles, freedom: Numbers) -> Doubles:
    """Log of P(X <= value) of χ²; minus infinity where the probability is less than a double holds."""
    below, above = special.chdtr(freedom, value), special.chdtrc(freedom, value)
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(below < above, np.log(below), np.log1p(-above)))


def gamma(value: Doubles, shape: float) -> Doubles:
    """P(X > value) of a gamma distribution of scale 1."""
    return np.asarray(special.gammaincc(shape, np.maximum(value, 0.0)))


def binomial(seen: Numbers, trials: Numbers, chance: Doubles | float) -> Doubles:
    """P(X >= seen) of `trials` tries that succeed by `chance` each."""
    some = np.maximum(seen, 1)
    # I_p(k, n - k + 1): Abramowitz & Stegun 26.5.24
    inside = special.betainc(some, np.maximum(trials - some, 0) + 1.0, chance)
    return np.asarray(np.where(seen <= 0, 1.0, np.where(seen > trials, 0.0, inside)))


def negative_binomial(seen: Numbers, size: float, mean: Doubles) -> Doubles:
    """P(X >= seen) of a negative binomial: a Poisson whose rate is gamma distributed with shape `size` and `mean`."""
    # I_(1-p)(k, r): Abramowitz & Stegun 26.5.26
    return np.asarray(
        np.where(seen <= 0, 1.0, special.betainc(np.maximum(seen, 1), size, mean / (size + mean)))
    )


def geometric_below(seen: Numbers, mean: Doubles) -> Doubles:
    """P(X <= seen) of a geometric number of failures, which is a negative binomial of size 1."""
    return np.asarray(-np.expm1((seen + 1.0) * np.log(mean / (1.0 + mean))))


def hypergeometric(shared: Numbers, whole: int, one: Numbers, other: Numbers) -> Doubles:
    """P(X >= shared), X being what two sets of sizes `one` and `other` share that are drawn from `whole`, (n,) each."""
    have, first, second = (np.ascontiguousarray(x, dtype=np.int64) for x in (shared, one, other))
    out = np.empty(len(shared))
    _shared(have, first, second, whole, out)
    return out


def q_values(p_value: Doubles) -> Doubles:
    """Turn the p-values of n tests (n,) into q-values (n,), 0 to 1: of the tests with q <= r, a share r is false at most.

    The step-up procedure of Benjamini & Hochberg 1995, section 3; the tests may depend on each other positively.
    """
    order = np.argsort(p_value)[::-1]
    rank = np.arange(len(p_value), 0, -1)
    out = np.empty(len(p_value))
    out[order] = np.minimum(np.minimum.accumulate(p_value[order] * (len(p_value) / rank)), 1.0)
    return out


def pick_evenly(items: npt.NDArray[Item], most: int) -> npt.NDArray[Item]:
    """Return all items (n,), or `most` of them, the first and the last and others at even distances, in their order."""
    if len(items) <= most:
        return items
    return items[np.linspace(0, len(items) - 1, most).astype(np.int64)]


@kernel
def _shared(shared: IntArray, one: IntArray, other: IntArray, whole: int, out: Doubles) -> None:
    for i in range(len(shared)):
        k, n, m = shared[i], one[i], other[i]
        least, most = max(0, n + m - whole), min(n, m)
        if k <= least or k > most:
            out[i] = 1.0 if k <= least else 0.0
            continue
        # summed away from the mode, where the terms fall
        below = k * (whole + 2) < (n + 1) * (m + 1)
        at = k - 1 if below else k
        term, total = 1.0, 0.0
        first = _log_shared(at, n, m, whole)
        while term > 1e-17 * total:
            total += term
            if below:
                term *= at * (whole - n - m + at) / ((n - at + 1.0) * (m - at + 1.0))
                at -= 1
            else:
                term *= (n - at) * (m - at) / ((at + 1.0) * (whole - n - m + at + 1.0))
                at += 1
        tail = math.exp(first + math.log(total))
        out[i] = 1.0 - tail if below else min(tail, 1.0)


@inlined
def _log_shared(k: int, n: int, m: int, whole: int) -> float:
    return _log_choose(n, k) + _log_choose(whole - n, m - k) - _log_choose(whole, m)


@kernel
def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
