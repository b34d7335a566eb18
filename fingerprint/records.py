"""The vocabulary that all stages share: the traffic schema and the facts that travel between stages."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

SYSTEM_END = "\x1d"
"""Ends the system prompt in a composed text (ASCII group separator)."""

TURN_END = "\x1e"
"""Stands between two user turns in `prompt` (ASCII record separator)."""

TRAFFIC_SCHEMA = pa.schema(
    [
        pa.field("request_id", pa.large_string(), nullable=False),
        pa.field("account_id", pa.large_string(), nullable=False),
        pa.field("timestamp", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("system", pa.large_string()),
        # user turns in order, joined by TURN_END; ingest takes the separators out of the texts themselves
        pa.field("prompt", pa.large_string(), nullable=False),
        pa.field("model", pa.large_string()),
        # a JSON object, e.g. {"ip_prefix": …, "payment_hash": …, "user_agent": …}
        pa.field("metadata", pa.large_string()),
    ]
)

SPREAD_SCHEMA = pa.schema(
    [
        pa.field("family_id", pa.large_string(), nullable=False),
        pa.field("account_id", pa.large_string(), nullable=False),
        pa.field("day", pa.date32(), nullable=False),  # UTC
        pa.field("requests", pa.int64(), nullable=False),
    ]
)
"""What each account sent of each family on each day."""

ACTIVITY_SCHEMA = pa.schema([f for f in SPREAD_SCHEMA if f.name != "family_id"])
"""What each account sent in all on each day, in any family or none."""

ACCOUNT_META_SCHEMA = pa.schema(
    [
        pa.field("account_id", pa.large_string(), nullable=False),
        pa.field("name", pa.large_string(), nullable=False),  # ip_prefix, payment_hash, user_agent
        pa.field("value", pa.large_string(), nullable=False),
        pa.field("first_seen", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("last_seen", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)
"""Which metadata values each account was seen with, and when."""

FEATURES_SCHEMA = pa.schema(
    [
        pa.field("account_id", pa.large_string(), nullable=False),
        pa.field("requests", pa.int64(), nullable=False),
        pa.field("features", pa.large_binary(), nullable=False),  # <f2, their mean
    ]
)
"""What the prompts of each account that are in no family are like: mean random features of so many (`departure`)."""

FloatArray = npt.NDArray[np.float32]
HashArray = npt.NDArray[np.uint64]
IntArray = npt.NDArray[np.int64]
Ids = npt.NDArray[np.int32]

SlotKind = Literal["text", "number", "code", "language"]
Place = Literal["system", "user", "either"]
FamilyKind = Literal["template", "topical"]
EventKind = Literal["born", "merged", "split", "pivoted", "died"]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Each item's nearest other items, nearest first, equals in the order of their ids.

    ids: (n, k) int32, -1 where there is no further neighbour; an item is never its own neighbour.
    similarity: (n, k) float32, cosine, -1 to 1, descending; -1 where there is no neighbour.
    """

    ids: npt.NDArray[np.int32]
    similarity: FloatArray


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of fixed text; `position` is where it starts in the prompt, mean over members, 0 to 1."""

    text: str
    place: Place
    position: float
    coverage: float  # share of the family's members that hold it, 0 to 1


@dataclass(frozen=True, slots=True)
class Slot:
    """What varies between two fixed segments; lengths in characters over the members."""

    distinct: int
    shortest: int
    longest: int
    kind: SlotKind


@dataclass(frozen=True, slots=True)
class Template:
    """Fixed segments and slots in the order they stand in a prompt."""

    parts: tuple[Segment | Slot, ...]

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The fixed parts only."""
        return tuple(p for p in self.parts if isinstance(p, Segment))

    def __str__(self) -> str:
        return " ".join(p.text if isinstance(p, Segment) else "⟨…⟩" for p in self.parts)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What made a stored thing; vectors or hashes under different stamps must never be compared."""

    normaliser: str  # version of the normaliser and tokeniser
    shingle: str  # n-gram length and hash version
    model: str  # name of the embedding model
    revision: str  # SHA-256 of its weights
    dimension: int


@dataclass(frozen=True, slots=True)
class DayCount:
    """A family's traffic on one UTC day."""

    requests: int
    accounts: int


