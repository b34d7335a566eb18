from __future__ import annotations

import numpy as np
from support.observed import observed

from fingerprint.evidence.statistics.schedule import on_schedule


def test_schedulers_fire_on_the_quarter() -> None:
    random = np.random.default_rng(2)
    on_time = 900.0 * random.integers(0, 96, 60) + random.uniform(0, 20, 60)
    at_random = random.uniform(0, 86_400, 2000)
    second = np.concatenate([on_time, at_random])
    account = random.integers(0, 300, len(second))
    trait = on_schedule(observed(account, second, [np.arange(60), np.arange(60, 200), np.arange(60, 63)]))
    assert trait.value[0] == 1
    assert trait.evidence[0] > 20
    assert 0 < trait.expected[0] < 0.15
    assert trait.evidence[1] < 3
    assert np.isnan(trait.value[2])
