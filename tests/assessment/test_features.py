from __future__ import annotations

import numpy as np
import pytest
from support.observed import DAY, REQUESTS, observed, zipf

from fingerprint.assessment.features import PRIOR, RETURNING, SCORE_FEATURES, corrected, measure


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
        assert "{" not in feature.words.format(value="1", expected="2")


def test_evidence_is_capped_and_without_requests_it_is_not_corrected() -> None:
    random = np.random.default_rng(1)
    account = np.concatenate([np.repeat(np.arange(1000, 1020), 20), zipf(random, REQUESTS)])
    second = random.uniform(0, DAY, len(account))
    found = measure(observed(account, second, [np.arange(400), np.empty(0, dtype=np.int64)]))
    caps = np.array([feature.cap for feature in SCORE_FEATURES])
    assert ((found.evidence >= 0) & (found.evidence <= caps)).all()
    assert found.evidence_of("concentration", 0) == 10
    assert found.evidence_of("concentration", 1) == 0
    assert found.evidence_of(PRIOR, 1) == 1
    assert found.evidence_of("no such row", 0) == 0


def test_one_small_p_value_among_many_tests_counts_for_less() -> None:
    alone = corrected(np.array([3.0]))
    among = corrected(np.array([3.0, *[0.1] * 99]))
    assert alone[0] == 3
    assert among[0] == pytest.approx(1.0, abs=0.01)
    assert (corrected(np.array([3.0] * 100)) == pytest.approx(3.0)) is True
    assert corrected(np.array([np.inf, 400.0]))[0] <= 300
    assert len(corrected(np.empty(0))) == 0
