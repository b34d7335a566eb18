"""What commands print: tables, pages and summaries for people; JSON lines for programs."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from fingerprint.base.quantities import count_words
from fingerprint.cli.output.tables import Page, put, table
from fingerprint.cli.output.terminal import iso, json_line, plain
from fingerprint.domain.expected_precision import expected_precision, precision_words
from fingerprint.domain.results import IngestReport, Match, NightReport
from fingerprint.domain.rows import AccountRow, CampaignRow, Event, FamilyRow, LabelRow
from fingerprint.domain.signature import Segment, Signature, Slot, public_share
from fingerprint.domain.verdict_line import verdict_line
from fingerprint.domain.vocabulary import SLOT
from fingerprint.traffic.remote import label_of

if TYPE_CHECKING:
    from fingerprint.jobs.hunt import HuntReport
    from fingerprint.jobs.lookup import LookupReport

NO_TEXT = "(no shared text, only a shared meaning)"


def json_lines(rows: Iterable[object]) -> None:
    """Print each row as JSON on one line."""
    for row in rows:
        click.echo(json_line(row))


def result(
    rows: Iterable[object], for_people: Callable[[], object], *, as_json: bool, quiet: bool = False
) -> None:
    """Print rows as JSON lines, or call what prints them for people; quiet: that is left out."""
    if as_json:
        json_lines(rows)
    elif not quiet:
        for_people()


def families(rows: Sequence[FamilyRow]) -> None:
    """Print a table of families."""
    names = ("family", ">precision", "", "label", ">accounts", ">requests", "template")
    lines = (
        (
            r.family_id,
            precision_words(r.precision),
            _flag(r.flagged),
            r.label,
            r.accounts,
            r.requests,
            r.template or NO_TEXT,
        )
        for r in rows
    )
    table(names, lines, "no families")


def accounts(rows: Sequence[AccountRow]) -> None:
    """Print a table of accounts."""
    names = ("account", ">score", "", ">requests", ">families", "evidence")
    lines = (
        (r.account_id, _score(r.score), _flag(r.flagged), r.requests, len(r.families), _words(r))
        for r in rows
    )
    table(names, lines, "no assessed accounts")


def account(row: AccountRow) -> None:
    """Print all that is known of an account."""
    state = "flagged" if row.flagged else "not flagged"
    page = Page(f"account {row.account_id}: score {_score(row.score)}, {state}")
    page.fact("requests", f"{row.requests:,}")
    page.list("families", (("", family) for family in row.families))
    reasons = sorted(row.evidence, key=lambda r: -abs(r.contribution))
    page.list("why", ((f"{reason.contribution:+.2f}", reason.words) for reason in reasons))
    if row.departure is not None:
        words = "unlike honest traffic" if row.departed else "like honest traffic"
        page.fact("other traffic", f"{words}: MMD² {row.departure:.4f}{_q_value(row.departure_q)}")
    page.print()


def campaigns(rows: Sequence[CampaignRow]) -> None:
    """Print a table of campaigns, each with the template of its largest family."""
    names = (
        "campaign",
        "name",
        ">precision",
        "label",
        ">families",
        ">accounts",
        ">requests",
        "last seen",
        "largest template",
    )
    lines = (
        (
            r.campaign_id,
            r.name,
            precision_words(r.precision),
            r.label,
            len(r.families),
            r.accounts,
            r.requests,
            f"{r.last_seen:%Y-%m-%d}" if r.last_seen else None,
            r.templates[0] if r.templates and r.templates[0] else NO_TEXT,
        )
        for r in rows
    )
    table(names, lines, "no campaigns")


def campaign(row: CampaignRow) -> None:
    """Print all that is known of a campaign, its largest families first."""
    state = "flagged" if row.flagged else "not flagged"
    precision = precision_words(row.precision)
    page = Page(f"campaign {row.campaign_id}, {row.name}: expected precision {precision}, {state}")
    page.fact("label", row.label or "none yet")
    if row.first_seen is not None and row.last_seen is not None:
        page.fact("seen", f"{_time(row.first_seen)} to {_time(row.last_seen)}")
    page.fact("spread", f"{row.requests:,} requests from {row.accounts:,} accounts")
    templates = (_shortened(text) if text else NO_TEXT for text in row.templates)
    page.list("families", zip(row.families, templates, strict=True))
    page.print()


def nights(rows: Sequence[NightReport]) -> None:
    """Print a table of nights."""
    names = (
        "started",
        ">read",
        ">accepted",
        ">rejected",
        ">duplicate",
        ">distinct",
        ">families",
        ">new",
        ">flagged",
    )
    lines = (
        (
            _time(r.started),
            r.ingest.rows_read,
            r.ingest.accepted,
            r.ingest.rejected,
            r.ingest.duplicates,
            r.distinct_prompts,
            r.families,
            r.new_families,
            r.flagged,
            f"{sum(r.seconds.values()):.1f}",
        )
        for r in rows
    )
    table((*names, ">seconds"), lines, "no nights")


def night(report: NightReport, home: Path, assignments: str | None) -> None:
    """Print what a night found and what to do next; `home` and `assignments` (a path or URL) as the command took them."""
    read = report.ingest
    seconds = sum(report.seconds.values())
    page = Page(f"{read.rows_read:,} requests in {seconds:.1f} s ({_rate(read.rows_read, seconds)})")
    rows = f"{read.rows_read:,} read = {read.accepted:,} accepted + {read.rejected:,} rejected + {read.duplicates:,} duplicate"
    page.fact("rows", rows)
    if read.rejected:
        page.fact("rejected", _rejects(read))
    _warnings(page, read)
    page.fact(
        "prompts",
        f"{report.distinct_prompts:,} distinct in {report.conversations:,} conversations; "
        f"{report.assigned:,} requests belong to a family",
    )
    known = report.families - report.new_families
    page.fact(
        "families",
        f"{report.families:,}: {report.new_families:,} new, {known:,} seen before",
    )
    if report.flagged:
        page.fact(
            "flags",
            f"{report.flagged:,} families; about {report.expected_false_flags:.1f} of them are expected to be honest",
        )
    page.fact("time", " · ".join(f"{stage} {took:.1f} s" for stage, took in report.seconds.items()))
    if assignments is not None:
        page.fact("written", label_of(assignments))
    at = shlex.quote(str(home))
    page.fact("next", f"fingerprint families --home {at}{' --flagged' if report.flagged else ''}")
    page.fact("", f"fingerprint lookup NEW_TRAFFIC --home {at} --output matches.jsonl")
    page.print()


def lookup(report: LookupReport, output: str | None) -> None:
    """Print what a lookup did; on stderr when `output` is None, for the matches are on stdout then."""
    read = report.ingest
    others = report.matched - report.flagged
    page = Page(
        f"{read.accepted:,} requests looked up in {report.seconds:.1f} s ({_rate(read.accepted, report.seconds)}): "
        f"{report.flagged:,} matched a flagged family ({_share(report.flagged, read.accepted)}), "
        f"{others:,} another one ({_share(others, read.accepted)})"
    )
    _left_out(page, read)
    if output is not None:
        page.fact("written", label_of(output))
    page.print(error=output is None)


def stale(words: str | None) -> None:
    """Say on stderr why lookups are answered from an older snapshot, if they are."""
    if words is not None:
        click.echo(f"fingerprint: {plain(words)}", err=True)


def hunt(report: HuntReport, output: str | None, *, error: bool = False) -> None:
    """Print what a hunt found; `error`: on stderr, because the hits are on stdout."""
    read = report.ingest
    page = Page(
        f"{read.accepted:,} requests searched in {report.seconds:.1f} s ({_rate(read.accepted, report.seconds)}): "
        f"{report.hits:,} of family {report.family_id} ({_share(report.hits, read.accepted)})"
    )
    if report.first_seen is not None and report.last_seen is not None:
        page.fact("seen", f"{_time(report.first_seen)} to {_time(report.last_seen)}")
        page.fact("spread", f"{report.hits:,} requests from {report.accounts:,} accounts")
    days = report.per_day.items()
    page.list("days", ((d, f"{n.requests:>9,} requests  {n.accounts:>7,} accounts") for d, n in days))
    page.list(
        "accounts",
        (
            (a.account_id, f"{a.requests:>9,} requests  {_time(a.first_seen)} to {_time(a.last_seen)}")
            for a in report.top
        ),
    )
    _left_out(page, read)
    if output is not None:
        page.fact("written", label_of(output))
    page.print(error=error)


def match(answer: Match) -> None:
    """Print one explained match in plain words."""
    if answer.candidate_id is None:
        put(Text("no match: the prompt shares neither text nor meaning with any stored family"))
        return
    needed = f"score {answer.score:.3f}, threshold {answer.threshold or 0.0:.3f}"
    nearest = f"no match: the nearest family is {answer.candidate_id}"
    page = Page(f"{nearest if answer.family_id is None else f'match: family {answer.family_id}'} ({needed})")
    if answer.label:
        page.fact("label", answer.label)
    if answer.campaign_id:
        page.fact("campaign", answer.campaign_id)
    if answer.coverage is not None:
        page.fact(
            "text",
            f"contains {answer.coverage:.0%} of the template's text; rare phrases weigh more than common ones",
        )
    for other in answer.also:
        page.fact("also", f"family {other.family_id} (score {other.score:.3f})")
    if answer.known_sender:
        page.fact("account", "has sent this family before, which raises the score")
    if answer.similarity:
        page.fact("meaning", f"mean cosine {answer.similarity:.2f} to the template's sentences")
    page.list("segments", ((f"{hit.coverage:.0%}", f"“{_shortened(hit.text)}”") for hit in answer.segments))
    page.list("slots", ((str(number), _shortened(slot)) for number, slot in enumerate(answer.slots, 1)))
    page.print()


def family(signature: Signature, labels: Sequence[LabelRow], events: Sequence[tuple[str, Event]]) -> None:
    """Print all that is known of a family; labels and events (each with its night's batch) oldest first."""
    spread, stamp = signature.spread, signature.stamp
    state = "flagged as a campaign" if signature.flagged else "not flagged"
    precision = precision_words(expected_precision(signature.score))
    page = Page(f"family {signature.family_id}: expected precision {precision}, {state}")
    page.fact("verdict", verdict_line(signature.reasons, spread.accounts, flagged=signature.flagged))
    page.fact("label", signature.label or "none yet")
    if signature.campaign_id:
        page.fact("campaign", signature.campaign_id)
    page.fact("seen", f"{_time(spread.first_seen)} to {_time(spread.last_seen)}")
    page.fact("spread", f"{spread.requests:,} requests from {spread.accounts:,} accounts")
    page.list(
        "days",
        (
            (day, f"{n.requests:>9,} requests  {n.accounts:>7,} accounts")
            for day, n in sorted(spread.per_day.items())
        ),
    )
    for name, words in signature.profile.facts() if signature.profile is not None else ():
        page.fact(name, words)
    page.fact(
        "matches",
        f"a score of {signature.threshold:.3f} or more; compares {len(signature.grams):,} phrases "
        f"and the meaning of {count_words(len(signature.prototypes), 'sentence')}",
    )
    if public := public_share(signature):
        page.fact("", f"{public:.0%} of its text is public: others send it, too, and it does not count")
    page.fact(
        "signature",
        f"version {signature.version}; normaliser {stamp.normaliser}, n-grams {stamp.shingle}, model {stamp.model}",
    )
    parts = signature.template.parts
    page.list("template", (_part(part) for part in parts) if parts else [("", NO_TEXT)])
    reasons = sorted(signature.reasons, key=lambda r: -abs(r.contribution))
    page.list("why", ((f"{reason.contribution:+.2f}", reason.words) for reason in reasons))
    page.list("labels", ((_time(row.at), _labelled(row)) for row in labels))
    page.list("events", ((batch[:12], _event(event)) for batch, event in events))
    page.print()


def label(row: LabelRow, *, published: bool) -> None:
    """Print a label just given; `published`: lookups know it already."""
    word = "label withdrawn" if row.label is None else f"labelled {row.label}"
    campaign = f", campaign {row.campaign_id}" if row.campaign_id else ""
    later = "" if published else "; lookups see it when the job now running on this home has ended"
    click.echo(plain(f"{row.family_id}: {word} by {row.by}{campaign}{later}"))


def renamed(row: CampaignRow, by: str) -> None:
    """Print that a campaign has a new name."""
    click.echo(plain(f"{row.campaign_id}: named {row.name} by {by}"))


def _left_out(page: Page, read: IngestReport) -> None:
    if read.rejected or read.duplicates:
        page.fact(
            "left out",
            f"{read.rejected:,} rejected and {read.duplicates:,} duplicate of {read.rows_read:,} rows read",
        )
    if read.rejected:
        page.fact("rejected", _rejects(read))
    _warnings(page, read)


def _warnings(page: Page, read: IngestReport) -> None:
    for warning in read.warnings:
        page.fact("warning", warning.words)


def _rejects(read: IngestReport) -> str:
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in read.reasons.items())
    return f"{reasons}; listed in {read.rejects_path}" if read.rejects_path else reasons


