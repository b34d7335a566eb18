"""P-values against a null that is read off the accounts themselves (Efron 2004, JASA 99, section 3).

Honest accounts have subjects of their own, so a theoretical null of random prompts would reject nearly all of them. What
honest accounts are like shows in the middle of all accounts' values: attackers, as long as they are few, lie beyond. The
upper part of the middle is continued by an exponential tail, which is heavier than a normal one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fingerprint.base.types import Bools, Doubles, IntArray

MIN_PEERS = 20
"""With fewer honest-looking accounts there are no p-values."""

STRATUM = 500
"""Accounts of like volume that are compared with each other; with fewer than twice as many, all are."""


@dataclass(frozen=True, slots=True)
class TailFit:
    """Between which quantiles of the peers a tail is fitted, and by how many standard deviations it is then made longer."""

    low: float
    high: float
    margin: float


ROBUST = TailFit(0.5, 0.8, 0.0)
"""While attackers are not known; a fifth of the accounts may be."""

FINE = TailFit(0.7, 0.9, 2.0)
"""Once those found are left out; cautious where there are few peers."""


def strata(requests: Doubles, honest: Bools) -> list[tuple[IntArray, IntArray]]:
    """Cut accounts into strata by their requests (a,); return of each its members and its honest ones, as numbers.

    Every stratum but the only one has at least STRATUM honest accounts.
    """
    peers = np.flatnonzero(honest)
    peers = peers[np.argsort(requests[peers], kind="stable")]
    groups = np.array_split(peers, max(1, len(peers) // STRATUM))
    # each stratum reaches to the volume that the next begins with
    starts = np.array([requests[group[0]] if len(group) else 0.0 for group in groups])
    number = np.maximum(np.searchsorted(starts, requests, side="right") - 1, 0)
    return [(np.flatnonzero(number == place), group) for place, group in enumerate(groups)]


def tail_p_values(value: Doubles, peers: Doubles, fit: TailFit) -> Doubles:
    """Return P(X >= value) (n,) for an honest account's X, from the values of peers (m,), m at least MIN_PEERS.

    Up to the higher of the two quantiles it is the share of peers; beyond, an exponential tail. Its scale is fitted
    between the quantiles, whose relative deviation is 1 / sqrt(peers between), and taken `fit.margin` deviations larger.
    """
    ordered = np.sort(peers)
    low, high = (float(np.quantile(ordered, level)) for level in (fit.low, fit.high))
    share_low, share_high = 1 - fit.low, 1 - fit.high
    between = max(len(ordered) * (share_low - share_high), 1.0)
    scale = (high - low) / np.log(share_low / share_high) * (1 + fit.margin / np.sqrt(between))
    rank = (len(ordered) - np.searchsorted(ordered, value, side="left") + 1) / (len(ordered) + 1)
    if scale <= 0:
        return np.asarray(np.maximum(rank, 1 / (len(ordered) + 1)))
    tail = share_high * np.exp(-np.maximum(value - high, 0.0) / scale)
    return np.asarray(np.where(value > high, tail, np.minimum(rank, 1.0)))
