from __future__ import annotations

from dataclasses import replace

import numpy as np

from fingerprint.assessment.earlier_evidence import CARRIED, Since, with_earlier_evidence
from fingerprint.assessment.family_statistics import FamilyStatistics
from fingerprint.assessment.features import SCORE_FEATURES
from fingerprint.domain.signature import Reason

NAMES = [feature.name for feature in SCORE_FEATURES]


def statistics(*ratios: float) -> FamilyStatistics:
    """Families that are dealt so much tonight; below 0: that have topics."""
    evidence = np.zeros((len(ratios), len(NAMES)))
    evidence[:, NAMES.index("dealt")] = np.maximum(ratios, 0)
    evidence[:, NAMES.index("topics")] = np.maximum(np.negative(ratios), 0)
    nothing = np.full_like(evidence, np.nan)
    return FamilyStatistics(SCORE_FEATURES, evidence, nothing, nothing, np.full(len(ratios), 30))


def last(name: str, value: float) -> tuple[Reason, ...]:
    return (Reason(name, value, 1.0, ""), Reason("synchrony", 9.0, 1.0, ""))


def ratio(after: FamilyStatistics, family: int) -> float:
    return after.evidence_of("dealt", family) - after.evidence_of("topics", family)


def test_what_earlier_nights_said_counts_on_by_half() -> None:
    tonight = statistics(0.4, 0.4, 0.4, -1.0)
    after = with_earlier_evidence(tonight, [last("dealt", 1.2), last("topics", 2.0), (), last("dealt", 1.2)])
    np.testing.assert_allclose([ratio(after, f) for f in range(4)], [1.0, -0.6, 0.4, -0.4])
    assert after.evidence_of("synchrony", 0) == 0
    assert 0 < CARRIED < 1


def test_what_is_known_of_the_same_pool_counts_on_in_full() -> None:
    tonight = statistics(0.2, 0.2)
    tonight.evidence[0, NAMES.index("returning")] = 5.0
    after = with_earlier_evidence(tonight, [last("dealt", 0.8), last("dealt", 0.8)])
    np.testing.assert_allclose([ratio(after, f) for f in range(2)], [1.0, 0.6])


def test_no_family_gets_beyond_the_cap() -> None:
    cap = SCORE_FEATURES[NAMES.index("dealt")].cap
    after = with_earlier_evidence(statistics(cap), [last("dealt", cap)])
    assert after.evidence_of("dealt", 0) == cap
    assert after.evidence_of("topics", 0) == 0


def test_nights_together_say_no_more_than_the_fillings_can_show() -> None:
    tonight = replace(statistics(0.3, 0.3, 0.3, -0.2), bounds={"dealt": np.full(4, 0.4)})
    tonight.evidence[:, NAMES.index("returning")] = 5.0
    after = with_earlier_evidence(
        tonight, [last("dealt", 0.3), last("dealt", 0.9), last("topics", 1.0), last("dealt", 0.9)]
    )
    # what was known stays, but for what tonight says against it
    np.testing.assert_allclose([ratio(after, f) for f in range(4)], [0.4, 0.9, -0.7, 0.7])


def test_a_night_that_is_worked_again_adds_nothing_to_itself() -> None:
    tonight, reasons = statistics(0.4, 0.7), [last("dealt", 1.2), ()]
    after = with_earlier_evidence(tonight, reasons, Since.SAME)
    np.testing.assert_allclose([ratio(after, f) for f in range(2)], [1.2, 0.7])
    rounds = with_earlier_evidence(tonight, reasons, Since.MIXED)
    np.testing.assert_allclose([ratio(rounds, f) for f in range(2)], [0.4, 0.7])


def test_one_night_does_not_make_a_known_pool_one_customers_or_several() -> None:
    tonight = statistics(0.4, 0.4, 0.4)
    tonight.evidence[:, NAMES.index("customer")] = [1.0, 0.0, 1.0]
    after = with_earlier_evidence(tonight, [last("dealt", 1.2), last("customer", 1.0), ()])
    np.testing.assert_allclose([after.evidence_of("customer", f) for f in range(3)], [0.5, 0.5, 1.0])
    again = with_earlier_evidence(tonight, [last("dealt", 1.2), last("customer", 0.5), ()], Since.SAME)
    np.testing.assert_allclose([again.evidence_of("customer", f) for f in range(3)], [0.0, 0.5, 1.0])
