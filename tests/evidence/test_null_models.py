from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy import stats as scipy_stats

from fingerprint.evidence.null_models import (
    OVERDISPERSION,
    excess_evidence,
    rates_summing_to,
    share_among_like_volume,
    trait_where,
    truncated_log_likelihood,
    truncated_moments,
    upper_tail_trait,
)


@pytest.mark.parametrize("rate", [0.01, 0.7, 3.0, 40.0])
def test_zero_truncated_counts_are_those_of_the_definition(rate: float) -> None:
    count = np.arange(1, 200)
    p = scipy_stats.poisson.pmf(count, rate) / -np.expm1(-rate)
    mean, variance = truncated_moments(np.array([rate]))
    assert mean[0] == pytest.approx((p * count).sum())
    assert variance[0] == pytest.approx((p * count**2).sum() - mean[0] ** 2, rel=1e-6)
    few = count[:5].astype(np.float64)
    np.testing.assert_allclose(truncated_log_likelihood(few, np.full(5, rate)), np.log(p[:5]))


def test_rates_are_scaled_to_each_familys_requests() -> None:
    pool = sparse.csr_matrix(np.array([[1.0, 2.0, 9.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]))
    requests = np.array([12.0, 1.0, 0.0])
    rate = rates_summing_to(requests, pool, np.array([1.0, 2.0, 3.0, 5.0]))
    assert truncated_moments(rate[:3])[0].sum() == pytest.approx(12)
    np.testing.assert_allclose(rate[:3] / rate[0], [1, 2, 3])
    # one request of one account is the least there can be
    assert rate[3] < 1e-6


def test_evidence_of_a_count_is_the_tail_of_an_overdispersed_one() -> None:
    size = OVERDISPERSION**-2
    mean = 8.0
    tail = scipy_stats.nbinom.sf(19, size, size / (size + mean))
    assert excess_evidence(np.array([20.0]), np.array([mean]))[0] == pytest.approx(-np.log10(tail))
    assert excess_evidence(np.array([0.0]), np.array([mean]))[0] == 0


def test_what_is_not_known_is_nan_without_evidence() -> None:
    known = np.array([True, False])
    trait = trait_where(known, np.array([1.0, 2.0]), np.array([3.0, 4.0]), np.array([5.0, 6.0]))
    np.testing.assert_array_equal(trait.value, [1, np.nan])
    np.testing.assert_array_equal(trait.expected, [3, np.nan])
    assert trait.evidence.tolist() == [5, 0]


def test_evidence_of_a_sum_is_the_upper_tail_of_a_normal_one() -> None:
    two = np.array([2.0, 2.0])
    trait = upper_tail_trait(np.array([8.0, 2.0]), two, np.array([3.0, 3.0]), np.array([True, True]))
    np.testing.assert_allclose(10**-trait.evidence, [scipy_stats.norm.sf(2), 0.5])


def test_accounts_are_compared_with_those_of_the_same_power_of_two() -> None:
    volume = np.array([1, 2, 3, 4, 7, 8.0])
    marked = np.array([True, True, False, True, True, False])
    assert share_among_like_volume(marked, volume).tolist() == [1, 0.5, 0.5, 1, 1, 0]
