"""Who sent a family or a campaign, over HTTP: pages of JSON, or all of it as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response, StreamingResponse

from fingerprint.casework.account_lists import AccountLists, csv_lines
from fingerprint.domain.casework import PoolQuery
from fingerprint.domain.errors import UsageError
from fingerprint.domain.vocabulary import PoolSort
from fingerprint.service.http.openapi import problems
from fingerprint.service.http.problems import Problem
from fingerprint.service.routes.families import Here, Name, Reader, Size, Token
from fingerprint.service.routes.schemas import PoolAccountPage, pool_account_body
from fingerprint.store.database import Database

router = APIRouter(prefix="/v1", tags=["accounts"])

LINES = 500
"""Lines of CSV that are sent at once."""

_ANSWERS = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
    **problems(400, 401, 403, 404, 422, 503),
}


def pool_query(
    sort: PoolSort = "requests",
    backwards: Annotated[bool, Query(description="the least and the earliest first")] = False,
    prefix: Annotated[
        str, Query(max_length=1024, pattern=r"^[^\x00]*$", description="what their ids begin with")
    ] = "",
    flagged: Annotated[bool, Query(description="flagged ones only")] = False,
) -> PoolQuery:
    """Read which accounts are asked for, and in which order."""
    return PoolQuery(sort=sort, backwards=backwards, prefix=prefix, flagged=flagged)


Asked = Annotated[PoolQuery, Depends(pool_query)]
Format = Annotated[Literal["json", "csv"], Query(description="csv: all of them, streamed")]


@router.get("/families/{family_id}/accounts", response_model=PoolAccountPage, responses=_ANSWERS)
def family_accounts(
    service: Here,
    _who: Reader,
    family_id: Name,
    asked: Asked,
    page_token: Token = None,
    page_size: Size = 100,
    format: Format = "json",  # noqa: A002  the parameter's name
) -> PoolAccountPage | Response:
    """List the accounts that sent a family."""
    query = replace(asked, family=family_id)
    return _answer(service.store().database, query, page_token, page_size, format)


@router.get("/campaigns/{campaign_id}/accounts", response_model=PoolAccountPage, responses=_ANSWERS)
def campaign_accounts(
    service: Here,
    _who: Reader,
    campaign_id: Name,
    asked: Asked,
    page_token: Token = None,
    page_size: Size = 100,
    format: Format = "json",  # noqa: A002
) -> PoolAccountPage | Response:
    """List the accounts that sent any family of a campaign: those to suspend, if they are to be."""
    query = replace(asked, campaign=campaign_id)
    return _answer(service.store().database, query, page_token, page_size, format)


def _answer(
    database: Database, query: PoolQuery, page_token: str | None, page_size: int, form: str
) -> PoolAccountPage | Response:
    lists = AccountLists(database)
    if form == "csv":
        lines = _csv(lists, query)
        # an error must come before the answer begins
        whole = chain([next(lines)], lines)
        name = "".join(
            c for c in query.campaign or query.family or "" if c.isascii() and (c.isalnum() or c in "-_")
        )
        headers = {"Content-Disposition": f'attachment; filename="accounts-{name}.csv"'}
        return StreamingResponse(whole, headers=headers, media_type="text/csv")
    try:
        page = lists.page(query, after=page_token, limit=page_size)
    except UsageError:
        raise Problem(400, "page_token: a token that an earlier page gave expected") from None
    return PoolAccountPage(
        items=[pool_account_body(account) for account in page.accounts], total=page.total, next=page.after
    )


def _csv(lists: AccountLists, query: PoolQuery) -> Iterator[str]:
    with lists.stream(query) as accounts:
        yield from _joined(csv_lines(accounts))


def _joined(lines: Iterable[str]) -> Iterator[str]:
    rest = iter(lines)
    while some := "".join(islice(rest, LINES)):
        yield some
