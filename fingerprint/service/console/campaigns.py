"""Pages of campaigns, and the export of one."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
from fastapi import APIRouter
from starlette.responses import Response

from fingerprint.domain.errors import UsageError
from fingerprint.domain.rows import Event
from fingerprint.domain.vocabulary import DEFAULT_TLP
from fingerprint.service.console import charts
from fingerprint.service.console.base import MAX_ROWS, PageRoute, Reader, Visit
from fingerprint.sharing import exports
from fingerprint.sharing.formats import FORMATS
from fingerprint.sharing.rules import Terms

router = APIRouter(route_class=PageRoute, include_in_schema=False)

MAX_CHARTED = 16
"""Families of a campaign that its charts show: those of most requests."""


@router.get("/campaigns")
def campaigns(visit: Reader) -> Response:
    """List campaigns."""
    return visit.render("campaigns.html", rows=visit.store.campaigns(limit=MAX_ROWS))


@router.get("/campaigns/{campaign_id}")
def campaign(visit: Reader, campaign_id: str) -> Response:
    """Show a campaign: its families, the accounts they share, and their events."""
    row = visit.store.campaign(campaign_id)
    shown = row.families[:MAX_CHARTED]
    pools = visit.queries.pools(shown)
    return visit.render(
        "campaign.html",
        campaign=row,
        rows=visit.queue.families(row.families[:MAX_ROWS]),
        pools=pools,
        line=visit.queries.timeline(list(row.families)),
        lanes=_lanes(visit, shown),
        events=_events(visit, row.families),
        formats=FORMATS,
        charts=charts,
    )


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
