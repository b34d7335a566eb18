"""The vocabulary of the analysts' desk: what people did, what a queue shows, and what pages draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fingerprint.records import FamilyRow, NightReport

FAMILY_HOURS_SCHEMA = pa.schema(
    [
        pa.field("family_id", pa.large_string(), nullable=False),
        pa.field("hour", pa.timestamp("us", tz="UTC"), nullable=False),  # its beginning
        pa.field("requests", pa.int64(), nullable=False),
        pa.field("accounts", pa.int64(), nullable=False),
    ]
)
"""A family's requests and distinct accounts in each hour of a batch."""

ACCOUNT_HOURS_SCHEMA = pa.schema(
    [
        pa.field("family_id", pa.large_string(), nullable=False),
        pa.field("account_id", pa.large_string(), nullable=False),
        pa.field("hour", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("requests", pa.int64(), nullable=False),
    ]
)
"""What each of a family's most active accounts of a batch sent of it in each hour."""

PATTERNS_SCHEMA = pa.schema(
    [
        pa.field("family_id", pa.large_string(), nullable=False),
        pa.field("held", pa.large_binary(), nullable=False),
        pa.field("member", pa.bool_(), nullable=False),
        pa.field("grams", pa.large_string(), nullable=False),
        pa.field("requests", pa.int64(), nullable=False),
        pa.field("accounts", pa.int64(), nullable=False),
    ]
)
"""Which grams of a signature prompts held, as bits, and how many requests and accounts held just these.

member: whether the night gave them to the family. grams: the `patterns.name_of` the signature's grams.
"""

State = Literal["open", "labelled", "snoozed", "all"]


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What one batch tells of hours and of grams: tables of the schemas above."""

    family_hours: pa.Table
    account_hours: pa.Table
    patterns: pa.Table


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
    """A note on a family."""

    id: int
    family_id: str
    text: str
    by: str
    at: datetime


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
    state: open = without a label and not asleep. min_score: 0 to 1. days: first seen in that many days.
    """

    words: str = ""
    state: State = "open"
    label: str | None = None
    campaign: str | None = None
    account: str | None = None
    kind: str | None = None
    flagged: bool = False
    min_score: float = 0.0
    min_accounts: int = 0
    days: int | None = None


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
class QueuePage:
    """A page of the queue; `after` continues it, None at its end. total: families that the query finds."""

    rows: tuple[QueueRow, ...]
    total: int
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
    requests: npt.NDArray[np.int64]
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
    shared: npt.NDArray[np.int64]
    groups: tuple[PoolGroup, ...]


@dataclass(frozen=True, slots=True)
class AccountDays:
    """What an account sent by family (f) and UTC day (d): (f, d), and in all, families or not: (d,)."""

    families: tuple[str, ...]
    days: tuple[date, ...]
    requests: npt.NDArray[np.int64]
    total: npt.NDArray[np.int64]


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
    """A pattern of `PATTERNS_SCHEMA` read back; held: (g,) bool over the grams of the signature it is of."""

    batch_id: str
    night: datetime
    held: npt.NDArray[np.bool_]
    member: bool
    grams: str
    requests: int
    accounts: int
