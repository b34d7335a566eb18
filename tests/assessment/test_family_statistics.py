from __future__ import annotations

import numpy as np
import pytest
from support.observed import DAY, REQUESTS, observed, zipf

from fingerprint.assessment.family_statistics import corrected, family_statistics, measure
from fingerprint.assessment.features import PRIOR, SCORE_FEATURES, Feature, base_rate
from fingerprint.evidence.null_models import Trait, unknown_trait


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


def test_tests_of_either_side_are_corrected_apart_and_what_is_no_test_is_not() -> None:
    table = tuple(
        Feature(name, base_rate, "", weight=weight, cap=9.0, is_test=is_test)
        for name, weight, is_test in (("for", 1.0, True), ("against", -1.0, True), ("stated", 1.0, False))
    )
    trait = Trait(np.ones(4), np.ones(4), np.array([3.0, 0.0, 0.0, 0.0]))
    one_in_four = 3 - np.log10(4)
    found = family_statistics(
        dict.fromkeys(("for", "against", "stated"), trait), np.ones(4, dtype=np.int64), table
    )
    np.testing.assert_allclose(found.evidence[0], [one_in_four, one_in_four, 3])
    # what is unknown, or of families without requests, is no test
    few = family_statistics({"for": trait}, np.array([1, 1, 0, 0]), table[:1])
    assert few.evidence[0, 0] == pytest.approx(3 - np.log10(2))
    assert (
        family_statistics({"for": unknown_trait(4)}, np.ones(4, dtype=np.int64), table[:1]).evidence.max()
        == 0
    )
