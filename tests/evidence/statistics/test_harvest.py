from __future__ import annotations

import numpy as np
from support.observed import observed

from fingerprint.evidence.filling_sample import FillingSample
from fingerprint.evidence.statistics.harvest import once_each, short_fillings


def sample(family: list[int], length: list[int]) -> FillingSample:
    n = len(family)
    return FillingSample(
        np.array(family), np.arange(n), np.array(length, dtype=np.int32), np.ones((n, 2), np.float32)
    )


def test_who_comes_once_harvests_nothing() -> None:
    account = np.concatenate([np.arange(20), np.repeat(np.arange(30, 35), 4)])
    trait = once_each(observed(account, np.arange(40.0), [np.arange(20), np.arange(20, 40)]))
    assert trait.value.tolist() == [1, 4]
    assert trait.evidence.tolist() == [1, 0]


def test_short_fillings_ask_for_little() -> None:
    data = observed(
        np.arange(9),
        np.arange(9.0),
        [np.arange(3), np.arange(3, 6), np.arange(6, 9)],
        sample=sample([0, 0, 0, 1, 1, 1], [0, 0, 3, 300, 10, 90]),
    )
    trait = short_fillings(data)
    assert trait.value[:2].tolist() == [0, 90]
    assert trait.evidence.tolist() == [1, 0, 0]
    assert np.isnan(trait.value[2])
