from __future__ import annotations

from itertools import pairwise

import numpy as np
from support.observed import observed

from fingerprint.evidence.null_models import Trait
from fingerprint.evidence.observations import Observations
from fingerprint.evidence.slot_fillings import MAX_SLOTS, Fillings
from fingerprint.evidence.statistics.slot_values import coverage, repeats


def with_fillings(
    sizes: list[int], *, account: np.ndarray | None = None, **hashes: np.ndarray
) -> Observations:
    """Families of so many requests, whose prompts are filled with what these hashes stand for."""
    ends = np.cumsum([0, *sizes])
    nothing = {"whole": np.zeros(ends[-1]), "slots": np.zeros((ends[-1], MAX_SLOTS))}
    filled = Fillings(**{name: array.astype(np.uint64) for name, array in {**nothing, **hashes}.items()})
    who = np.zeros(ends[-1]) if account is None else account
    return observed(who, np.zeros(ends[-1]), [np.arange(a, b) for a, b in pairwise(ends)], fillings=filled)


def repeated(random: np.random.Generator, values: list[int]) -> Trait:
    """Families of 200 requests whose fillings are drawn from so many."""
    filling = np.concatenate([random.integers(v, size=200) + 10**6 * f for f, v in enumerate(values)])
    account = random.integers(40, size=len(filling)).astype(np.int32)
    return repeats(with_fillings([200] * len(values), account=account, whole=filling))


def test_fillings_that_never_come_back_differ_from_those_of_others() -> None:
    found = repeated(np.random.default_rng(1), [10**5, *[400] * 20])
    assert found.value[0] < 3 < 30 < found.expected[0]
    assert found.evidence[0] > 1
    assert (found.evidence[1:] > 1).mean() <= 0.1


def test_where_nothing_comes_back_nothing_is_told() -> None:
    found = repeated(np.random.default_rng(2), [10**9] * 5)
    assert (found.evidence < 0.5).all()
    only = repeats(with_fillings([3], whole=np.ones(3)))
    assert only.evidence.tolist() == [0]


def covered(values: list[np.ndarray]) -> Trait:
    slots = np.zeros((sum(map(len, values)), MAX_SLOTS))
    slots[:, 1] = np.concatenate(values) + 1
    return coverage(with_fillings([len(v) for v in values], slots=slots))


def test_random_choice_from_a_list_is_no_evidence() -> None:
    random = np.random.default_rng(3)
    for size, values in ((60, 20), (200, 50), (200, 130)):
        found = covered([random.integers(values, size=size) for _ in range(500)])
        assert (found.evidence > 2).mean() <= 0.02
    skewed = covered([random.zipf(1.5, 200).clip(max=40) for _ in range(100)])
    assert skewed.evidence.max() < 1


def test_a_list_that_is_worked_through_is_evenly_covered() -> None:
    random = np.random.default_rng(4)
    found = covered([random.permutation(np.resize(np.arange(30), 150)), np.arange(5)])
    assert found.value[0] < 0.1
    assert found.evidence[0] > 5
    assert np.isnan(found.value[1])


def test_nothing_is_known_where_nobody_looked_at_fillings() -> None:
    data = observed(np.zeros(9), np.zeros(9), [np.arange(9)])
    for trait in (repeats(data), coverage(data)):
        assert np.isnan(trait.value).all()
        assert trait.evidence.tolist() == [0]
