"""The statistics of a night's families, made comparable: corrected for how many there are, and capped.

Many families are judged at once for many things, so small p-values come about by chance: what counts is -log10 of the
q-value over all tests of the night that speak for the same side (D-061).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from fingerprint.assessment.features import RETURNING, SCORE_FEATURES, Features
from fingerprint.base import stats
from fingerprint.base.types import Bools, Doubles, IntArray
from fingerprint.evidence.null_models import Trait, p_value_evidence
from fingerprint.evidence.observations import Observations

Traits: TypeAlias = Mapping[str, Trait]
"""Statistics of f families by the names of their features."""

SAME_POOL_EVIDENCE = 2.0
"""A pool is the same if more accounts came back than chance gives, p below 1e-2."""


@dataclass(frozen=True, slots=True)
class FamilyStatistics:
    """The k features of f families.

    features: the rows of the table, in the order of the columns. evidence: (f, k), from 0 to the feature's cap, 0 where
    nothing is known. value, expected: (f, k) the numbers to tell, NaN for none. requests: (f,) how many it is all from.
    names: of features whose statistic chooses among several things, what it chose for each family. bounds: of features whose
    statistic bounds what all nights say together, the most evidence of each family (f,).
    """

    features: Features
    evidence: Doubles
    value: Doubles
    expected: Doubles
    requests: IntArray
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bounds: Mapping[str, Doubles] = field(default_factory=dict)

    def evidence_of(self, name: str, family: int) -> float:
        """Return a feature's evidence of one family, 0 where the table has no such row."""
        names = [feature.name for feature in self.features]
        return float(self.evidence[family, names.index(name)]) if name in names else 0.0


def same_pool(statistics: FamilyStatistics) -> Bools:
    """Tell which families' accounts came back from earlier nights, so that it is the same pool, (f,)."""
    back = [statistics.evidence_of(RETURNING, f) for f in range(len(statistics.evidence))]
    return np.array(back, dtype=np.float64) >= SAME_POOL_EVIDENCE


def measure(data: Observations, features: Features = SCORE_FEATURES) -> FamilyStatistics:
    """Measure all statistics of f families."""
    traits = {feature.name: feature.statistic(data) for feature in features}
    return family_statistics(traits, data.behaviour.requests, features)


def family_statistics(
    traits: Traits, requests: IntArray, features: Features = SCORE_FEATURES
) -> FamilyStatistics:
    """Make features of statistics: correct tests for their number, and cap.

    traits: of f families, one for each feature. requests: (f,); families without any have no tests.
    """
    rows = [traits[feature.name] for feature in features]
    evidence = np.nan_to_num(np.stack([trait.evidence for trait in rows], axis=1), posinf=300.0)
    value = np.stack([trait.value for trait in rows], axis=1)
    expected = np.stack([trait.expected for trait in rows], axis=1)
    known = ~np.isnan(value) & (requests > 0)[:, None]
    for against in (False, True):
        side = [feature.is_test and (feature.weight < 0) == against for feature in features]
        tests = known & np.array(side)
        evidence[tests] = corrected(evidence[tests])
    caps = np.array([feature.cap for feature in features])
    names = {feature.name: trait.names for feature, trait in zip(features, rows, strict=True) if trait.names}
    bounds = {
        feature.name: feature.cap * trait.bound
        for feature, trait in zip(features, rows, strict=True)
        if trait.bound is not None
    }
    return FamilyStatistics(features, np.clip(evidence, 0, caps), value, expected, requests, names, bounds)


def corrected(evidence: Doubles) -> Doubles:
    """Turn -log10 of the p-values of a night's tests for one side (n,) into -log10 of their q-values (Benjamini & Hochberg 1995).

    A likelihood ratio counts as a p-value of 1 / ratio, which it is by Markov's inequality (Vovk & Wang 2021).
    """
    if not len(evidence):
        return evidence
    q_value = stats.q_values(10.0 ** -np.clip(evidence, 0, 300))
    return np.asarray(np.maximum(p_value_evidence(q_value), 0.0))
