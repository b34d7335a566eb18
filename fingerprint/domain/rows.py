"""The rows that lists show: families, accounts, campaigns, labels, events, keys, the audit log."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from fingerprint.domain.profile import Profile
from fingerprint.domain.signature import FamilyKind, Reason
from fingerprint.domain.vocabulary import Scope

EventKind = Literal["born", "merged", "split", "pivoted", "died", "flagged", "cleared"]


@dataclass(frozen=True, slots=True)
class FamilyRow:
    """A stored family without its arrays, as lists show it; `template` is the text with ⟨…⟩ for slots.

    precision: `expected_precision` of the score. profile: in lists of families only.
    """

    family_id: str
    kind: FamilyKind
    score: float
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
    precision: float
    profile: Profile | None = None


@dataclass(frozen=True, slots=True)
class FamilyFacts:
    """What a lookup answers with a family, as analysts and nights last left it."""

    family_id: str
    variant_of: str | None
    label: str | None
    campaign_id: str | None
    score: float
    flagged: bool
    threshold: float


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account's latest assessment; `requests` and `conversations` are all it sent, `families` those it sent some of.

    departure: how far its requests in no family are from honest traffic (MMD²), departure_q: q-value of that and of how
    strange they are, departure_rank: share of honest-looking accounts of like volume that depart as far; None where
    unknown. departed: the q-value is so small that the account is listed for it. relay: it takes turns with others, and many
    people or one list stand behind them.
    """

    account_id: str
    score: float
    flagged: bool
    requests: int
    families: tuple[str, ...] = ()
    evidence: tuple[Reason, ...] = ()
    departure: float | None = None
    departure_q: float | None = None
    departure_rank: float | None = None
    departed: bool = False
    conversations: int = 0
    relay: bool = False


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """Families that one operator sends.

    The store keeps campaign_id, label, score, flagged, families and name; it derives the rest when read. name: what it
    asks for and two words, unless an analyst named it otherwise.
    """

    campaign_id: str
    label: str | None
    score: float
    flagged: bool
    families: tuple[str, ...]
    accounts: int = 0
    requests: int = 0
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    templates: tuple[str, ...] = ()
    conversations: int = 0
    name: str = ""
    precision: float = 0.0


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One analyst's decision; `label` None takes the earlier ones back."""

    family_id: str
    label: str | None
    campaign_id: str | None
    reason: str | None
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a family in one night, e.g. kind merged, detail {"into": family id}."""

    family_id: str
    kind: EventKind
    detail: dict[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """An API key as lists show it: everything but its secret."""

    key_id: str
    name: str
    scopes: tuple[Scope, ...]
    created: datetime
    created_by: str
    expires: datetime | None = None
    revoked: datetime | None = None
    last_used: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One change that somebody made: a label, an edit, a key; `id` rises with time."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, str | int | float | list[str] | None] = field(default_factory=dict)
