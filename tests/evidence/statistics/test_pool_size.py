from __future__ import annotations

import numpy as np
from support.observed import observed, with_pool, zipf

from fingerprint.evidence.statistics.pool_size import few_accounts, small_pool


def test_fewer_accounts_than_chance_gives_are_a_pool() -> None:
    random = np.random.default_rng(1)
    trait = small_pool(observed(*with_pool(random, random.integers(1000, 1020, 400), zipf(random, 400))))
    assert trait.value[0] == 20 < trait.expected[0] / 5
    assert trait.evidence[0] > 10
    assert trait.evidence[1] < 2


def test_few_accounts_are_so_in_part_up_to_twice_the_number() -> None:
    random = np.random.default_rng(2)
    pools = [np.repeat(np.arange(1000, 1000 + n), 9) for n in (2, 5, 8, 10, 40)]
    trait = few_accounts(observed(*with_pool(random, pools[0])))
    assert (trait.value.tolist(), trait.evidence.tolist()) == ([2], [1])
    shares = [few_accounts(observed(*with_pool(random, pool))).evidence[0] for pool in pools]
    np.testing.assert_allclose(shares, [1, 0.75, 0, 0, 0])


def test_few_accounts_of_a_larger_pool_are_not_few() -> None:
    few, many = (np.repeat(np.arange(1000, 1000 + n), 2) for n in (5, 40))
    trait = few_accounts(observed(*with_pool(np.random.default_rng(3), few, many)))
    assert trait.value.tolist() == [40, 40]
    assert trait.evidence.tolist() == [0, 0]
