"""What is stored, over HTTP: families, campaigns, accounts, the audit log; and labels."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Response

from fingerprint.casework.actions import Actions
from fingerprint.domain.errors import UsageError
from fingerprint.domain.signature_json import to_json
from fingerprint.service.http.openapi import problems
from fingerprint.service.http.problems import Problem
from fingerprint.service.routes.schemas import (
    AccountBody,
    AuditPage,
    CampaignBody,
    CampaignPage,
    FamilyDetail,
    FamilyPage,
    LabelBody,
    NewLabel,
    account_body,
    audit_body,
    campaign_body,
    family_body,
    family_detail,
    label_body,
)
from fingerprint.service.serving.auth import Principal, Required
from fingerprint.service.serving.context import Service, service_of
from fingerprint.store.cursors import Cursor

router = APIRouter(prefix="/v1")

Here = Annotated[Service, Depends(service_of)]
Reader = Annotated[Principal, Depends(Required("read"))]
Labeller = Annotated[Principal, Depends(Required("label"))]
Admin = Annotated[Principal, Depends(Required("admin"))]
# PostgreSQL's text takes no NUL
Name = Annotated[str, Path(min_length=1, max_length=1024, pattern=r"^[^\x00]+$")]
Size = Annotated[int, Query(ge=1, le=1000, description="most items of a page")]
Token = Annotated[str | None, Query(max_length=2000, description="`next` of the page before")]
_ETAG = re.compile(r'(?:W/)?"(\d{1,18})"')
_READS = problems(400, 401, 403, 404, 422, 503)


@router.get("/families", tags=["families"], responses=_READS)
def list_families(
    service: Here,
    _who: Reader,
    page_token: Token = None,
    page_size: Size = 100,
    flagged: bool | None = None,
    min_score: Annotated[float | None, Query(allow_inf_nan=False)] = None,
    label: Annotated[
        str | None, Query(max_length=200, pattern=r"^[^\x00]*$", description="none: without")
    ] = None,
    campaign: Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")] = None,
) -> FamilyPage:
    """List families, highest score first."""
    rows = service.store().families(
        flagged=flagged,
        min_score=min_score,
        label=label,
        campaign=campaign,
        limit=page_size,
        after=_after(page_token),
    )
    more = str(Cursor(rows[-1].score, rows[-1].family_id)) if len(rows) == page_size else None
    return FamilyPage(items=[family_body(row) for row in rows], next=more)


@router.get("/families/{family_id}", tags=["families"], responses=_READS)
def show_family(service: Here, _who: Reader, family_id: Name, response: Response) -> FamilyDetail:
    """Show all that is known of a family; its ETag is what a label must name in If-Match."""
    store = service.store()
    revision = store.access.revision(family_id)
    signature = store.signature(family_id)
    response.headers["etag"] = f'"{revision}"'
    return family_detail(signature, store.labels(family_id), store.events(family_id), revision)


@router.get("/families/{family_id}/signature", tags=["families"], responses=_READS)
def show_signature(service: Here, _who: Reader, family_id: Name) -> dict[str, Any]:
    """Export a family's signature as `fingerprint import` takes it."""
    return to_json(service.store().signature(family_id))


@router.get("/families/{family_id}/labels", tags=["labels"], responses=_READS)
def list_labels(service: Here, _who: Reader, family_id: Name, response: Response) -> list[LabelBody]:
    """List the labels of a family, oldest first."""
    store = service.store()
    revision = store.access.revision(family_id)
    store.signature(family_id)
    response.headers["etag"] = f'"{revision}"'
    return [label_body(word) for word in store.labels(family_id)]


@router.post(
    "/families/{family_id}/labels",
    tags=["labels"],
    status_code=201,
    responses=problems(400, 401, 403, 404, 412, 415, 422, 428, 503),
)
def add_label(
    service: Here,
    who: Labeller,
    family_id: Name,
    new: NewLabel,
    response: Response,
    if_match: Annotated[str | None, Header(description="the family's ETag, or *")] = None,
) -> LabelBody:
    """Say what a family is; lookups know it within a second.

    If-Match holds the ETag that the family had when it was read: 412 when somebody else changed it meanwhile.
    """
    store = service.store()
    word = Actions(store.database).set_label(
        family_id,
        new.label,
        by=who.name,
        campaign=new.campaign,
        reason=new.reason,
        expected=expected(if_match),
        as_written=new.as_written,
    )
    service.changed()
    response.headers["etag"] = f'"{store.access.revision(family_id)}"'
    return label_body(word)


def expected(if_match: str | None) -> int | None:
    """Read the revision that If-Match names; None for *. Raises Problem 428 without one, 412 for no ETag of ours."""
    if if_match is None:
        raise Problem(428, "If-Match with the family's ETag expected, or * to overwrite whatever is there")
    if if_match.strip() == "*":
        return None
    etag = _ETAG.fullmatch(if_match.strip())
    if etag is None:
        raise Problem(412, "If-Match: an ETag of this family expected")
    return int(etag[1])


@router.get("/campaigns", tags=["campaigns"], responses=_READS)
def list_campaigns(
    service: Here,
    _who: Reader,
    page_token: Token = None,
    page_size: Size = 100,
    flagged: bool | None = None,
) -> CampaignPage:
    """List campaigns, highest score first."""
    rows = service.store().campaigns(flagged=flagged, limit=page_size + 1, after=_after(page_token))
    listed = rows[:page_size]
    more = str(Cursor(listed[-1].score, listed[-1].campaign_id)) if len(rows) > page_size else None
    return CampaignPage(items=[campaign_body(row) for row in listed], next=more)


@router.get("/campaigns/{campaign_id}", tags=["campaigns"], responses=_READS)
def show_campaign(service: Here, _who: Reader, campaign_id: Name) -> CampaignBody:
    """Show one campaign."""
    return campaign_body(service.store().campaign(campaign_id))


@router.get("/accounts/{account_id:path}", tags=["accounts"], responses=_READS)
def show_account(service: Here, _who: Reader, account_id: Name) -> AccountBody:
    """Show an account's latest assessment."""
    return account_body(service.store().account(account_id))


@router.get("/audit", tags=["access"], responses=problems(400, 401, 403, 422, 503))
def list_audit(
    service: Here,
    _who: Admin,
    page_token: Token = None,
    page_size: Size = 100,
    subject: Annotated[str | None, Query(max_length=1024, pattern=r"^[^\x00]*$")] = None,
) -> AuditPage:
    """List what people changed, newest first."""
    after = _after(page_token)
    before = None if after is None else int(min(after.rank, 2**31 - 1))
    rows = service.store().access.audit(subject=subject, before=before, limit=page_size)
    more = str(Cursor(float(rows[-1].id), "")) if len(rows) == page_size else None
    return AuditPage(items=[audit_body(row) for row in rows], next=more)


def _after(page_token: str | None) -> Cursor | None:
    """Read a page token, which is a cursor; raises Problem 400 for any other text."""
    try:
        return None if page_token is None else Cursor.read(page_token)
    except UsageError:
        raise Problem(400, "page_token: a token that an earlier page gave expected") from None
