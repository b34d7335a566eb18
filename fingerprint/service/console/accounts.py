"""Pages of accounts."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.responses import Response

from fingerprint.domain.errors import NotFound
from fingerprint.domain.rows import AccountRow
from fingerprint.domain.vocabulary import AccountSort
from fingerprint.service.console import charts
from fingerprint.service.console.base import MAX_ROWS, PageRoute, Reader, account_page
from fingerprint.store.cursors import Cursor

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/accounts")
def accounts(visit: Reader) -> Response:
    """List assessed accounts, those whose ids begin with what was typed; one that is typed in full is opened."""
    params = visit.request.query_params
    typed = params.get("account", "").strip().replace("\0", "")
    only = params.get("only", "")
    sort: AccountSort = "requests" if params.get("sort") == "requests" else "score"
    after = params.get("after")
    rows = visit.store.accounts(
        flagged=only == "flagged" or None,
        departed=only == "departed",
        relay=only == "relay",
        prefix=typed,
        sort=sort,
        limit=MAX_ROWS + 1,
        after=None if after is None else Cursor.read(after),
    )
    if typed and (not rows or (len(rows) == 1 and rows[0].account_id == typed)):
        return visit.back(account_page(typed))
    end = rows[MAX_ROWS - 1] if len(rows) > MAX_ROWS else None
    asked = {name: value for name, value in (("only", only), ("account", typed), ("sort", sort)) if value}
    token = None if end is None else str(Cursor(float(getattr(end, sort)), end.account_id))
    return visit.render(
        "accounts.html",
        rows=rows[:MAX_ROWS],
        only=only,
        typed=typed,
        sort=sort,
        sorted_by=lambda name: f"/accounts?{urlencode({**asked, 'sort': name})}",
        more=f"/accounts?{urlencode({**asked, 'after': token})}" if token else None,
    )


@router.get("/accounts/{account_id:path}")
def moved(visit: Reader, account_id: str) -> Response:
    """Lead links of reports that were mailed earlier to the page of an account."""
    return visit.back(account_page(account_id))


@router.get("/account")
def account(visit: Reader, account_id: Annotated[str, Query(alias="id", pattern=r"^[^\x00]*$")]) -> Response:
    """Show an account: its families over time, and the evidence against it.

    Its id is no part of the path: browsers take `.` and `..` out of paths, and routes have no line breaks.
    """
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
