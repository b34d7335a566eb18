from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from support.observed import observed

from fingerprint.evidence.filling_sample import UNREAD, FillingSample
from fingerprint.evidence.history import History
from fingerprint.evidence.observations import Observations
from fingerprint.evidence.statistics.harvest import come_back, once_each, short_fillings


def sample(family: list[int], length: list[int]) -> FillingSample:
    n = len(family)
    return FillingSample(
        np.array(family), np.arange(n), np.array(length, dtype=np.int32), np.ones((n, 2), np.float32)
    )


HOUR = 3600.0


def pools(*visits: list[float]) -> Observations:
    """One family each, of twenty accounts whose requests come at these hours."""
    account = [np.repeat(np.arange(20) + 100 * f, len(hours)) for f, hours in enumerate(visits)]
    second = [np.tile(np.array(hours) * HOUR, 20) for hours in visits]
    ends = np.cumsum([0, *(len(a) for a in account)])
    rows = [np.arange(a, b) for a, b in pairwise(ends)]
    return observed(np.concatenate(account), np.concatenate(second), rows)


def test_who_comes_once_harvests_nothing() -> None:
    data = pools([9.0], [9.0, 9.1, 9.2], [9.0, 14.0], list(np.linspace(9, 9.5, 30)))
    once, come = once_each(data), come_back(data)
    assert once.value.tolist() == [1, 1, 2, 1]
    assert once.evidence.tolist() == [1, 1, 0, 0]
    assert come.tolist() == [0, 0, 1, 1]


def test_who_sent_the_family_on_an_earlier_night_comes_back() -> None:
    data = pools([9.0])
    data = replace(data, history=History(data.pool.copy(), np.array([20.0]), 20.0))
    assert come_back(data).tolist() == [1]
    # so do the users of an honest tool
    assert once_each(data).evidence.tolist() == [1]


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


def test_a_picture_is_no_short_filling() -> None:
    rows = [np.arange(3), np.arange(3, 6), np.arange(6, 9)]
    lengths = [UNREAD, UNREAD, UNREAD, UNREAD, UNREAD, 7, UNREAD, 4, 0]
    seen = sample([0, 0, 0, 1, 1, 1, 2, 2, 2], lengths)
    trait = short_fillings(observed(np.arange(9), np.arange(9.0), rows, sample=seen))
    assert np.isnan(trait.value[:2]).all()
    assert trait.evidence[:2].tolist() == [0, 0]
    assert trait.value[2] == 2
    assert trait.evidence[2] > 0.5
