"""Whether each account fills the template from topics of its own, or all accounts work through one list.

People and customers have topics: two fillings of one account are more alike than two of different accounts. A pool that
works through one list of questions has none. Fillings of all families of the pool count, each centred within its own
family, for a campaign's templates are filled from one list.

The evidence is the log10 of a likelihood ratio of the excess of likeness (`evidence.permutation`): 0 where fillings are
dealt, against the excesses of pools whose accounts have topics of their own (`OWN_TOPICS`). Few pairs of requests of one
account have a large deviation and so say little either way. Fillings that are all about the same thing, as records of
one shape are, have no topics to show, so nothing is concluded from them. Nor is it where several accounts ask the same. And a
text inside an application's template that some of its users share, as a document that several ask about, is a topic
itself: within it there are none. What fillings cannot show on one night they cannot show on ten, so these doubts bound what nights
say together; but that few accounts could be compared is a doubt of one night.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse, special

from fingerprint.base.sparse import sum_of
from fingerprint.base.types import Bools, Doubles, FloatArray, IntArray
from fingerprint.evidence.null_models import Trait, counting_share
from fingerprint.evidence.observations import Observations, once
from fingerprint.evidence.permutation import Likeness, likeness
from fingerprint.evidence.statistics.copied_prompts import asked_alone
from fingerprint.evidence.statistics.harvest import median_length
from fingerprint.evidence.statistics.pool_overlap import pool_overlaps

GRID = np.linspace(0.0, 1.2, 481)
"""Excesses over which a density is integrated."""


def gamma_weights(shape: float, scale: float) -> Doubles:
    """Return a gamma distribution's weights of the excesses of GRID, which add up to 1."""
    middle = GRID + (GRID[1] - GRID[0]) / 2
    weights = np.exp((shape - 1) * np.log(middle) - middle / scale)
    return np.asarray(weights / weights.sum(), dtype=np.float64)


OWN_TOPICS = gamma_weights(3.0, 0.1)
"""Excess of the cosine of two fillings of one account where accounts have topics of their own: 0.3 as a rule, seldom
below 0.05 (D-168)."""

WITHOUT_ANY = 0.05
"""Share of honest pools whose accounts show no ways of their own, so that no ratio is above 20."""

ALIKE_SPREAD, DIVERSE_SPREAD = 0.25, 0.5
"""Mean squared distance of fillings from their mean: up to the first they are one text, from the second on a list of things."""

FEW_COMPARED, MOST_COMPARED = 0.25, 0.4
"""Share of the accounts that sent two conversations: what up to the first do says nothing of the others."""

SHORT_TOKENS, LONG_TOKENS = 4, 12
"""Median tokens of a filling: a few words have hardly a subject that could be somebody's own."""

CARRIER_TOPICS = 1.0
"""Evidence, log10, from which on the accounts of a carrier have topics of their own."""

MIN_DEVIATION = 0.005
"""Of an excess: fillings are related by more than their subject."""


def dealt_fillings(data: Observations) -> Trait:
    """Excess of the likeness of fillings within accounts; the evidence is that they are dealt from one list."""
    trait = _topics(data)
    return replace(trait, evidence=np.maximum(trait.evidence, 0.0))


def own_topics(data: Observations) -> Trait:
    """Excess of the likeness of fillings within accounts; the evidence is that each has topics of its own, which speaks against a campaign."""
    trait = _topics(data)
    return Trait(trait.value, trait.expected, np.maximum(-trait.evidence, 0.0))


@once
def _topics(data: Observations) -> Trait:
    """Compare the fillings of each family's pool; evidence above 0 is for dealt ones, below 0 for topics."""
    trait = likeness_trait(pool_likeness(data), OWN_TOPICS)
    diverse = (filling_spread(data) - ALIKE_SPREAD) / (DIVERSE_SPREAD - ALIKE_SPREAD)
    compared = (_share_with_two(data) - FEW_COMPARED) / (MOST_COMPARED - FEW_COMPARED)
    subject = (np.nan_to_num(median_length(data)) - SHORT_TOKENS) / (LONG_TOKENS - SHORT_TOKENS)
    bound = np.clip(diverse, 0.0, 1.0) * np.clip(subject, 0.0, 1.0)
    bound *= asked_alone(data) * (1.0 - _topic_of_carrier(data, trait.evidence))
    counts = bound * np.clip(compared, 0.0, 1.0)
    evidence = np.where(trait.evidence > 0, counts, 1.0) * trait.evidence
    return replace(trait, evidence=evidence, bound=bound)


