"""Whether each account fills the template from topics of its own, or all accounts work through one list.

People and customers have topics: two fillings of one account are more alike than two of different accounts. A pool that
works through one list of questions has none. Fillings of all families of the pool count, each centred within its own
family, for a campaign's templates are filled from one list.

The evidence is the log10 of a likelihood ratio of the excess of likeness (`evidence.permutation`): 0 where fillings are
dealt, against excesses that are exponentially distributed with a mean of TYPICAL_EXCESS where each account has its own.
Few pairs of requests of one account have a large deviation and so say little either way.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from fingerprint.base.types import Doubles
from fingerprint.evidence.null_models import Trait
from fingerprint.evidence.observations import Observations, once
from fingerprint.evidence.permutation import Likeness, likeness
from fingerprint.evidence.statistics.pool_overlap import pool_overlaps

TYPICAL_EXCESS = 0.25
"""Mean excess of the cosine similarity of two fillings of one account where accounts have topics of their own (D-128)."""


def dealt_fillings(data: Observations) -> Trait:
    """Excess of the likeness of fillings within accounts; the evidence is that they are dealt from one list."""
    trait = _topics(data)
    return Trait(trait.value, trait.expected, np.maximum(trait.evidence, 0.0))


def own_topics(data: Observations) -> Trait:
    """Excess of the likeness of fillings within accounts; the evidence is that each has topics of its own, which speaks against a campaign."""
    trait = _topics(data)
    return Trait(trait.value, trait.expected, np.maximum(-trait.evidence, 0.0))


@once
def _topics(data: Observations) -> Trait:
    """Compare the fillings of each family's pool; evidence above 0 is for dealt ones, below 0 for topics."""
    return likeness_trait(pool_likeness(data), TYPICAL_EXCESS)


@once
def pool_likeness(data: Observations) -> list[Likeness]:
    """Compare the sampled fillings of each family and of those whose pool is the same, (f,)."""
    sample = data.sample
    if sample is None or not len(sample.request):
        return [Likeness(0.0, np.inf, 0)] * data.families
    related = pool_overlaps(data).related
    bounds = np.searchsorted(sample.family, np.arange(data.families + 1))
    full = np.asarray(sample.vectors.any(axis=1))
    centred: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def of(family: int) -> tuple[np.ndarray, np.ndarray]:
        if family not in centred:
            rows = np.arange(bounds[family], bounds[family + 1])
            rows = rows[full[rows]]
            vectors = sample.vectors[rows].astype(np.float64)
            vectors -= vectors.mean(axis=0) if len(rows) else 0.0
            norm = np.linalg.norm(vectors, axis=1, keepdims=True)
            centred[family] = vectors / np.maximum(norm, 1e-9), data.account[sample.request[rows]]
        return centred[family]

    out = []
    for family in range(data.families):
        parts = [
            of(g) for g in (family, *related.indices[related.indptr[family] : related.indptr[family + 1]])
        ]
        out.append(likeness(np.concatenate([v for v, _ in parts]), np.concatenate([a for _, a in parts])))
    return out


def likeness_trait(likenesses: list[Likeness], typical: float) -> Trait:
    """Return the trait of excesses; evidence: log10 likelihood ratio of none to one of mean `typical`."""
    excess = np.array([x.excess for x in likenesses], dtype=np.float64)
    deviation = np.array([x.deviation for x in likenesses], dtype=np.float64)
    known = np.isfinite(deviation)
    nothing = np.where(known, 0.0, np.nan)
    ratio = dealt_ratio(np.where(known, excess, 0.0), np.where(known, deviation, 1.0), typical)
    return Trait(excess + nothing, nothing, np.where(known, ratio, 0.0))


def dealt_ratio(excess: Doubles, deviation: Doubles, typical: float) -> Doubles:
    """Return log10 of N(excess; 0, deviation) over its mean for exponential excesses, 0 to 1, of mean `typical`; (f,)."""
    s = np.maximum(deviation, 1e-3)
    lower, upper = (-excess + s**2 / typical) / s, (1 - excess + s**2 / typical) / s
    # the normal mass between the two, in logs: both may lie far in the upper tail
    tail = special.log_ndtr(-lower)
    mass = tail + np.log(-np.expm1(np.minimum(special.log_ndtr(-upper) - tail, -1e-12)))
    own = -np.log(typical) - excess / typical + s**2 / (2 * typical**2) + mass
    dealt = -((excess / s) ** 2) / 2 - np.log(s * np.sqrt(2 * np.pi))
    return np.asarray((dealt - own) / np.log(10), dtype=np.float64)
