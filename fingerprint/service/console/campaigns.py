"""Pages of campaigns, and the export of one."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import numpy as np
from fastapi import APIRouter, Form
from starlette.responses import Response

from fingerprint.domain.casework import ActionRow, CaseAction, CaseWord
from fingerprint.domain.errors import NotFound, UsageError
from fingerprint.domain.rows import Event
from fingerprint.domain.verdict_line import campaign_verdict
from fingerprint.domain.vocabulary import DEFAULT_TLP
from fingerprint.service.console import charts
from fingerprint.service.console.base import MAX_ROWS, PageRoute, Reader, Visit, Writer
from fingerprint.service.console.facts import facts_of
from fingerprint.sharing import exports
from fingerprint.sharing.formats import FORMATS
from fingerprint.sharing.rules import Terms
from fingerprint.store.cursors import Cursor

router = APIRouter(route_class=PageRoute, include_in_schema=False)

MAX_CHARTED = 16
"""Families of a campaign that its charts show: those of most requests."""

MAX_PEEKED = 6
"""Families of a campaign that its short form shows."""


@router.get("/campaigns")
def campaigns(visit: Reader) -> Response:
    """List campaigns, the highest score first, those whose id, name or template holds some words."""
    params = visit.request.query_params
    words, after = params.get("words", "").strip()[:200], params.get("after")
    rows = visit.store.campaigns(
        words=words, after=None if after is None else Cursor.read(after), limit=MAX_ROWS + 1
    )
    end = rows[MAX_ROWS - 1] if len(rows) > MAX_ROWS else None
    more = {"words": words, "after": str(Cursor(end.score, end.campaign_id))} if end else None
    return visit.render(
        "campaigns.html",
        rows=rows[:MAX_ROWS],
        words=words,
        more=f"/campaigns?{urlencode(more)}" if more else None,
    )


@router.get("/campaigns/{campaign_id}")
def campaign(visit: Reader, campaign_id: str) -> Response:
    """Show a campaign as a case: its families, the accounts they share, and what was done about it."""
    try:
        row = visit.store.campaign(campaign_id)
    except NotFound:
        title = visit.queue.campaigns().get(campaign_id)
        if title is None:
            raise
        return visit.render(
            "campaign_empty.html",
            campaign_id=campaign_id,
            title=title,
            case=visit.cases.case(campaign_id),
            actions=_history(visit, campaign_id),
        )
    shown = row.families[:MAX_CHARTED]
    pools = visit.queries.pools(shown)
    signatures = visit.store.signatures_of(row.families[:MAX_ROWS])
    return visit.render(
        "campaign.html",
        campaign=row,
        case=visit.cases.case(campaign_id),
        verdict=campaign_verdict(
            [(s.reasons, s.spread.requests) for s in signatures], row.accounts, flagged=row.flagged
        ),
        facts=facts_of(signatures),
        rows=visit.queue.families(row.families[:MAX_ROWS]),
        heat=visit.queries.heat(shown),
        pools=pools,
        line=visit.queries.timeline(list(row.families)),
        lanes=_lanes(visit, shown),
        events=_events(visit, row.families),
        history=_history(visit, campaign_id),
        campaigns=visit.queue.campaigns(),
        formats=FORMATS,
        charts=charts,
    )


@router.get("/campaigns/{campaign_id}/peek")
def peek(visit: Reader, campaign_id: str) -> Response:
    """Show the short form beside the queue."""
    row = visit.store.campaign(campaign_id)
    rows = visit.queue.families(row.families[:MAX_PEEKED])
    signatures = visit.store.signatures_of(row.families[:MAX_PEEKED])
    verdict = campaign_verdict(
        [(s.reasons, s.spread.requests) for s in signatures], row.accounts, flagged=row.flagged
    )
    case = visit.cases.case(campaign_id)
    return visit.render("parts/campaign_peek.html", campaign=row, rows=rows, verdict=verdict, case=case)


@router.post("/campaigns/{campaign_id}/act")
def act(
    visit: Writer,
    campaign_id: str,
    what: Annotated[CaseWord, Form()],
    expected: Annotated[int | None, Form()] = None,
    reason: Annotated[str, Form()] = "",
    name: Annotated[str, Form()] = "",
    to: Annotated[str, Form()] = "",
    text: Annotated[str, Form()] = "",
    into: Annotated[str, Form()] = "",
    family: Annotated[list[str], Form()] = [],  # noqa: B006  FastAPI copies it
) -> Response:
    """Do one thing to a campaign as a whole."""
    action = CaseAction(
        do=what,
        reason=reason.strip() or None,
        name=name,
        to=to.strip() or None,
        text=text,
        into=into.strip() or None,
        families=tuple(family),
    )
    did = visit.cases.do(campaign_id, action, by=visit.who.name, expected=expected)
    visit.service.changed()
    where, here = visit.store.signature(did.families[0]).campaign_id if did.families else None, campaign_id
    if what == "merge" and where is not None:
        here, where = where, None
    led_to = f"?led_to={quote(where, safe='')}" if where not in (None, here) else ""
    return visit.back(f"/campaigns/{quote(here, safe='')}{led_to}", did.id)


def _history(visit: Visit, campaign_id: str) -> list[ActionRow]:
    """Return what people did to a campaign as a whole, the latest first."""
    return visit.actions.history(f"campaign/{campaign_id}")


@router.get("/campaigns/{campaign_id}/export")
def export(visit: Reader, campaign_id: str) -> Response:
    """Give a campaign's signatures as a file; `format` is one of FORMATS."""
    wanted = visit.request.query_params.get("format", "json")
    format_ = next((row for row in FORMATS.values() if row.name == wanted), None)
    if format_ is None:
        raise UsageError(f"one of {', '.join(FORMATS)} expected, {wanted} found")
    store = visit.store
    row = store.campaign(campaign_id)
    choice, terms = exports.FamilyChoice(ids=row.families), Terms(DEFAULT_TLP, visit.who.name)
    made = exports.export(store.signatures(), store.last_changes(), choice, format_.name, terms)
    name = "".join(c for c in campaign_id if c.isascii() and (c.isalnum() or c in "-_")) or "campaign"
    headers = {"Content-Disposition": f'attachment; filename="{name}{format_.suffix}"'}
    return Response(made.content, media_type=format_.media_type, headers=headers)


def _lanes(visit: Visit, families: tuple[str, ...]) -> Any:
    """Draw the requests of families by day, with their events."""
    lines = visit.queries.timelines(families)
    days = sorted({at.date() for line in lines.values() for at in line.starts})
    counts = np.zeros((len(families), len(days)), np.int64)
    for row, family in enumerate(families):
        for at, n in zip(lines[family].starts, lines[family].requests, strict=True):
            counts[row, days.index(at.date())] = n
    events: dict[str, list[tuple[date, Event]]] = {}
    for family, day, event in _dated_events(visit, families):
        events.setdefault(family, []).append((day, event))
    return charts.lanes(families, days, counts, events)


def _events(visit: Visit, families: tuple[str, ...]) -> list[tuple[date, str, str]]:
    """Return the events of families in words, the latest first."""
    dated = _dated_events(visit, families)
    return sorted(((day, family, charts.event_words(event)) for family, day, event in dated), reverse=True)


def _dated_events(visit: Visit, families: tuple[str, ...]) -> list[tuple[str, date, Event]]:
    """Return the events of families, each with the last day of traffic of the night that found it."""
    days = visit.queries.last_days()
    return [
        (family, days[batch], event)
        for family in families
        for batch, event in visit.store.events(family)
        if batch in days
    ]
