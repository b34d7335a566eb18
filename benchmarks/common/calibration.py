"""Measures of calibration: exact intervals, reliability curves, and maps from scores to probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special, stats

from benchmarks.common.labelled import Floats, Mask

EDGES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 1.0)
"""Between the bins of a curve; finer where flags are decided."""

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something happened in so many trials, and its Clopper-Pearson interval at CONFIDENCE."""

    happened: int
    trials: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Bin:
    """Families with scores of one bin: the mean score, and the share of them that are campaigns.

    observed: as counted. share, low, high: the same and its interval at the base rate that the curve is for.
    """

    begin: float
    end: float
    predicted: float
    observed: Rate
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A reliability curve, at a base rate: the share of all families that are campaigns.

    brier: mean squared difference of score and truth. error: expected calibration error, the bins' |predicted - share|
    weighed by size. log_loss: mean negative log-likelihood, in nats. Families are weighed so as to have the base rate.
    """

    families: int
    campaigns: int
    base_rate: float
    brier: float
    error: float
    log_loss: float
    bins: tuple[Bin, ...]


def exact_rate(happened: int, trials: int) -> Rate:
    """Return a rate with its interval (Clopper & Pearson 1934)."""
    if not trials:
        return Rate(0, 0, float("nan"), 0.0, 1.0)
    tail = (1 - CONFIDENCE) / 2
    low = stats.beta.ppf(tail, happened, trials - happened + 1) if happened else 0.0
    high = stats.beta.ppf(1 - tail, happened + 1, trials - happened) if happened < trials else 1.0
    return Rate(happened, trials, happened / trials, float(low), float(high))


def curve(score: Floats, campaign: Mask, base_rate: float | None = None) -> Curve:
    """Compare scores (n,), one at least, with what the families are (n,); base_rate None: as it is among them."""
    counted = float(campaign.mean())
    wanted = counted if base_rate is None or counted in (0.0, 1.0) else base_rate
    weight = np.where(campaign, wanted / max(counted, 1e-12), (1 - wanted) / max(1 - counted, 1e-12))
    weight = weight / weight.sum()
    place = np.clip(np.digitize(score, EDGES) - 1, 0, len(EDGES) - 2)
    bins, error = [], 0.0
    for number in np.unique(place):
        mine = place == number
        observed = exact_rate(int(campaign[mine].sum()), int(mine.sum()))
        share, low, high = (
            _shifted(rate, counted, wanted) for rate in (observed.rate, observed.low, observed.high)
        )
        predicted = float(np.average(score[mine], weights=weight[mine]))
        bins.append(Bin(EDGES[number], EDGES[number + 1], predicted, observed, share, low, high))
        error += float(weight[mine].sum()) * abs(predicted - share)
    safe = np.clip(score, 1e-6, 1 - 1e-6)
    loss = -float((weight * np.where(campaign, np.log(safe), np.log1p(-safe))).sum())
    brier = float((weight * (score - campaign) ** 2).sum())
    return Curve(len(score), int(campaign.sum()), wanted, brier, error, loss, tuple(bins))


def _shifted(share: float, counted: float, wanted: float) -> float:
    """Return what a share of campaigns would be if as many of all families were as wanted, not as counted."""
    if counted in (0.0, 1.0):
        return share
    up, down = share * wanted / counted, (1 - share) * (1 - wanted) / (1 - counted)
    return up / (up + down)


@dataclass(frozen=True, slots=True)
class Flags:
    """Flags of a thousand families of which a share `base_rate` is campaigns': as expected, and as observed.

    honest_low, honest_high: interval of the observed honest ones at CONFIDENCE. counted: campaigns' and honest families
    that were flagged, as simulated.
    """

    base_rate: float
    campaigns_expected: float
    campaigns_observed: float
    honest_expected: float
    honest_observed: float
    honest_low: float
    honest_high: float
    counted: tuple[int, int]


def flags_at(precision: Floats, flagged: Mask, campaign: Mask, stated: float, base_rate: float) -> Flags:
    """Compare expected with observed flags at a base rate.

    precision: (n,) expected of each family, where a share `stated` of families are campaigns'. flagged, campaign: (n,).
    """
    shift = float(special.logit(base_rate) - special.logit(stated))
    expected = special.expit(special.logit(np.clip(precision, 1e-12, 1 - 1e-12)) + shift)
    weight = 1000 * np.where(campaign, base_rate / campaign.sum(), (1 - base_rate) / (~campaign).sum())
    rate = exact_rate(int((flagged & ~campaign).sum()), int((~campaign).sum()))
    honest = 1000 * (1 - base_rate)
    return Flags(
        base_rate,
        campaigns_expected=float((weight * expected)[flagged].sum()),
        campaigns_observed=float(weight[flagged & campaign].sum()),
        honest_expected=float((weight * (1 - expected))[flagged].sum()),
        honest_observed=honest * rate.rate,
        honest_low=honest * rate.low,
        honest_high=honest * rate.high,
        counted=(int((flagged & campaign).sum()), rate.happened),
    )


def platt(score: Floats, campaign: Mask) -> tuple[float, float]:
    """Fit probability = sigmoid(a · logit(score) + b) by maximum likelihood (Platt 1999); returns a, b."""
    margin = logit(score)
    side = np.where(campaign, 1.0, -1.0)

    def loss(at: Floats) -> float:
        # a little regularisation keeps a finite where the classes part without overlap
        return float(np.logaddexp(0, -side * (at[0] * margin + at[1])).sum() + 0.5 * (at[0] - 1) ** 2)

    fitted = optimize.minimize(loss, np.array([1.0, 0.0]), method="BFGS").x
    return float(fitted[0]), float(fitted[1])


def mapped(score: Floats, a: float, b: float) -> Floats:
    """Apply a Platt map to scores (n,)."""
    return np.asarray(special.expit(a * logit(score) + b), dtype=np.float64)


def logit(score: Floats) -> Floats:
    """Return log-odds of scores (n,), kept finite."""
    return np.asarray(special.logit(np.clip(score, 1e-6, 1 - 1e-6)), dtype=np.float64)
