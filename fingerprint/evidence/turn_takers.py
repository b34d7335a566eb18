"""Pools without a template: accounts that ask about everything, as no person does, and share the load evenly.

A person's prompts are more alike than those of different people. Where many people, or one list, are dealt over a pool of
accounts in turn, two prompts of one account are no more alike than two of different accounts, and all accounts of the
pool send about as much. Either by itself is common: some people ask about everything, and people of one volume abound.
Together they are not.

So accounts are called broad whose prompts are not more alike than those of different accounts, and volumes are searched for
windows in which more accounts are broad than elsewhere (a scan statistic; Naus 1965). Null: an account of the window is broad
with the share of the accounts up to twice as small or as large (binomial tail, Bonferroni over windows). In a home where
everybody is broad no window stands out. None of this is part of a score (D-301).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fingerprint.base import stats
from fingerprint.base.types import Bools, Doubles, IntArray
from fingerprint.evidence.null_models import MIN_POOL
from fingerprint.evidence.two_sample import Sums

MIN_COMPARED = 8
"""Prompts from which on an account is looked at: of fewer, likeness is hardly known."""

WIDTHS = (0.0, 0.1, 0.25)
"""How much more than the smallest the largest account of a window sends: loads that are dealt in turn differ by little."""

NEIGHBOURS = 2.0
"""Accounts up to so many times smaller or larger than a window are what it is compared with."""

MAX_P = 1e-4
"""Largest p-value of a window, over all windows."""

MAX_STRANGERS = 0.1
"""Share of a pool's accounts that may be expected to be others of the same volume."""

MAX_POOLS = 8


@dataclass(frozen=True, slots=True)
class TurnTakers:
    """Pools of a accounts.

    pool: (a,) the number of each account's pool, -1 for none. excess: (a,) how much more alike its prompts are than those
    of different accounts, NaN where unknown; usual: the median of those in no pool. p_value: of each pool (p,).
    """

    pool: IntArray
    excess: Doubles
    usual: float
    p_value: Doubles


def turn_takers(sums: Sums, volume: Doubles) -> TurnTakers:
    """Find pools of accounts by the sums over their prompts in no family, and their volume (a,): all conversations."""
    excess = _excess(sums)
    pool, p_values = np.full(len(excess), -1, dtype=np.int64), list[float]()
    while len(p_values) < MAX_POOLS:
        rows = np.flatnonzero(np.isfinite(excess) & (pool < 0))
        p_value, members = _likeliest_pool(excess[rows], volume[rows])
        if p_value > MAX_P or len(members) < MIN_POOL:
            break
        pool[rows[members]] = len(p_values)
        p_values.append(p_value)
    others = excess[np.isfinite(excess) & (pool < 0)]
    usual = float(np.median(others)) if len(others) else np.nan
    return TurnTakers(pool, excess, usual, np.array(p_values))


def _excess(sums: Sums) -> Doubles:
    """Return the mean kernel of two prompts of each account less that of two prompts of different accounts, (a,)."""
    n, out = sums.requests, np.full(len(sums.requests), np.nan)
    rows = np.flatnonzero(n >= MIN_COMPARED)
    if len(rows) < 2:
        return out
    features, n = sums.features[rows], n[rows]
    own = (features * features).sum(axis=1)
    total, count = features.sum(axis=0), float(n.sum())
    among = (float(total @ total) - float(own.sum())) / (count * count - float((n * n).sum()))
    # the product of a prompt's features with themselves is 1
    out[rows] = (own - n) / (n * (n - 1)) - among
    return out


def _likeliest_pool(excess: Doubles, volume: Doubles) -> tuple[float, IntArray]:
    """Return the p-value of the window in which most accounts are broad, and the accounts of it that are the pool."""
    broad, best, chosen = excess <= 0.0, np.inf, (0.0, 0.0)
    begins = np.unique(volume)
    for width in WIDTHS:
        inside, inside_broad = _counted(volume, broad, begins, begins * (1 + width))
        near, near_broad = _counted(volume, broad, begins / NEIGHBOURS, begins * (1 + width) * NEIGHBOURS)
        share = (near_broad - inside_broad + 1) / (near - inside + 2)
        p_value = stats.binomial(inside_broad, inside, share) * len(begins) * len(WIDTHS)
        if len(p_value) and p_value.min() < best:
            place = int(np.argmin(p_value))
            best, chosen = float(p_value[place]), (begins[place], begins[place] * (1 + width))
    window = (volume >= chosen[0]) & (volume <= chosen[1])
    others = ~window & (volume >= chosen[0] / NEIGHBOURS) & (volume <= chosen[1] * NEIGHBOURS)
    return best, _members(excess, window, excess[others])


def _counted(volume: Doubles, broad: Bools, low: Doubles, high: Doubles) -> tuple[Doubles, Doubles]:
    """Count the accounts, and the broad ones, whose volumes lie in each of some windows."""
    out = []
    for values in (np.sort(volume), np.sort(volume[broad])):
        ends = np.searchsorted(values, high, side="right") - np.searchsorted(values, low, side="left")
        out.append(ends.astype(np.float64))
    return out[0], out[1]


def _members(excess: Doubles, inside: Bools, others: Doubles) -> IntArray:
    """Return the accounts of a window up to an excess at which few strangers are expected among them; others: excesses near."""
    rows = np.flatnonzero(inside)
    rows = rows[np.argsort(excess[rows], kind="stable")]
    taken = np.arange(1, len(rows) + 1)
    share = np.searchsorted(np.sort(others), excess[rows], side="right") / max(len(others), 1)
    # strangers above the excess are seen; so many are below it as the share of the others says
    strangers = (len(rows) - taken) * share / np.maximum(1 - share, 1e-9)
    unlike = excess[rows] <= (np.median(others) / 2 if len(others) else 0.0)
    enough = np.flatnonzero(unlike & (share < 0.5) & (strangers <= MAX_STRANGERS * taken))
    return np.sort(rows[: enough[-1] + 1]) if len(enough) else rows[:0]
