"""What analysts did, what the queue shows, and what the console's pages draw."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

import numpy as np

from fingerprint.base.types import Bools, HashArray, IntArray
from fingerprint.domain.results import NightReport
from fingerprint.domain.rows import CampaignRow, FamilyRow
from fingerprint.domain.vocabulary import PoolSort

QueueState = Literal["open", "labelled", "snoozed", "closed", "all"]

QueueSort = Literal["priority", "score", "accounts", "requests", "first-seen"]

CaseWord = Literal[
    "confirm", "benign", "rename", "assign", "note", "close", "reopen", "merge", "split", "move"
]
"""What may be done with a campaign as a whole."""


@dataclass(frozen=True, slots=True)
class ActionRow:
    """What somebody did; `stands` is False once it is undone, `undoes` the action that it took back."""

    id: int
    at: datetime
    by: str
    kind: str
    words: str
    families: tuple[str, ...]
    undoes: int | None
    stands: bool


@dataclass(frozen=True, slots=True)
class NoteRow:
    """A note on a family, or on the campaign of that id."""

    id: int
    family_id: str
    text: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAction:
    """Something to do with a campaign, and what it needs.

    reason: of confirm, benign, close and reopen. name: of rename. to: whom to assign it to, None for nobody. text: of a
    note. into: the campaign that a merge, a split or a move leads to. families: those to split off or to move.
    """

    do: CaseWord
    reason: str | None = None
    name: str | None = None
    to: str | None = None
    text: str | None = None
    into: str | None = None
    families: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseRow:
    """What analysts say of a campaign as a case; revision: the number of the latest change of it or its families."""

    assignee: str | None = None
    closed: datetime | None = None
    reason: str | None = None
    notes: tuple[NoteRow, ...] = ()
    revision: int = 0


@dataclass(frozen=True, slots=True)
class ViewRow:
    """A queue's query that somebody saved, as the query string of its address."""

    name: str
    query: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueQuery:
    """Which families a queue shows.

    words: all must stand in the template or the id; "in quotes" together, -not. label: that word.
    state: open = without a label, not asleep, and of no closed case; what came after a case was closed is open.
    assignee: whose cases. min_score: 0 to 1. days: first seen in that many days. by: one row a campaign, or a family.
    """

    words: str = ""
    state: QueueState = "open"
    label: str | None = None
    campaign: str | None = None
    account: str | None = None
    assignee: str | None = None
    kind: str | None = None
    flagged: bool = False
    min_score: float = 0.0
    min_accounts: int = 0
    days: int | None = None
    by: Literal["campaign", "family"] = "campaign"
    sort: QueueSort = "priority"


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A family in the queue; priority = score × novelty × size, each 0 to 1."""

    family: FamilyRow
    priority: float
    novelty: float
    size: float
    revision: int
    snoozed: datetime | None = None
    notes: int = 0
    per_day: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class QueueCase:
    """A campaign in the queue, with those of its families that the query finds; campaign None: a family of none.

    priority: the highest of its families.
    """

    campaign: CampaignRow | None
    rows: tuple[QueueRow, ...]
    priority: float
    assignee: str | None = None


@dataclass(frozen=True, slots=True)
class QueuePage:
    """A page of the queue, by family; `after` continues it, None at its end. total: families that the query finds."""

    rows: tuple[QueueRow, ...]
    total: int
    after: str | None


@dataclass(frozen=True, slots=True)
class CasePage:
    """A page of the queue, by campaign; total: campaigns, and families of none, families: all that the query finds."""

    cases: tuple[QueueCase, ...]
    total: int
    families: int
    after: str | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """Requests and accounts in t steps of time; starts are their beginnings, step is in hours."""

    starts: Sequence[datetime]
    requests: Sequence[int]
    accounts: Sequence[int]
    step: int


@dataclass(frozen=True, slots=True)
class Heat:
    """Requests by account and step of time, (a, t); `accounts` in order of when they began, of `of` in all."""

    accounts: tuple[str, ...]
    starts: tuple[datetime, ...]
    requests: IntArray
    step: int
    of: int


@dataclass(frozen=True, slots=True)
class PoolGroup:
    """Accounts that sent of just these families (numbers into a list of families)."""

    families: tuple[int, ...]
    accounts: int
    requests: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pools:
    """The accounts of f families: how many each pair shares (f, f), and who sends which."""

    families: tuple[str, ...]
    shared: IntArray
    groups: tuple[PoolGroup, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolQuery:
    """The accounts of a family or of a campaign, one of the two; prefix: what their ids begin with.

    sort: the most and the latest first, accounts by their ids; backwards: the other way round.
    """

    family: str | None = None
    campaign: str | None = None
    prefix: str = ""
    flagged: bool = False
    sort: PoolSort = "requests"
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class PoolAccount:
    """An account of a family or campaign, and what it sent of it.

    all_requests: everything it sent, share: how much of that is of the family or campaign, 0 to 1. families: how many
    of the campaign's it sent. first_seen, last_seen: UTC days. score, flagged, departed: as it was last assessed.
    """

    account_id: str
    requests: int
    conversations: int
    all_requests: int
    share: float
    families: int
    first_seen: date
    last_seen: date
    score: float
    flagged: bool
    departed: bool


@dataclass(frozen=True, slots=True)
class PoolPage:
    """A page of such accounts; `after` continues it, None at its end. total: accounts that the query finds."""

    accounts: tuple[PoolAccount, ...]
    total: int
    after: str | None


@dataclass(frozen=True, slots=True)
class AccountDays:
    """What an account sent by family (f) and UTC day (d): (f, d), and in all, families or not: (d,)."""

    families: tuple[str, ...]
    days: tuple[date, ...]
    requests: IntArray
    total: IntArray


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of a home: nights, newest first, and how many families have which label."""

    nights: tuple[NightReport, ...]
    labels: dict[str, int] = field(default_factory=dict)
    open: int = 0
    flagged: int = 0
    campaigns: int = 0
    accounts: int = 0
    flagged_accounts: int = 0


@dataclass(frozen=True, slots=True)
class HeldPattern:
    """A row of `PATTERNS_SCHEMA` read back; held: (g,) bool over the signature's grams; grams: `grams_digest` of them."""

    batch_id: str
    night: datetime
    held: Bools
    member: bool
    grams: str
    requests: int
    accounts: int


def grams_digest(grams: HashArray) -> str:
    """Hash the grams (g,) uint64 of a signature, 32 hex digits, so that a pattern's bits are never read against others."""
    return hashlib.sha256(np.asarray(grams, dtype="<u8").tobytes()).hexdigest()[:32]
