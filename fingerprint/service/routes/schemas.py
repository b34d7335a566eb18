"""What families, campaigns, accounts and labels look like in answers; fields as in `records`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from fingerprint.domain import profile
from fingerprint.domain.casework import PoolAccount
from fingerprint.domain.expected_precision import expected_precision
from fingerprint.domain.rows import AccountRow, AuditRow, CampaignRow, Event, FamilyRow, LabelRow
from fingerprint.domain.signature import Signature
from fingerprint.domain.signature_json import reasons_to_json, to_json
from fingerprint.domain.verdict_line import verdict_line


class ShareBody(BaseModel):
    """A value, and the share of conversations or prompts that have it, 0 to 1; "other": what few accounts sent."""

    name: str
    share: float


class ProfileBody(BaseModel):
    """A family's conversations on the last night that saw it: languages, models asked for, sets of tools."""

    conversations: int
    models: list[ShareBody]
    languages: list[ShareBody] = Field(description="of a sample of its prompts")
    tools: list[ShareBody] = Field(description="sets of tools, by a hash of each")
    tool_sets: int = Field(description="how many different ones")


class FamilyBody(BaseModel):
    """A family as lists show it; `template` has ⟨…⟩ where values vary."""

    family_id: str
    kind: Literal["template", "reworded", "topical"]
    score: float = Field(description="how likely it is a campaign's, 0 to 1")
    precision: float = Field(description="expected share of campaigns' families among those scored so")
    flagged: bool
    label: str | None
    campaign_id: str | None
    accounts: int
    requests: int
    first_seen: datetime
    last_seen: datetime
    version: int
    template: str
    conversations: int
    profile: ProfileBody | None


class FamilyPage(BaseModel):
    """A page of families, highest score first; `next` is the page_token of the next one, null at the end."""

    items: list[FamilyBody]
    next: str | None


class ReasonBody(BaseModel):
    """One contribution to a score, in log-odds, with its plain words."""

    name: str
    value: float | None
    contribution: float
    words: str
    phrase: str = ""


class EventBody(BaseModel):
    """Something that a night found to have happened to a family."""

    batch_id: str
    kind: str
    detail: dict[str, Any]


class LabelBody(BaseModel):
    """An analyst's word on a family; null takes the earlier ones back."""

    label: str | None
    campaign_id: str | None
    reason: str | None
    by: str
    at: datetime


class FamilyDetail(FamilyBody):
    """All that is known of a family but what it is matched by."""

    variant_of: str | None
    parts: list[dict[str, Any]] = Field(description="fixed segments and slots, in their order")
    threshold: float
    per_day: dict[str, Any]
    verdict: str = Field(description="one sentence that sums up the reasons")
    reasons: list[ReasonBody]
    labels: list[LabelBody]
    events: list[EventBody]
    revision: int = Field(description="number of the latest change by people; the ETag")


class NewLabel(BaseModel):
    """A label for a family: campaign, benign, relay or another word; null takes the earlier ones back."""

    label: str | None = Field(
        min_length=1, max_length=200, pattern=r"\S", description="misspelt campaign, benign or relay is a 422"
    )
    as_written: bool = Field(False, description="keep the label as it is, though it is nearly one of those")
    campaign: str | None = Field(None, min_length=1, max_length=200, description="made when new")
    reason: str | None = Field(None, max_length=4000)


class CampaignBody(BaseModel):
    """Families that one operator sends."""

    campaign_id: str
    name: str = Field(description="what it asks for and two words, unless an analyst named it otherwise")
    label: str | None
    score: float
    precision: float
    flagged: bool
    families: list[str]
    accounts: int
    requests: int
    conversations: int
    first_seen: datetime | None
    last_seen: datetime | None
    templates: list[str]


class CampaignPage(BaseModel):
    """A page of campaigns, highest score first."""

    items: list[CampaignBody]
    next: str | None


class AccountBody(BaseModel):
    """An account's latest assessment."""

    account_id: str
    score: float
    flagged: bool
    requests: int
    conversations: int
    families: list[str]
    evidence: list[ReasonBody]


class PoolAccountBody(BaseModel):
    """An account of a family or campaign, and what it sent of it."""

    account_id: str
    requests: int
    conversations: int
    all_requests: int = Field(description="everything it sent")
    share: float = Field(description="how much of that is of the family or campaign, 0 to 1")
    families: int = Field(description="how many of the campaign's families it sent")
    first_seen: date
    last_seen: date
    score: float
    flagged: bool
    departed: bool


class PoolAccountPage(BaseModel):
    """A page of such accounts; `total` counts them all."""

    items: list[PoolAccountBody]
    total: int
    next: str | None


class AuditBody(BaseModel):
    """A change that somebody made."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]


class AuditPage(BaseModel):
    """A page of the audit log, newest first."""

    items: list[AuditBody]
    next: str | None


def family_body(row: FamilyRow) -> FamilyBody:
    """Turn a listed family into its answer."""
    values = {name: getattr(row, name) for name in FamilyBody.model_fields}
    return FamilyBody(**values | {"profile": profile.to_json(row.profile)})


def family_detail(
    signature: Signature, labels: list[LabelRow], events: list[tuple[str, Event]], revision: int
) -> FamilyDetail:
    """Turn all that is stored of a family into its answer."""
    whole, spread = to_json(signature), signature.spread
    return FamilyDetail(
        family_id=signature.family_id,
        kind=signature.kind,
        score=signature.score,
        precision=expected_precision(signature.score),
        flagged=signature.flagged,
        label=signature.label,
        campaign_id=signature.campaign_id,
        accounts=spread.accounts,
        requests=spread.requests,
        first_seen=spread.first_seen,
        last_seen=spread.last_seen,
        version=signature.version,
        template=str(signature.template),
        conversations=spread.conversations,
        profile=_profile(signature),
        variant_of=signature.variant_of,
        parts=whole["template"],
        threshold=signature.threshold,
        per_day=whole["spread"]["per_day"],
        verdict=verdict_line(signature.reasons, spread.accounts, flagged=signature.flagged),
        reasons=[ReasonBody(**reason) for reason in whole["reasons"]],
        labels=[label_body(word) for word in labels],
        events=[EventBody(batch_id=b, kind=e.kind, detail=dict(e.detail)) for b, e in events],
        revision=revision,
    )


def _profile(signature: Signature) -> ProfileBody | None:
    values = profile.to_json(signature.profile)
    return None if values is None else ProfileBody(**values)


def label_body(word: LabelRow) -> LabelBody:
    """Turn a label into its answer."""
    return LabelBody(**{name: getattr(word, name) for name in LabelBody.model_fields})


def campaign_body(row: CampaignRow) -> CampaignBody:
    """Turn a campaign into its answer."""
    return CampaignBody(**{name: getattr(row, name) for name in CampaignBody.model_fields})


def account_body(row: AccountRow) -> AccountBody:
    """Turn an account into its answer."""
    evidence = [ReasonBody(**reason) for reason in reasons_to_json(row.evidence)]
    values = {name: getattr(row, name) for name in AccountBody.model_fields if name != "evidence"}
    return AccountBody(**values, evidence=evidence)


def pool_account_body(account: PoolAccount) -> PoolAccountBody:
    """Turn an account of a family or campaign into its answer."""
    return PoolAccountBody(**{name: getattr(account, name) for name in PoolAccountBody.model_fields})


def audit_body(row: AuditRow) -> AuditBody:
    """Turn a line of the audit log into its answer."""
    return AuditBody(**{name: getattr(row, name) for name in AuditBody.model_fields})
