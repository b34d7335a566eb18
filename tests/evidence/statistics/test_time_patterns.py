from __future__ import annotations

import numpy as np
from support.observed import DAY, observed, with_pool, zipf

from fingerprint.evidence.statistics.time_patterns import clock, regularity


def test_round_the_clock_differs_from_people() -> None:
    random = np.random.default_rng(5)
    account, second, families = with_pool(random, zipf(random, 300), zipf(random, 300))
    second[300:] = np.clip(random.normal(14, 3, len(second) - 300), 0, 23.9) * 3600
    trait = clock(observed(account, second, families))
    assert trait.value[0] > trait.expected[0] + 0.3
    assert trait.evidence[0] > 5
    assert trait.evidence[1] < 2


def test_even_pacing_is_regular_and_bursts_are_not() -> None:
    random = np.random.default_rng(6)
    account, second, families = with_pool(random, *(zipf(random, 200) for _ in range(3)))
    second[:200] = np.linspace(0, DAY, 200)
    second[200:400] = random.uniform(30_000, 31_000, 200)
    trait = regularity(observed(account, second, families))
    assert trait.value[0] < 0.7 < 5 < trait.value[1]
    assert trait.evidence[0] > 3
    assert (trait.evidence[1:] < 2).all()
