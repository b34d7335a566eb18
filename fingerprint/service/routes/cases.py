"""Campaigns as cases, over HTTP: confirm, benign, rename, assign, note, close, reopen, merge, split, move; and undo."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, Field

from fingerprint.casework.actions import Actions
from fingerprint.casework.cases import Cases
from fingerprint.domain.casework import ActionRow, CaseAction, CaseRow, CaseWord
from fingerprint.service.http.openapi import problems
from fingerprint.service.routes.families import Here, Labeller, Name, Reader, expected

router = APIRouter(prefix="/v1", tags=["campaigns"])


class CaseNoteBody(BaseModel):
    """A note on a case."""

    text: str
    by: str
    at: datetime


class CaseBody(BaseModel):
    """What analysts say of a campaign as a case."""

    campaign_id: str
    assignee: str | None
    closed: datetime | None
    reason: str | None
    notes: list[CaseNoteBody]


class CaseActionBody(BaseModel):
    """Something to do with a campaign as a whole; which of the fields it takes depends on `do`."""

    do: CaseWord
    reason: str | None = Field(None, description="of confirm, benign, close, reopen", max_length=4000)
    name: str | None = Field(None, description="of rename", max_length=200)
    to: str | None = Field(None, description="of assign: who; null for nobody", max_length=200)
    text: str | None = Field(None, description="of note", max_length=10_000)
    into: str | None = Field(
        None, description="of merge, split and move: the campaign, made when new", max_length=200
    )
    families: list[str] = Field([], description="of split and move", max_length=10_000)


class ActionBody(BaseModel):
    """What was done; `id` undoes it."""

    id: int
    at: datetime
    by: str
    words: str
    stands: bool


@router.get(
    "/campaigns/{campaign_id}/case", response_model=CaseBody, responses=problems(401, 403, 404, 422, 503)
)
def show_case(service: Here, _who: Reader, campaign_id: Name, response: Response) -> CaseBody:
    """Show who has a campaign, whether it is closed, and the notes on it; its ETag is what an action names."""
    store = service.store()
    store.campaign(campaign_id)
    case = Cases(store.database).case(campaign_id)
    response.headers["etag"] = f'"{case.revision}"'
    return _case_body(campaign_id, case)


@router.post(
    "/campaigns/{campaign_id}/actions",
    status_code=201,
    responses=problems(400, 401, 403, 404, 412, 415, 422, 428, 503),
)
def act_on_campaign(
    service: Here,
    who: Labeller,
    campaign_id: Name,
    action: CaseActionBody,
    if_match: Annotated[str | None, Header(description="the case's ETag, or *")] = None,
) -> ActionBody:
    """Do one thing to a campaign as a whole; it can be undone. If-Match holds the ETag of its case, or *."""
    wanted = CaseAction(**{**action.model_dump(), "families": tuple(action.families)})
    did = Cases(service.store().database).do(campaign_id, wanted, by=who.name, expected=expected(if_match))
    service.changed()
    return _action_body(did)


@router.post("/actions/{action_id}/undo", status_code=201, responses=problems(401, 403, 404, 412, 422, 503))
def undo_action(service: Here, who: Labeller, action_id: int) -> ActionBody:
    """Undo an action; 412 when it is undone already, or what it changed has changed since. An undo can be undone, too."""
    did = Actions(service.store().database).undo(action_id, by=who.name)
    service.changed()
    return _action_body(did)


def _case_body(campaign_id: str, case: CaseRow) -> CaseBody:
    notes = [CaseNoteBody(text=n.text, by=n.by, at=n.at) for n in case.notes]
    return CaseBody(
        campaign_id=campaign_id, assignee=case.assignee, closed=case.closed, reason=case.reason, notes=notes
    )


def _action_body(row: ActionRow) -> ActionBody:
    return ActionBody(**{name: getattr(row, name) for name in ActionBody.model_fields})
