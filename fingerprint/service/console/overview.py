"""Pages of the home as a whole: nights and the snapshot in use, and the log of actions."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from fingerprint.domain.results import NightReport
from fingerprint.service.console import charts
from fingerprint.service.console.base import MAX_ROWS, PageRoute, Reader

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/overview")
def show_overview(visit: Reader) -> Response:
    """Show the last nights, and the snapshot that answers lookups."""
    overview = visit.queries.overview()
    serving = visit.service.live.serving
    newest = overview.nights[0].batch_id if overview.nights else None
    snapshot = None
    if serving is not None:
        snapshot = {
            "id": serving.snapshot_id,
            "age_s": max(0.0, time.time() - serving.published),
            "revision": serving.revision,
            "behind": serving.matcher.snapshot.meta.get("night") != newest,
            "families": len(serving.matcher.families),
        }
    trends = [_trend(name, overview.nights[::-1]) for name in _TRENDS]
    return visit.render("overview.html", overview=overview, snapshot=snapshot, trends=trends, charts=charts)


@router.get("/log")
def log(visit: Reader) -> Response:
    """List the analysts' actions, each with a way to undo it."""
    params = visit.request.query_params
    words, before = params.get("words", "").strip().replace("\0", "")[:200], params.get("before", "")
    actions = visit.actions.history(
        words=words,
        before=int(before) if before.isascii() and before.isdigit() and len(before) < 10 else None,
        limit=MAX_ROWS + 1,
    )
    more = {"words": words, "before": actions[MAX_ROWS - 1].id} if len(actions) > MAX_ROWS else None
    return visit.render(
        "log.html",
        actions=actions[:MAX_ROWS],
        words=words,
        more=f"/log?{urlencode(more)}" if more else None,
    )


_TRENDS: dict[str, Callable[[NightReport], float]] = {
    "rows": lambda night: night.ingest.rows_read,
    "families": lambda night: night.families,
    "new families": lambda night: night.new_families,
    "flagged": lambda night: night.flagged,
    "rejected rows": lambda night: night.ingest.rejected,
    "seconds": lambda night: round(sum(night.seconds.values()), 1),
}


def _trend(name: str, nights: Sequence[NightReport]) -> tuple[str, list[float], list[str]]:
    """Return a trend's name, its values and their titles."""
    values = [_TRENDS[name](night) for night in nights]
    titles = [f"{night.started:%Y-%m-%d %H:%M}: {v:,.6g}" for night, v in zip(nights, values, strict=True)]
    return name, values, titles
