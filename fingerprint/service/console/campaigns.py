"""Pages of campaigns, nights and the index of the home."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import numpy as np
from fastapi import APIRouter
from starlette.responses import Response

from fingerprint.domain.errors import UsageError
from fingerprint.domain.results import NightReport
from fingerprint.domain.rows import Event
from fingerprint.domain.vocabulary import DEFAULT_TLP, EXPORT_FORMATS
from fingerprint.service.console import charts
from fingerprint.service.console.base import MOST, PageRoute, Reader, Visit
from fingerprint.sharing import exports
from fingerprint.sharing.rules import Terms

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_FILES = {
    "json": (".jsonl", "application/jsonl"),
    "stix": (".stix.json", "application/stix+json"),
    "misp": (".misp.json", "application/json"),
    "nova": (".nov", "text/plain"),
    "yara": (".yar", "text/plain"),
}

MOST_FAMILIES = 16
"""Families of a campaign that its charts show: those of most requests."""


@router.get("/campaigns")
def campaigns(visit: Reader) -> Response:
    """List campaigns."""
    return visit.render("campaigns.html", rows=visit.store.campaigns(limit=MOST))


@router.get("/campaigns/{campaign_id}")
def campaign(visit: Reader, campaign_id: str) -> Response:
    """Show a campaign: its families, their pools and what became of them."""
    row = visit.store.campaign(campaign_id)
    shown = row.families[:MOST_FAMILIES]
    pools = visit.dossier.pools(shown)
    return visit.render(
        "campaign.html",
        campaign=row,
        rows=visit.worklist.families(row.families[:MOST]),
        pools=pools,
        line=visit.dossier.timeline(list(row.families)),
        lanes=_lanes(visit, shown),
        events=_events(visit, row.families),
        formats=EXPORT_FORMATS,
        charts=charts,
    )


@router.get("/campaigns/{campaign_id}/export")
def export(visit: Reader, campaign_id: str) -> Response:
    """Give a campaign's signatures as a file; `format` is one of EXPORT_FORMATS."""
    asked = visit.request.query_params.get("format", "json")
    format_ = next((f for f in EXPORT_FORMATS if f == asked), None)
    if format_ is None:
        raise UsageError(f"one of {', '.join(EXPORT_FORMATS)} expected, {asked} found")
    store = visit.store
    row = store.campaign(campaign_id)
    choice, terms = exports.FamilyChoice(ids=row.families), Terms(DEFAULT_TLP, visit.who.name)
    made = exports.export(store.signatures(), store.last_changes(), choice, format_, terms)
    name = "".join(c for c in campaign_id if c.isascii() and (c.isalnum() or c in "-_")) or "campaign"
    ending, kind = _FILES[format_]
    headers = {"Content-Disposition": f'attachment; filename="{name}{ending}"'}
    return Response(made.content, media_type=kind, headers=headers)


@router.get("/overview")
def overview(visit: Reader) -> Response:
    """Show the last nights and the state of the snapshot that answers lookups."""
    seen = visit.dossier.overview()
    serving = visit.service.live.serving
    newest = seen.nights[0].batch_id if seen.nights else None
    snapshot = None
    if serving is not None:
        snapshot = {
            "id": serving.snapshot_id,
            "age_s": max(0.0, time.time() - serving.published),
            "revision": serving.revision,
            "behind": serving.matcher.snapshot.meta.get("night") != newest,
            "families": len(serving.matcher.families),
        }
    trends = [_trend(name, seen.nights[::-1]) for name in _TRENDS]
    return visit.render("overview.html", seen=seen, snapshot=snapshot, trends=trends, charts=charts)


@router.get("/log")
def log(visit: Reader) -> Response:
    """List what analysts did, each with its undo."""
    return visit.render("log.html", actions=visit.desk.actions(limit=200))


_TRENDS: dict[str, Callable[[NightReport], float]] = {
    "rows": lambda night: night.ingest.rows_read,
    "families": lambda night: night.families,
    "new families": lambda night: night.new_families,
    "flagged": lambda night: night.flagged,
    "rejected rows": lambda night: night.ingest.rejected,
    "seconds": lambda night: round(sum(night.seconds.values()), 1),
}


def _trend(name: str, nights: Sequence[NightReport]) -> tuple[str, list[float], list[str]]:
    """Return a trend's name, its values and their words."""
    values = [_TRENDS[name](night) for night in nights]
    words = [f"{night.started:%Y-%m-%d %H:%M}: {v:,.6g}" for night, v in zip(nights, values, strict=True)]
    return name, values, words


def _lanes(visit: Visit, families: tuple[str, ...]) -> Any:
    """Draw the families' days with their events."""
    lines = visit.dossier.timelines(families)
    days = sorted({at.date() for line in lines.values() for at in line.starts})
    counts = np.zeros((len(families), len(days)), np.int64)
    for row, family in enumerate(families):
        for at, n in zip(lines[family].starts, lines[family].requests, strict=True):
            counts[row, days.index(at.date())] = n
    happened: dict[str, list[tuple[date, Event]]] = {}
    for family, day, event in _dated(visit, families):
        happened.setdefault(family, []).append((day, event))
    return charts.lanes(families, days, counts, happened)


def _events(visit: Visit, families: tuple[str, ...]) -> list[tuple[date, str, str]]:
    dated = _dated(visit, families)
    return sorted(((day, family, charts.told(event)) for family, day, event in dated), reverse=True)


def _dated(visit: Visit, families: tuple[str, ...]) -> list[tuple[str, date, Event]]:
    """Return what happened to families, by the last day of traffic of the night that told it."""
    days = visit.dossier.last_days()
    return [
        (family, days[batch], event)
        for family in families
        for batch, event in visit.store.events(family)
        if batch in days
    ]
