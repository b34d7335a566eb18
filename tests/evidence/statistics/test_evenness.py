from __future__ import annotations

import numpy as np
from support.observed import observed, with_pool, zipf

from fingerprint.evidence.statistics.evenness import evenness


def test_equal_loads_of_unequal_accounts_are_even() -> None:
    random = np.random.default_rng(2)
    pool = np.unique(np.geomspace(1, 1400, 30).astype(int))
    trait = evenness(observed(*with_pool(random, np.repeat(pool, 8), zipf(random, 240))))
    assert trait.value[0] < 0.1 < 2 < trait.expected[0]
    assert trait.evidence[0] > 10
    assert trait.evidence[1] < 1
