"""What the product must reach: the first version's bars, and the ones it is being built towards.

They were set for one labelled data set of three days; on other traffic they are a yardstick, not a promise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.common.figures import AccountScores, FamilyScores, LookupScores, Quality
from benchmarks.common.tables import cell, table

ENOUGH = 50
"""Requests of an evasion on one day from which it has a bar of its own."""

CHARACTERS = ("inject_start", "inject_middle", "inject_end", "nonce", "homoglyph")
HARDER = {"payload_domination": 0.90, "paraphrase": 0.90, "translation": 0.75}


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure and where it must be, at least (or, with `most`, at most); None: no bar."""

    what: str
    value: float
    first: float | None
    final: float | None
    most: bool = False

    def reached(self, limit: float | None) -> bool | None:
        """Whether a limit is reached; None without one."""
        if limit is None or math.isnan(self.value):
            return None
        return self.value <= limit if self.most else self.value >= limit


def bars(quality: Quality) -> list[Bar]:
    """List the bars that a run has figures for."""
    return [
        *_nights(quality),
        *_families(quality),
        *_lookup(quality),
        *_campaigns(quality),
        *_continuity(quality),
    ]


def as_text(rows: Sequence[Bar]) -> str:
    """Lay out bars with ✓ and ✗, and count them."""
    head = ("", "found", "first bar", "final bar")
    lines = table(head, [(bar.what, bar.value, _mark(bar, bar.first), _mark(bar, bar.final)) for bar in rows])
    first = _count([bar.reached(bar.first) for bar in rows])
    final = _count([bar.reached(bar.final) for bar in rows])
    return f"{lines}\n\n  first bars reached: {first}; final bars: {final}"


def _count(reached: Sequence[bool | None]) -> str:
    return f"{reached.count(True)} of {len(reached) - reached.count(None)}"


def _mark(bar: Bar, limit: float | None) -> str | None:
    reached = bar.reached(limit)
    if reached is None:
        return None
    return f"{'≤' if bar.most else '≥'} {cell(limit)} {'✓' if reached else '✗'}"


def _nights(quality: Quality) -> Iterator[Bar]:
    if len(quality.nights) < len(quality.days):
        return
    first = quality.nights[0]
    yield Bar(f"nightly, {first.name}: seconds", first.seconds, 60.0, 60.0, most=True)
    yield Bar(f"nightly, {first.name}: peak MB", first.peak_mb, 2500.0, 2500.0, most=True)


def _families(quality: Quality) -> Iterator[Bar]:
    first = quality.days[0]
    if "all" in quality.families:
        whole = quality.families["all"]
        yield Bar("families, all days in one night: micro F1", whole.overall.f1, None, 0.975)
        yield Bar("families, all days in one night: macro F1", whole.macro_f1_over_families, None, 0.94)
        return
    for day, scores in quality.families.items():
        early = day == first
        yield Bar(f"families, {day}: micro F1", scores.overall.f1, 0.985 if early else None, 0.99)
        yield Bar(f"families, {day}: macro F1", scores.macro_f1_over_families, 0.94 if early else None, 0.965)
        unrepeated = scores.background_unrepeated_in_families
        yield Bar(
            f"families, {day}: unrepeated background", unrepeated, 0.15 if early else None, 0.08, most=True
        )
        yield from _evasions(day, scores, early=early)


def _evasions(day: str, scores: FamilyScores, *, early: bool) -> Iterator[Bar]:
    for evasion, part in scores.by_evasion.items():
        if evasion == "none" or part.requests < ENOUGH:
            continue
        first = (
            {"payload_domination": 0.80, **dict.fromkeys(CHARACTERS, 0.965)}.get(evasion) if early else None
        )
        final = min(HARDER.get(kind, 0.95) for kind in evasion.split("+"))
        yield Bar(f"families, {day}: {evasion}", part.f1, first, final)


def _lookup(quality: Quality) -> Iterator[Bar]:
    if not quality.lookup:
        return
    of, scores = next(iter(quality.lookup.items()))
    if "none" in scores.by_evasion:
        yield Bar(f"lookup, {of}: TPR at 1e-3, undisguised", scores.by_evasion["none"].tpr[_CUT], 0.98, None)
    yield Bar(f"lookup, {of}: TPR at 1e-3", scores.overall.tpr[_CUT], 0.85, None)
    for of, scores in quality.lookup.items():
        yield from _later(of, scores)


_CUT, _STRICT = "background@0.001", "background@0.0001"


def _later(of: str, scores: LookupScores) -> Iterator[Bar]:
    yield Bar(f"lookup, {of}: TPR at 1e-3, all", scores.overall.tpr[_CUT], None, 0.97)
    yield Bar(f"lookup, {of}: TPR at 1e-4, all", scores.overall.tpr[_STRICT], None, 0.93)
    for evasion, part in scores.by_evasion.items():
        if evasion not in ("none", "translation"):
            yield Bar(f"lookup, {of}: TPR at 1e-3, {evasion}", part.tpr[_CUT], None, 0.90)
    yield Bar(f"lookup, {of}: FPR at own thresholds", scores.fpr_background, None, 1e-3, most=True)


def _campaigns(quality: Quality) -> Iterator[Bar]:
    for day, scores in quality.campaigns.items():
        yield Bar(f"campaigns, {day}: precision", scores.precision, None, 0.99)
        yield Bar(f"campaigns, {day}: recall", scores.recall, None, 0.95)
        yield Bar(f"campaigns, {day}: average precision", scores.average_precision, None, 0.98)
    if quality.accounts:
        day, first = next(iter(quality.accounts.items()))
        yield Bar(f"accounts, {day}: recall at FPR 0.3 %", first.recall_at_rate, None, 0.93)
        yield Bar(f"accounts, {day}: the same, up to 17.5 % campaign", mixed(first), None, 0.80)


def mixed(scores: AccountScores) -> float:
    """Return the recall at FPR 0.3 % over accounts of which at most 17.5 % is campaign traffic."""
    parts = [scores.by_mixing[name] for name in ("<=0.075", "0.075-0.175")]
    accounts = sum(part.accounts for part in parts)
    return (
        sum(part.accounts * part.recall_at_rate for part in parts if part.accounts) / accounts
        if accounts
        else math.nan
    )


def without_metadata(quality: Quality, earlier: Mapping[str, Any]) -> list[Bar]:
    """How much lower recall is than in an earlier run's JSON, in which the traffic had its metadata."""
    rows = [
        Bar(
            f"campaigns, {day}: recall lost without metadata",
            earlier["campaigns"][day]["recall"] - scores.recall,
            None,
            0.05,
            most=True,
        )
        for day, scores in quality.campaigns.items()
    ]
    for day, scores in list(quality.accounts.items())[:1]:
        lost = earlier["accounts"][day]["recall_at_rate"] - scores.recall_at_rate
        rows.append(Bar(f"accounts, {day}: recall lost without metadata", lost, None, 0.05, most=True))
    return rows


def _continuity(quality: Quality) -> Iterator[Bar]:
    for days, scores in quality.continuity.items():
        yield Bar(f"continuity, {days}: same id", scores.share_same, None, 0.97)
        yield Bar(f"continuity, {days}: id switches", float(scores.switched), None, 0.0, most=True)
