"""Accounts of pools without a template: many people, or one list, behind accounts that take turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fingerprint.assessment.departures import AccountFeatures
from fingerprint.base.types import Doubles
from fingerprint.domain.rows import AccountRow
from fingerprint.domain.signature import Reason
from fingerprint.evidence.turn_takers import TurnTakers, turn_takers

RELAY = "relay"
"""The name of the reason; it adds nothing to a score."""


def with_turn_takers(
    rows: Sequence[AccountRow], features: AccountFeatures, totals: Mapping[str, int]
) -> list[AccountRow]:
    """Add to rows of accounts that take turns with others a sentence that says so.

    features: of all nights. totals: conversations of each account on all nights, by its id.
    """
    volume = np.array([totals.get(name, 0) for name in features.accounts.to_pylist()], dtype=np.float64)
    result = turn_takers(features.sums, volume)
    number = {features.accounts[int(place)].as_py(): int(place) for place in np.flatnonzero(result.pool >= 0)}
    return [
        replace(row, evidence=(*row.evidence, _reason(result, volume, number[row.account_id])), relay=True)
        if row.account_id in number
        else row
        for row in rows
    ]


def _reason(result: TurnTakers, volume: Doubles, account: int) -> Reason:
    pool = result.pool[account]
    loads = volume[result.pool == pool]
    excess = float(result.excess[account])
    words = (
        f"one of {len(loads)} accounts that take turns: each sent {loads.min():.0f} to {loads.max():.0f} conversations, and two "
        f"prompts of one are no more alike than of two accounts (excess {excess:.2g}; {result.usual:.2g} is usual); chance gives "
        f"so many with a probability of {max(float(result.p_value[pool]), 1e-300):.0e}. Many people stand behind them, as "
        "behind a relay that resells access, or one broad list"
    )
    return Reason(RELAY, excess, 0.0, words)
