from __future__ import annotations

import numpy as np
import pytest

from fingerprint.evidence.empirical_null import FINE, ROBUST, STRATUM, strata, tail_p_values


@pytest.mark.parametrize("size", [20, 100, 1000])
def test_p_values_of_honest_accounts_are_hardly_too_small(size: int) -> None:
    random = np.random.default_rng(size)
    for draw in (random.normal, random.exponential):
        false = [(tail_p_values(draw(size=200), draw(size=size), FINE) < 0.002).mean() for _ in range(200)]
        assert np.mean(false) < (0.007 if size == 20 else 0.004)


def test_attackers_among_the_peers_hide_neither_each_other_nor_others() -> None:
    honest = np.random.default_rng(1).normal(size=450)
    attackers = np.full(60, 12.0)
    found = tail_p_values(attackers, np.concatenate([honest, attackers]), ROBUST)
    assert found.max() < 0.05 * 60 / 510


def test_peers_that_are_all_alike_give_no_tail() -> None:
    assert tail_p_values(np.array([2.0]), np.ones(30), FINE)[0] == pytest.approx(1 / 31)


def test_strata_have_every_account_once_and_enough_honest_ones() -> None:
    random = np.random.default_rng(2)
    requests = random.integers(5, 300, 1700).astype(np.float64)
    honest = random.random(1700) < 0.9
    cut = strata(requests, honest)
    assert np.array_equal(np.sort(np.concatenate([members for members, _ in cut])), np.arange(1700))
    assert len(cut) == 3
    assert min(len(group) for _, group in cut) >= STRATUM
    assert honest[np.concatenate([group for _, group in cut])].all()
