"""What `report` prints for people, and the news that `nightly` ends with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from fingerprint.base.quantities import bytes_words, count_words
from fingerprint.cli.output.tables import Page
from fingerprint.cli.output.terminal import plain
from fingerprint.domain.expected_precision import precision_words
from fingerprint.domain.morning_report import (
    Listed,
    MorningReport,
    ReportedAccount,
    ReportedCampaign,
    ReportedFamily,
)

MOST_PRINTED, MOST_NEWS = 12, 8
"""Rows of a list that the terminal shows, and names that a night ends with; --json and --html have more."""


def report(made: MorningReport, html: Path | None) -> None:
    """Print a report; html: the file that has it, which is named instead."""
    if html is not None:
        click.echo(plain(f"{html}: {bytes_words(html.stat().st_size)}"))
        return
    night = made.night
    page = Page(f"{'last night' if made.is_last else 'an earlier night'}: traffic of {_traffic(made)}")
    for warning in made.warnings:
        page.fact("warning", warning.words)
    page.fact(
        "flags", f"{_new(made)}; {night.flagged:,} in all, {night.expected_false_flags:.1f} expected honest"
    )
    page.list("families", _families(made.families))
    page.list("campaigns", _campaigns(made.campaigns, usual=False))
    page.list("grown", _campaigns(made.grown, usual=True))
    quiet = [
        (
            precision_words(c.precision),
            f"{c.name} ({c.campaign_id}): usually {c.usual:,.0f} requests, last seen {c.last_seen:%Y-%m-%d %H:%M}",
        )
        for c in made.quiet.rows[:MOST_PRINTED]
    ]
    page.list("gone quiet", _cut(quiet, made.quiet.total))
    pivots = [("", f"{p.name} ({p.family_id}) → {p.to_name} ({p.to_family_id})") for p in made.pivots.rows]
    page.list("pivoted", _cut(pivots, made.pivots.total))
    page.list("cleared", _families(made.cleared))
    page.fact(
        "accounts",
        f"{made.accounts.total:,} sent {made.in_flagged:,} requests of flagged families, "
        f"{made.new_accounts:,} of them for the first time",
    )
    page.list("", _cut([_account(row) for row in made.accounts.rows], made.accounts.total))
    page.list("volumes", _volumes(made))
    page.fact("cost", _cost(made))
    grown = made.grown_bytes
    since = (
        "" if grown is None else f", {bytes_words(abs(grown))} {'more' if grown >= 0 else 'less'} than before"
    )
    parts = ", ".join(f"{part} {bytes_words(size)}" for part, size in made.home_bytes.items())
    page.fact("home", f"{bytes_words(sum(made.home_bytes.values()))}{since}: {parts}")
    page.print()


def news(made: MorningReport) -> None:
    """Print by name what a night newly flagged, or nothing."""
    if not made.families.total:
        return
    page = Page(f"newly flagged: {_new(made)}")
    page.list("families", _families(made.families, most=MOST_NEWS))
    page.list("campaigns", _campaigns(made.campaigns, usual=False, most=MOST_NEWS))
    page.print()


def _traffic(made: MorningReport) -> str:
    first, last = made.night.first_request, made.night.last_request
    if first is None or last is None:
        return f"an unknown day, worked {made.night.started:%Y-%m-%d %H:%M} UTC"
    return f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC, worked {made.night.started:%Y-%m-%d %H:%M}"


def _new(made: MorningReport) -> str:
    families = count_words(made.families.total, "new family", "new families")
    campaigns = count_words(made.campaigns.total, "campaign")
    return (
        f"{families} of {campaigns}, {made.new_campaigns:,} of them new"
        if made.families.total
        else "nothing new"
    )


def _families(listed: Listed[ReportedFamily], most: int = MOST_PRINTED) -> list[tuple[str, str]]:
    rows = [
        (precision_words(f.precision), f"{f.name} ({f.family_id}{_of(f)}): {f.verdict}")
        for f in listed.rows[:most]
    ]
    return _cut(rows, listed.total, most)


def _of(family: ReportedFamily) -> str:
    return f" of {family.campaign_name}" if family.campaign_name else ""


def _campaigns(
    listed: Listed[ReportedCampaign], *, usual: bool, most: int = MOST_PRINTED
) -> list[tuple[str, str]]:
    rows = []
    for c in listed.rows[:most]:
        sent = f"{c.tonight:,} requests" + (f", usually {c.usual:,.0f}" if usual else "")
        new = f", {c.newly_flagged} of {c.families} families new" if c.newly_flagged else ""
        words = f"{c.name} ({c.campaign_id}): {sent} from {c.accounts_tonight:,} accounts{new}"
        rows.append((precision_words(c.precision), words))
    return _cut(rows, listed.total, most)


def _account(row: ReportedAccount) -> tuple[str, str]:
    more = f" and {len(row.campaigns) - 2} more" if len(row.campaigns) > 2 else ""
    first = ", for the first time" if row.newly else ""
    of = f"{row.in_flagged:,} of {row.requests:,} requests"
    return f"{row.share:.0%}", f"{row.account_id}: {of}, {'; '.join(row.campaigns[:2])}{more}{first}"


def _volumes(made: MorningReport) -> list[tuple[str, str]]:
    return [
        (
            f"{v.first_request or v.started:%Y-%m-%d}",
            f"{v.accepted:>11,} requests  {v.in_flagged:>9,} in flagged  {v.accounts:>9,} accounts  {v.flagged:>5,} flagged",
        )
        for v in made.volumes
    ]


def _cost(made: MorningReport) -> str:
    night = made.night
    seconds, cpu = sum(night.seconds.values()), sum(night.cpu_seconds.values())
    spent = [f"{seconds:,.1f} s"]
    if cpu:
        spent.append(f"{cpu:,.1f} s of processor time")
    if night.peak_memory:
        spent.append(f"at most {bytes_words(night.peak_memory)} of memory")
    stages = " · ".join(f"{stage} {took:.1f} s" for stage, took in night.seconds.items())
    return f"{', '.join(spent)}: {stages}"


def _cut(rows: Sequence[tuple[str, str]], total: int, most: int = MOST_PRINTED) -> list[tuple[str, str]]:
    """Keep the first rows, and say how many more there are."""
    kept = list(rows[:most])
    return kept if total <= len(kept) else [*kept, ("", f"and {total - len(kept):,} more")]
