from __future__ import annotations

import pytest

from fingerprint.assessment.flagging import THRESHOLDS, flag_threshold
from fingerprint.domain.errors import UsageError
from fingerprint.domain.settings import PRECISION_RANGE


def test_the_threshold_grows_with_the_precision() -> None:
    assert [flag_threshold(precision) for precision, _ in THRESHOLDS] == [score for _, score in THRESHOLDS]
    between = [flag_threshold(p / 1000) for p in range(900, 991)]
    assert between == sorted(between)
    assert (THRESHOLDS[0][0], THRESHOLDS[-1][0]) == PRECISION_RANGE


@pytest.mark.parametrize("precision", [0.0, 0.5, 0.995, 1.0, float("nan")])
def test_a_precision_that_nobody_measured_is_refused(precision: float) -> None:
    with pytest.raises(UsageError, match="precision"):
        flag_threshold(precision)
