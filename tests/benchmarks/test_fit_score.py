from __future__ import annotations

import numpy as np
import pytest

from benchmarks.quality.fit_score import (
    BASE_LOG_ODDS,
    LEAST,
    MOST,
    PRECISIONS,
    RULES,
    World,
    fit,
    judged,
    score_of,
    slope,
    threshold_table,
)
from fingerprint.assessment.features import PRIOR, SCORE_FEATURES

NAMES = [feature.name for feature in SCORE_FEATURES]


def world(seed: int) -> World:
    """Forty families: campaigns act together, half of the honest ones have topics of their own."""
    random = np.random.default_rng(seed)
    campaign = np.arange(40) % 2 == 0
    evidence = np.zeros((40, len(NAMES)))
    evidence[:, NAMES.index(PRIOR)] = 1
    evidence[:, NAMES.index("synchrony")] = random.uniform(4, 12, 40) * (campaign | (np.arange(40) % 4 == 1))
    evidence[:, NAMES.index("topics")] = 8.0 * (np.arange(40) % 4 == 1)
    requests = random.integers(20, 200, 40).astype(float)
    return World("made", evidence, requests, requests * campaign, np.zeros(40))


def test_weights_tell_families_of_another_world_apart_and_keep_their_signs() -> None:
    weights = fit([world(1), world(2)])
    assert weights[NAMES.index("synchrony")] > 0 > weights[NAMES.index("topics")]
    for feature, weight in zip(SCORE_FEATURES, weights, strict=True):
        most = MOST.get(feature.name, 0.0)
        if feature.name == PRIOR:
            assert weight == BASE_LOG_ODDS
        elif feature.name in RULES:
            assert weight * feature.cap == pytest.approx(most)
        else:
            assert LEAST * abs(most) - 1e-9 <= weight * feature.cap * np.sign(most or 1) <= abs(most) + 1e-9
    found = judged(world(3), score_of(world(3), weights), 0.68)
    assert found["average_precision"] == 1
    assert found["false_flags"] == 0


def test_a_table_of_most_names_every_feature_that_counts() -> None:
    assert {f.name for f in SCORE_FEATURES if f.weight and f.name != PRIOR} == set(MOST)
    for feature in SCORE_FEATURES:
        assert abs(feature.weight * feature.cap) <= abs(MOST.get(feature.name, 3.0)) + 0.05, feature.name


def test_a_higher_precision_has_a_higher_threshold() -> None:
    random = np.random.default_rng(0)
    table = threshold_table([random.beta(0.4, 0.6, 300) for _ in range(3)])
    assert list(table) == list(PRECISIONS)
    assert list(table.values()) == sorted(table.values())
    assert threshold_table([]) == {}


def test_what_is_flagged_is_counted_in_requests() -> None:
    made = world(4)
    flagged = made.evidence[:, NAMES.index("synchrony")] > 0
    found = judged(made, flagged.astype(float), 0.68)
    assert found["recall"] == 1
    assert found["precision"] == round(made.campaign_requests.sum() / made.requests[flagged].sum(), 4)
    assert found["false_flags"] == 10
    assert found["expected_false_flags"] == 0


@pytest.mark.parametrize("true_slope", [0.5, 1.0])
def test_the_slope_says_how_much_too_sure_scores_are(true_slope: float) -> None:
    random = np.random.default_rng(6)
    log_odds = random.normal(0, 3, 4000)
    campaign = random.random(4000) < 1 / (1 + np.exp(-true_slope * log_odds))
    requests = np.full(4000, 9.0)
    made = World("made", np.zeros((4000, len(NAMES))), requests, requests * campaign, np.zeros(4000))
    assert slope([made], [1 / (1 + np.exp(-log_odds))]) == pytest.approx(true_slope, abs=0.05)


def test_families_that_are_all_alike_have_no_slope() -> None:
    made = world(5)
    honest = World("made", made.evidence, made.requests, 0 * made.requests, made.night)
    assert slope([honest], [np.full(40, 0.5)]) is None
    assert slope([], []) is None
