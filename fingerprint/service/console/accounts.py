"""Pages of accounts."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from fingerprint.domain.errors import NotFound
from fingerprint.domain.rows import AccountRow
from fingerprint.service.console import charts
from fingerprint.service.console.base import MAX_ROWS, PageRoute, Reader

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/accounts")
def accounts(visit: Reader) -> Response:
    """List assessed accounts, or go to the one whose id was typed."""
    typed = visit.request.query_params.get("account", "").strip()
    if typed:
        return visit.back(f"/accounts/{typed}")
    only = visit.request.query_params.get("only", "")
    rows = visit.store.accounts(
        flagged=only == "flagged" or None, departed=only == "departed", limit=MAX_ROWS
    )
    return visit.render("accounts.html", rows=rows, only=only, most=MAX_ROWS)


@router.get("/accounts/{account_id:path}")
def account(visit: Reader, account_id: str) -> Response:
    """Show an account: its families over time, and the evidence against it."""
    days = visit.queries.account_days(account_id)
    try:
        row: AccountRow | None = visit.store.account(account_id)
    except NotFound:
        if not days.days:
            raise
        row = None
    families = {r.family.family_id: r for r in visit.queue.families(days.families)}
    return visit.render(
        "account.html",
        account_id=account_id,
        row=row,
        days=days,
        in_families=days.requests.sum(axis=0).tolist(),
        of_family=days.requests.sum(axis=1).tolist(),
        families=families,
        charts=charts,
    )
