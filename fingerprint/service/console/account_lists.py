"""Pages of all accounts of a family or campaign: the list that accounts are suspended from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter
from starlette.responses import Response

from fingerprint.assessment.campaign_names import family_name
from fingerprint.domain.casework import PoolQuery
from fingerprint.domain.vocabulary import POOL_SORTS
from fingerprint.service.console.base import PageRoute, Reader, Visit

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PAGE_ROWS = 100


@router.get("/families/{family_id}/accounts")
def family_accounts(visit: Reader, family_id: str) -> Response:
    """List the accounts that sent a family."""
    return _page(visit, "families", family_id)


@router.get("/campaigns/{campaign_id}/accounts")
def campaign_accounts(visit: Reader, campaign_id: str) -> Response:
    """List the accounts that sent any family of a campaign."""
    return _page(visit, "campaigns", campaign_id)


def _page(visit: Visit, kind: str, subject: str) -> Response:
    params = visit.request.query_params
    values: dict[str, Any] = {
        "sort": next((s for s in POOL_SORTS if s == params.get("sort")), "requests"),
        "backwards": params.get("backwards") == "true",
        "prefix": params.get("prefix", "").replace("\0", "")[:1024],
        "flagged": params.get("flagged") == "true",
    }
    query = PoolQuery(**values)
    query = replace(query, family=subject) if kind == "families" else replace(query, campaign=subject)
    page = visit.account_lists.page(query, after=params.get("after"), limit=PAGE_ROWS)

    def address(base: str = "", **changes: Any) -> str:
        chosen = {
            k: str(v).lower() if isinstance(v, bool) else v for k, v in {**values, **changes}.items() if v
        }
        return f"{base}/{kind}/{quote(subject, safe='')}/accounts?{urlencode(chosen)}"

    def sorted_by(sort: str) -> str:
        return address(sort=sort, backwards=sort == values["sort"] and not values["backwards"])

    return visit.render(
        "account_list.html",
        kind=kind,
        subject=subject,
        title=_title(visit, kind, subject),
        page=page,
        asked=values,
        sorted_by=sorted_by,
        csv=address("/v1", format="csv"),
        more=address(after=page.after) if page.after else None,
        first=address() if params.get("after") else None,
    )


def _title(visit: Visit, kind: str, subject: str) -> str:
    """Name the family or campaign as its own page does."""
    if kind == "families":
        return family_name(visit.store.signature(subject))
    return visit.queue.campaigns().get(subject, subject)
