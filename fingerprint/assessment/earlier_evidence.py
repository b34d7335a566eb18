"""What earlier nights said of whether accounts have ways of their own counts on: one night's sample is small.

The evidence is a log10 likelihood ratio, and those of independent nights add up. All of what was known is carried over
where the pool is the same, as far as accounts that came back tell; half of it otherwise, for pools change (D-171,
D-205). Doubts whether a family's fillings can show anything are the same every night, so that no night adds more than they
leave (D-340). Whether a pool is one customer's is a mean of tonight and before, for a few accounts more or less must not turn a
verdict over (D-260). A night that is worked again adds nothing to itself, and neither do the rounds of a watch, which see
the same requests again and again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum

import numpy as np

from fingerprint.assessment.family_statistics import FamilyStatistics, same_pool
from fingerprint.assessment.features import CUSTOMER
from fingerprint.domain.signature import Reason

CARRIED = 0.5
"""Share of the evidence of a family's last score that counts on where its pool may be another one."""


class Since(Enum):
    """What the last reasons of families are of: nights before this one, this very night, or some of the same requests."""

    BEFORE = "before"
    SAME = "same"
    MIXED = "mixed"


OPPOSITES = (("dealt", "topics"), ("one_clock", "hours"))
"""Features that are two sides of one ratio: for a campaign, and against."""


def with_earlier_evidence(
    statistics: FamilyStatistics, last_reasons: Sequence[Sequence[Reason]], since: Since = Since.BEFORE
) -> FamilyStatistics:
    """Add to tonight's ratios a share of those in each family's last reasons, one sequence a family (f); or take these."""
    if since is Since.MIXED:
        return statistics
    column = {feature.name: k for k, feature in enumerate(statistics.features)}
    share = np.where(same_pool(statistics), 1.0, CARRIED)
    last = [{reason.name: reason.value for reason in reasons} for reasons in last_reasons]
    evidence, known = statistics.evidence.copy(), np.array([bool(values) for values in last], dtype=np.bool_)
    for pro, contra in OPPOSITES:
        if pro not in column or contra not in column:
            continue
        k, m = column[pro], column[contra]
        before = np.array([values.get(pro, 0.0) - values.get(contra, 0.0) for values in last])
        ratio = evidence[:, k] - evidence[:, m]
        ratio = np.where(known, before, ratio) if since is Since.SAME else ratio + share * before
        cap = statistics.features[k].cap
        # a night adds no more than its fillings can show, and what was known stays
        most = np.maximum(statistics.bounds.get(pro, np.full(len(ratio), cap)), np.clip(before, 0.0, cap))
        evidence[:, k] = np.clip(ratio, 0.0, most)
        evidence[:, m] = np.clip(-ratio, 0.0, statistics.features[m].cap)
    if CUSTOMER in column:
        k = column[CUSTOMER]
        before = np.array([values.get(CUSTOMER, 0.0) for values in last])
        of_nights = before if since is Since.SAME else CARRIED * before + (1 - CARRIED) * evidence[:, k]
        evidence[:, k] = np.where(known, of_nights, evidence[:, k])
    return replace(statistics, evidence=evidence)