def _topic_of_carrier(data: Observations, ratio: Doubles) -> Doubles:
    """How far each family is one of the topics of the family in whose text it stands, 0 to 1 (f,).

    ratio: (f,) log10 likelihood ratio of dealt fillings. The users of a carrier whose accounts have topics of their own send
    it without this text, too; who puts a template of his own into it does not (D-302).
    """
    out = np.zeros(data.families)
    if data.carrier is None:
        return out
    inside = np.flatnonzero(data.carrier >= 0)
    inside = inside[ratio[data.carrier[inside]] <= -CARRIER_TOPICS]
    sent = data.pool.sign()
    for family in inside.tolist():
        both = sent[family].multiply(sent[int(data.carrier[family])])
        out[family] = both.sum() / max(int(data.accounts[family]), 1)
    return counting_share(out)


def _share_with_two(data: Observations) -> Doubles:
    """Share of each family's accounts that sent two conversations of it and its pool's families, (f,): only these are compared."""
    related = pool_overlaps(data).related
    loads = (related @ data.pool + data.pool).multiply(data.pool.sign()).tocsr()
    return np.asarray(sum_of(loads, (loads.data >= 2).astype(np.float64)) / np.maximum(data.accounts, 1))


def filling_spread(data: Observations) -> Doubles:
    """Mean squared distance of the unit vectors of each family's fillings from their mean, (f,), 0 (all alike) to 1.

    A model of English finds texts in another script all alike, so that these are compared by their words (D-312).
    """
    sample = data.sample
    if sample is None or not len(sample.request):
        return np.zeros(data.families)
    full = np.asarray(sample.vectors.any(axis=1))
    foreign = full & False if sample.words is None else full & sample.words.any(axis=1)
    spread, count = _spread(sample.vectors, sample.family, full & ~foreign, data.families)
    if sample.words is None:
        return spread
    in_words, others = _spread(sample.words, sample.family, foreign, data.families)
    return np.asarray((spread * count + in_words * others) / np.maximum(count + others, 1))


def _spread(vectors: FloatArray, family: IntArray, which: Bools, families: int) -> tuple[Doubles, IntArray]:
    """Return the spread of some of the rows in each family, 0 where there are none, and how many they are, both (f,)."""
    rows = np.flatnonzero(which)
    of_family = sparse.csr_matrix((np.ones(len(rows)), (family[rows], rows)), shape=(families, len(family)))
    count = np.diff(of_family.indptr).astype(np.int64)
    mean = (of_family @ vectors.astype(np.float64)) / np.maximum(count, 1)[:, None]
    return np.where(count > 0, 1 - (mean * mean).sum(axis=1), 0.0), count


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


def likeness_trait(likenesses: list[Likeness], own: Doubles) -> Trait:
    """Return the trait of f excesses; evidence: log10 likelihood ratio of none to one with the weights `own` over GRID."""
    excess = np.array([x.excess for x in likenesses], dtype=np.float64)
    deviation = np.array([x.deviation for x in likenesses], dtype=np.float64)
    known = np.isfinite(deviation)
    nothing = np.where(known, 0.0, np.nan)
    ratio = dealt_ratio(np.where(known, excess, 0.0), np.where(known, deviation, 1.0), own)
    return Trait(excess + nothing, nothing, np.where(known, ratio, 0.0))


def dealt_ratio(excess: Doubles, deviation: Doubles, own: Doubles) -> Doubles:
    """Return log10 of N(excess; 0, deviation) over its mean for true excesses with the weights `own` over GRID; (f,).

    A share WITHOUT_ANY of those are 0 all the same.
    """
    s = np.maximum(deviation, MIN_DEVIATION)[:, None]
    log_density = -(((excess[:, None] - GRID - (GRID[1] - GRID[0]) / 2) / s) ** 2) / 2
    log_own = special.logsumexp(log_density, b=own, axis=1)
    log_dealt = -((excess / s[:, 0]) ** 2) / 2
    log_own = np.logaddexp(np.log1p(-WITHOUT_ANY) + log_own, np.log(WITHOUT_ANY) + log_dealt)
    return np.asarray((log_dealt - log_own) / np.log(10), dtype=np.float64)
