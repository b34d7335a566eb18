from __future__ import annotations

import numpy as np
import pytest
from support.observed import DAY, REQUESTS, observed, zipf

from fingerprint.assessment.family_statistics import measure
from fingerprint.assessment.features import PRIOR, RETURNING, SCORE_FEATURES


@pytest.mark.parametrize("size", [10, 40, 200])
def test_random_senders_are_no_evidence(size: int) -> None:
    random = np.random.default_rng(size)
    account, second = zipf(random, REQUESTS), random.uniform(0, DAY, REQUESTS)
    families = [random.choice(REQUESTS, size, replace=False) for _ in range(200)]
    data = observed(account, second, families)
    evidence = {feature.name: feature.statistic(data).evidence for feature in SCORE_FEATURES}
    for feature in SCORE_FEATURES:
        assert np.isfinite(evidence[feature.name]).all(), feature.name
        if feature.is_test and feature.name != "uneven":
            assert (evidence[feature.name] > 2).mean() <= 0.05, feature.name
    if size >= 40:
        assert np.median(evidence["uneven"]) > 1  # Zipf's law is no dealer


@pytest.mark.parametrize("requests", [0, 1, 7])
def test_next_to_nothing(requests: int) -> None:
    account, second = np.zeros(requests, dtype=np.int32), np.arange(requests, dtype=np.float64)
    for families in ([], [np.empty(0, dtype=np.int64)], [np.arange(requests)] * 2):
        data = observed(account, second, families)
        for feature in SCORE_FEATURES:
            trait = feature.statistic(data)
            assert trait.value.shape == trait.expected.shape == trait.evidence.shape == (len(families),)
            assert np.isfinite(trait.evidence).all(), feature.name
        assert measure(data).evidence.shape == (len(families), len(SCORE_FEATURES))


def test_rows_have_names_of_their_own_and_words_that_can_be_filled_in() -> None:
    names = [feature.name for feature in SCORE_FEATURES]
    assert len(set(names)) == len(names)
    assert {PRIOR, RETURNING} <= set(names)
    for feature in SCORE_FEATURES:
        assert feature.cap > 0
        assert "{" not in feature.words.format(value="1", expected="2", name="it")
