from __future__ import annotations

import numpy as np

from benchmarks.quality import fit_score
from benchmarks.quality.fit_score import MOST_ALONE, MOST_PRIOR, RULES, World, fit, judged
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
        if feature.name in RULES:
            assert weight == RULES[feature.name]
        elif feature.name == PRIOR:
            assert weight <= MOST_PRIOR
        else:
            assert weight * (1 if feature.weight >= 0 else -1) >= 0
            assert weight * feature.cap <= MOST_ALONE + 1e-6
    found = judged(world(3), weights)
    assert found["average_precision"] == 1
    assert found["false_flags"] == 0


def test_what_is_flagged_is_counted_in_requests() -> None:
    made = world(4)
    weights = np.zeros(len(NAMES))
    weights[NAMES.index("synchrony")] = 100.0
    found = judged(made, weights)
    flagged = made.evidence[:, NAMES.index("synchrony")] > 0
    assert found["recall"] == 1
    assert found["precision"] == round(made.campaign_requests.sum() / made.requests[flagged].sum(), 4)
    assert found["false_flags"] == 10
    assert fit_score.PRECISION == 0.95
