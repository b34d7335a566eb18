"""Searching kept traffic from a family's page: what it matches, and what an edit would gain and lose."""

from __future__ import annotations

from threading import Lock
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from fastapi import APIRouter, Form
from starlette.responses import Response

from fingerprint.jobs.hunt import HuntOptions, preview, stored_target
from fingerprint.service.console.base import PageRoute, Reader
from fingerprint.service.console.family import Numbers, Texts, edited
from fingerprint.service.http.problems import Problem

router = APIRouter(route_class=PageRoute, include_in_schema=False)

SECONDS = 8.0
"""After which a search reads no further batch; it says so then."""

MOST_ACCOUNTS = 8

_busy = Lock()


@router.post("/families/{family_id}/hunt")
def hunt(
    visit: Reader,
    family_id: str,
    threshold: Annotated[float, Form()],
    segment: Texts = [],  # noqa: B006  FastAPI copies it
    drop: Numbers = [],  # noqa: B006
) -> Response:
    """Search the traffic that the operator keeps, for a family as it is and as a form changes it."""
    config = visit.service.config
    if not config.history:
        raise Problem(404, "no kept traffic to search: start the service with --history")
    if not _busy.acquire(blocking=False):
        raise Problem(503, "somebody else's search is running; try again in a few seconds")
    try:
        old = visit.store.signature(family_id)
        new = edited(visit, old, threshold, segment, drop)
        # one thread, for lookups go first; by text, as meaning would be embedding all of the traffic
        by_meaning = new.kind == "topical"
        options = HuntOptions(model=config.model, by_meaning=by_meaning, threads=1, top=MOST_ACCOUNTS)
        before = stored_target(config.home, family_id)
        after = before if new is old else stored_target(config.home, family_id, edited=new)
        found = preview(before, after, config.history, options, seconds=SECONDS)
    finally:
        _busy.release()
    senders = {name: _senders(hits) for name, hits in (("gained", found.gained), ("lost", found.lost))}
    values: dict[str, Any] = {"changed": new is not old, "senders": senders, "by_text": not by_meaning}
    return visit.render("parts/found.html", found=found, **values)


def _senders(hits: pa.Table) -> int:
    return int(pc.count_distinct(hits.column("account_id")).as_py())