def _part(part: Segment | Slot) -> tuple[str, str]:
    if isinstance(part, Segment):
        return part.where, part.text
    length = f"{part.shortest:,}" if part.shortest == part.longest else f"{part.shortest:,}–{part.longest:,}"
    return SLOT, f"{part.kind}, {part.count} different, {length} characters"


def _labelled(row: LabelRow) -> str:
    word = "withdrawn" if row.label is None else row.label
    campaign = f", campaign {row.campaign_id}" if row.campaign_id else ""
    return f"{word} by {row.by}{campaign}{f': {row.reason}' if row.reason else ''}"


def _event(event: Event) -> str:
    detail = ", ".join(f"{key} {value}" for key, value in event.detail.items())
    return f"{event.kind}: {detail}" if detail else event.kind


def _q_value(q: float | None) -> str:
    return "" if q is None else f", q-value {q:.3g}"


def _shortened(text: str, most: int = 160) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _words(row: AccountRow) -> str:
    return "; ".join(reason.words for reason in row.evidence)


def _flag(flagged: bool) -> str:
    return "flagged" if flagged else ""


def _score(score: float) -> str:
    return f"{score:.3f}"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "0.0%"


def _rate(count: int, seconds: float) -> str:
    return f"{count / seconds:,.0f}/s" if seconds else "instantly"


def _time(time: datetime) -> str:
    return iso(time.replace(microsecond=0))
