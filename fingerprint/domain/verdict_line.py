"""One sentence that sums up what speaks for a campaign and against, made of the reasons' phrases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fingerprint.base.quantities import count_words
from fingerprint.domain.signature import Reason

MIN_CONTRIBUTION = 0.5
"""Log-odds from which on a reason is worth a word."""

MOST_PHRASES = 3


def verdict_line(reasons: Sequence[Reason], accounts: int, *, flagged: bool) -> str:
    """Say of so many accounts what they do; the stronger side first, and the best of the other side after it."""
    pro = _phrases([r for r in reasons if r.contribution >= MIN_CONTRIBUTION])
    contra = _phrases([r for r in reasons if r.contribution <= -MIN_CONTRIBUTION])
    first, other = (pro, contra) if flagged else (contra, pro)
    who = count_words(accounts, "account")
    if not first:
        first, other = other, []
    if not first:
        return f"{who}: nothing was seen that tells a campaign from other senders"
    if accounts == 1:
        return f"{who}: {_joined(first)}"
    return f"{who} {_joined(first)}{f', but {other[0]}' if other else ''}"


def campaign_verdict(
    families: Sequence[tuple[Sequence[Reason], int]], accounts: int, *, flagged: bool
) -> str:
    """Say of a campaign's accounts what they do; families: the reasons of each, and its requests, which weigh them."""
    whole = max(sum(requests for _, requests in families), 1)
    strongest: dict[str, Reason] = {}
    mean: dict[str, float] = {}
    for reasons, requests in families:
        for reason in reasons:
            known = strongest.get(reason.name)
            if known is None or abs(reason.contribution) > abs(known.contribution):
                strongest[reason.name] = reason
            mean[reason.name] = mean.get(reason.name, 0.0) + reason.contribution * requests / whole
    return verdict_line(
        [replace(reason, contribution=mean[name]) for name, reason in strongest.items()],
        accounts,
        flagged=flagged,
    )


def _phrases(reasons: Sequence[Reason]) -> list[str]:
    strongest = sorted(reasons, key=lambda r: -abs(r.contribution))
    return [r.phrase for r in strongest if r.phrase][:MOST_PHRASES]


def _joined(phrases: Sequence[str]) -> str:
    *before, last = phrases
    return f"{', '.join(before)} and {last}" if before else last
