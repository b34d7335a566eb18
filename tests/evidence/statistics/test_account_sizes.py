from __future__ import annotations

import numpy as np
from support.observed import observed, with_pool, zipf

from fingerprint.evidence.statistics.account_sizes import size_spread


def test_accounts_of_one_size_are_alike() -> None:
    random = np.random.default_rng(3)
    trait = size_spread(observed(*with_pool(random, np.repeat(np.arange(700, 760), 3), zipf(random, 180))))
    assert trait.value[0] < trait.expected[0]
    assert trait.evidence[0] > 2 > trait.evidence[1]
