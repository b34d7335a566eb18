from __future__ import annotations

import numpy as np
from support.observed import observed, with_pool

from fingerprint.evidence.statistics.concentration import concentration


def test_a_pool_that_sends_little_else_is_concentrated() -> None:
    random = np.random.default_rng(1)
    trait = concentration(observed(*with_pool(random, random.integers(1000, 1020, 400))))
    assert trait.value[0] > 0.5 > 2 * trait.expected[0]
    assert trait.evidence[0] > 10
