"""Whether the fillings of a template come back as those of honest software do, and cover a list evenly.

What a filling and a slot are, and how they are found, is said in `evidence.slot_fillings`.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from fingerprint.base import stats
from fingerprint.base.sparse import family_of
from fingerprint.base.types import Bools, Doubles, HashArray, IntArray
from fingerprint.evidence.null_models import Trait, trait_where, unknown_trait
from fingerprint.evidence.observations import Observations
from fingerprint.evidence.slot_fillings import MAX_SLOTS

MIN_REQUESTS_PER_VALUE = 1.5
"""Requests for each value of a list, below which its coverage says nothing."""

MIN_VALUES = 4
"""Values of a list, below which its coverage says nothing."""


def repeats(data: Observations) -> Trait:
    """Pairs of a family's requests with the same filling; few are campaign-like.

    Null: as often as two requests of one account, and of two accounts, have one filling in the other families; families
    differ, so the count is geometric (negative binomial of size 1), lower tail.
    """
    if data.fillings is None:
        return unknown_trait(data.families)
    f, request = data.families, data.rows.indices
    family, account = family_of(data.rows), data.account[request].astype(np.uint64)
    filling = data.fillings.whole[data.prompt][request]
    accounts, same_account = _equal_pairs(family, account, f)
    _, same_filling = _equal_pairs(family, filling, f)
    _, same_both = _equal_pairs(family, filling ^ (account * np.uint64(0x9E3779B97F4A7C15)), f)
    two_accounts = data.requests * (data.requests - 1) / 2 - same_account
    expected = (
        _rate_elsewhere(same_both, same_account) * same_account
        + _rate_elsewhere(same_filling - same_both, two_accounts) * two_accounts
    )
    known = (accounts >= 2) & (expected > 0)
    p_value = stats.geometric_below(same_filling, np.maximum(expected, 1e-9))
    return trait_where(known, same_filling, expected, -np.log10(np.maximum(p_value, 1e-300)))


def _rate_elsewhere(equal: Doubles, pairs: Doubles) -> Doubles:
    """Return the share of equal pairs among the pairs of all other families, (f,)."""
    return np.asarray((equal.sum() - equal) / np.maximum(pairs.sum() - pairs, 1.0))


def _equal_pairs(family: IntArray, value: HashArray, families: int) -> tuple[Doubles, Doubles]:
    """Count each family's different values, and its pairs of equal ones, both (f,); family, value: (e,)."""
    owner, size = _value_counts(family, value)
    different = np.bincount(owner, minlength=families).astype(np.float64)
    return different, np.bincount(owner, size * (size - 1) / 2, families).astype(np.float64)


def _value_counts(family: IntArray, value: HashArray) -> tuple[IntArray, Doubles]:
    """Return the family of each different value of a family, ascending, and how often it has it."""
    order = np.lexsort((value, family))
    starts = np.ones(len(order), dtype=np.bool_)
    starts[1:] = (np.diff(family[order]) != 0) | (value[order][1:] != value[order][:-1])
    first = np.flatnonzero(starts)
    return family[order][first], np.diff(np.append(first, len(order))).astype(np.float64)


def coverage(data: Observations) -> Trait:
    """Index of dispersion of how often a slot has each of its values; lists that are worked through are even.

    Null: values are drawn at random with one rate (the most even of all random ways), those seen at least once:
    zero-truncated Poisson, sum of squares over its variance ~ chi², lower tail (Fisher 1936). Of the family's slots
    the most even counts, Bonferroni-corrected.
    """
    if data.fillings is None:
        return unknown_trait(data.families)
    return coverage_trait(data.rows, data.fillings.slots[data.prompt])


def coverage_trait(rows: sparse.csr_matrix, slots: HashArray) -> Trait:
    """Return the trait of even coverage; rows: (f, r) CSR, slots: (r, MAX_SLOTS) of each request, 0 = none."""
    f = rows.shape[0]
    family, value = family_of(rows), np.full(f, np.nan)
    evidence, tried = np.zeros(f), np.zeros(f)
    for slot in range(MAX_SLOTS):
        filled = slots[rows.indices, slot] != 0
        dispersion, log_p, known = _dispersion(family[filled], slots[rows.indices, slot][filled], f)
        tried += known
        better = known & (np.isnan(value) | (-log_p > evidence))
        value[better], evidence[better] = dispersion[better], -log_p[better]
    return trait_where(
        ~np.isnan(value), value, np.ones(f), np.maximum(evidence - np.log10(np.maximum(tried, 1)), 0)
    )


def _dispersion(family: IntArray, value: HashArray, families: int) -> tuple[Doubles, Doubles, Bools]:
    """Return variance over that by chance, log10 of the chance of less, and where both are known, each (families,)."""
    owner, count = _value_counts(family, value)
    values = np.bincount(owner, minlength=families)
    mean = np.bincount(owner, count, families) / np.maximum(values, 1)
    squares = np.bincount(owner, (count - mean[owner]) ** 2, families)
    rate = np.maximum(mean, 1.0)
    for _ in range(60):  # fixed point of the mean of a zero-truncated Poisson variable
        rate = np.maximum(mean * -np.expm1(-rate), 1e-9)
    variance = np.maximum(mean * (1 + rate - mean), 1e-9)
    degrees = np.maximum(values - 1, 1)
    known = (values >= MIN_VALUES) & (mean >= MIN_REQUESTS_PER_VALUE)
    log_p = stats.log_chi_squared_below(squares / variance, degrees) / np.log(10)
    return squares / variance / degrees, np.where(known, np.maximum(log_p, -300.0), 0.0), known