@dataclass(frozen=True, slots=True)
class Spread:
    """How far a family has spread; `per_day` maps ISO dates to counts."""

    accounts: int
    requests: int
    first_seen: datetime
    last_seen: datetime
    per_day: dict[str, DayCount]


@dataclass(frozen=True, slots=True)
class Reason:
    """One named contribution to a score, in log-odds, with its plain words."""

    name: str
    value: float
    contribution: float
    words: str


@dataclass(frozen=True, slots=True)
class Signature:
    """A family as it is stored, matched and shared; holds no text that fewer than k accounts sent.

    grams: (g,) uint64, sorted, the n-gram hashes of the template's fixed text.
    weights: (g,) float32, rarity of each gram in nats; a match's coverage is the weighted share of grams held.
    prototypes: (p, d) float32 unit rows, embeddings of the template's sentences; of a topical family, its centre.
    threshold: the lowest match score that counts as a match, 0 to 1.
    variant_of: the family that this is another wording of; what matches it belongs to that family.
    similarity: how much of the prototypes' meaning almost no non-member holds, a mean cosine; 1 = meaning never
    counts. usual: what half of the non-members hold.
    seen: its requests on the last night that described it. strays: those of them that no other account's stood near
    in time, where its accounts act together; 0 where they do not.
    """

    family_id: str
    kind: FamilyKind
    template: Template
    grams: HashArray
    weights: FloatArray
    prototypes: FloatArray
    threshold: float
    spread: Spread
    stamp: Stamp
    similarity: float = 1.0
    usual: float = 0.0
    seen: int = 0
    strays: int = 0
    version: int = 1
    score: float = 0.0
    flagged: bool = False
    reasons: tuple[Reason, ...] = ()
    label: str | None = None
    campaign_id: str | None = None
    variant_of: str | None = None


@dataclass(frozen=True, slots=True)
class SegmentHit:
    """How much of one template segment a prompt holds (0 to 1)."""

    text: str
    coverage: float


@dataclass(frozen=True, slots=True)
class Match:
    """The answer to one lookup; `family_id` is None below the family's threshold, `candidate_id` is not."""

    family_id: str | None
    candidate_id: str | None
    score: float
    label: str | None
    campaign_id: str | None
    threshold: float | None = None
    coverage: float | None = None
    similarity: float | None = None
    known_sender: bool | None = None
    segments: tuple[SegmentHit, ...] = ()
    slots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What came of reading a batch; rows_read == accepted + rejected + duplicates."""

    rows_read: int
    accepted: int
    rejected: int
    duplicates: int
    reasons: dict[str, int] = field(default_factory=dict)
    rejects_path: str | None = None


@dataclass(frozen=True, slots=True)
class NightReport:
    """What one nightly run did."""

    batch_id: str
    ingest: IngestReport
    started: datetime
    seconds: dict[str, float]  # by stage
    distinct_prompts: int
    families: int
    new_families: int
    flagged: int
    assigned: int


@dataclass(frozen=True, slots=True)
class FamilyRow:
    """A stored family without its arrays, as lists show it; `template` is the text with ⟨…⟩ for slots."""

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


@dataclass(frozen=True, slots=True)
class FamilyFacts:
    """What a lookup tells of a family that it found, as people and nights last said it."""

    family_id: str
    variant_of: str | None
    label: str | None
    campaign_id: str | None
    score: float
    threshold: float


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account's latest assessment; `requests` are all it sent, `families` those it sent requests of.

    departure: how far its requests in no family are from honest traffic (MMD²), departure_q: q-value of that,
    departure_rank: share of honest-looking accounts of like volume that depart as far; None where unknown.
    departed: both are so small that it is told.
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


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """Families that one operator sends.

    The store keeps campaign_id, label, score, flagged and families; it derives the rest when read.
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
    scopes: tuple[str, ...]
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
