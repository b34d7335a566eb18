"""Searches of past traffic from a family's page: what it matches, and what an edit would gain and lose."""

from __future__ import annotations

from threading import Lock
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from fastapi import APIRouter, Depends
from starlette.responses import Response

from fingerprint.jobs.examples import examples
from fingerprint.jobs.hunt import HuntOptions, preview, stored_target
from fingerprint.service.console.base import PageRoute, Reader
from fingerprint.service.console.family import EditForm, edit_form, edited
from fingerprint.service.http.problems import Problem

router = APIRouter(route_class=PageRoute, include_in_schema=False)

MAX_SECONDS = 8.0
"""A search that takes longer stops after the batch it is at, and says so."""

MAX_ACCOUNTS = 8
"""Accounts listed: those with the most hits."""

MAX_EXAMPLES = 5
"""Requests that are shown, one an account."""

_busy = Lock()


@router.post("/families/{family_id}/hunt")
def hunt(visit: Reader, family_id: str, form: Annotated[EditForm, Depends(edit_form)]) -> Response:
    """Search the traffic that the operator keeps, for a family as it is and as the form has it."""
    config = visit.service.config
    if not config.history:
        raise Problem(404, "no past traffic to search: start the service with --history")
    if not _busy.acquire(blocking=False):
        raise Problem(503, "somebody else's search is running; try again in a few seconds")
    try:
        old = visit.store.signature(family_id)
        new = edited(visit, old, form)
        # one thread, for lookups go first; by text, for by meaning all of the traffic would have to be embedded
        by_meaning = new.kind != "template"
        options = HuntOptions(model=config.model, by_meaning=by_meaning, threads=1, top=MAX_ACCOUNTS)
        before = stored_target(config.home, family_id)
        after = before if new is old else stored_target(config.home, family_id, edited=new)
        result = preview(before, after, config.history, options, seconds=MAX_SECONDS)
    finally:
        _busy.release()
    senders = {name: _senders(hits) for name, hits in (("gained", result.gained), ("lost", result.lost))}
    values: dict[str, Any] = {"changed": new is not old, "senders": senders, "by_text": not by_meaning}
    return visit.render("parts/hunt.html", hunt=result, **values)


@router.post("/families/{family_id}/examples")
def show_examples(visit: Reader, family_id: str) -> Response:
    """Show requests of a family from the traffic that the operator keeps; the audit log says who looked."""
    config = visit.service.config
    if not config.history:
        raise Problem(404, "no past traffic to read: start the service with --history")
    if not _busy.acquire(blocking=False):
        raise Problem(503, "somebody else's search is running; try again in a few seconds")
    try:
        target = stored_target(config.home, family_id)
        by_meaning = target.signatures[0].kind != "template"
        options = HuntOptions(model=config.model, by_meaning=by_meaning, threads=1)
        rows = examples(target, config.history, options, most=MAX_EXAMPLES, seconds=MAX_SECONDS)
    finally:
        _busy.release()
    visit.store.access.record(visit.who.name, "examples.read", f"{family_id}/desk", {"requests": len(rows)})
    return visit.render("parts/examples.html", examples=rows)


def _senders(hits: pa.Table) -> int:
    return int(pc.count_distinct(hits.column("account_id")).as_py())
