"""Two families side by side."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from fingerprint.assessment.campaign_names import family_name
from fingerprint.casework.similar import differences
from fingerprint.domain.errors import NotFound
from fingerprint.domain.verdict_line import verdict_line
from fingerprint.service.console import charts
from fingerprint.service.console.base import PageRoute, Reader, Visit
from fingerprint.service.console.facts import facts_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

MAX_ACCOUNTS = 20
"""Accounts that each of the two heat maps shows."""


@router.get("/compare")
def compare(visit: Reader) -> Response:
    """Compare families `a` and `b`: text, verdicts, evidence, accounts."""
    params = visit.request.query_params
    ids = [params.get(side, "").strip() for side in ("a", "b")]
    if not all(ids):
        return visit.render("compare.html", sides=[], ids=ids)
    sides = [_side(visit, family_id) for family_id in ids]
    mine, theirs = (side["signature"] for side in sides)
    pools = visit.queries.pools(list(dict.fromkeys(ids)))
    names = sorted({r.name for s in (mine, theirs) for r in s.reasons if r.contribution})
    evidence = [
        (name, *(next((r for r in s.reasons if r.name == name), None) for s in (mine, theirs)))
        for name in names
    ]
    return visit.render(
        "compare.html",
        ids=ids,
        sides=sides,
        pieces=differences(mine.template, theirs.template),
        shared=int(pools.shared[0, -1]),
        evidence=evidence,
        charts=charts,
    )


def _side(visit: Visit, family_id: str) -> dict[str, Any]:
    signature = visit.store.signature(family_id)
    for row in visit.queue.families([family_id]):
        return {
            "signature": signature,
            "row": row,
            "title": family_name(signature),
            "verdict": verdict_line(signature.reasons, signature.spread.accounts, flagged=signature.flagged),
            "facts": facts_of([signature]),
            "heat": visit.queries.heat([family_id], most=MAX_ACCOUNTS),
        }
    raise NotFound(f"no family {family_id} that is still listed")
