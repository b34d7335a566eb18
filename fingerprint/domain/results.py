"""What jobs return: matches, and reports of what was read and found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class SegmentHit:
    """How much of one template segment a prompt holds (0 to 1)."""

    text: str
    coverage: float


@dataclass(frozen=True, slots=True)
class FamilyScore:
    """A family that a prompt matches, and how surely, 0 to 1."""

    family_id: str
    score: float


@dataclass(frozen=True, slots=True)
class Match:
    """The answer to one lookup; `family_id` is None below the family's threshold, `candidate_id` is not.

    also: the other families that the prompt matches, the best first.
    """

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
    also: tuple[FamilyScore, ...] = ()


@dataclass(frozen=True, slots=True)
class TrafficWarning:
    """Something about a batch that makes one doubt that all of it was read right; kind: one word for programs."""

    kind: str
    words: str

    @property
    def is_fault(self) -> bool:
        """Whether something may be wrong; rows that a format itself says are no requests are only counted."""
        return self.kind != "rows_left_out"


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What came of reading a batch; rows_read == accepted + rejected + duplicates.

    left_out: rows that are no request to a model, in none of the other counts.
    """

    rows_read: int
    accepted: int
    rejected: int
    duplicates: int
    reasons: dict[str, int] = field(default_factory=dict)
    rejects_path: str | None = None
    left_out: int = 0
    warnings: tuple[TrafficWarning, ...] = ()

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> IngestReport:
        """Return the report of which `asdict` made this."""
        return cls(**{**values, "warnings": tuple(TrafficWarning(**w) for w in values["warnings"])})


@dataclass(frozen=True, slots=True)
class NightReport:
    """What one nightly run did; `assigned` are requests in a family, `conversations` all that were read.

    flagged: families of the home that are flagged after the night; newly_flagged: those of them that no analyst labelled
    and that were not flagged before. expected_false_flags: how many of the flagged are not a campaign's, by their scores.
    first_request, last_request: the traffic's own time. accounts: that sent it. cpu_seconds: of this process, by stage.
    peak_memory: bytes that it took at most. home_bytes: size of the home before the night was stored.
    """

    batch_id: str
    ingest: IngestReport
    started: datetime
    seconds: dict[str, float]  # by stage
    distinct_prompts: int
    families: int
    new_families: int
    flagged: int
    assigned: int
    conversations: int
    expected_false_flags: float = 0.0
    first_request: datetime | None = None
    last_request: datetime | None = None
    accounts: int = 0
    newly_flagged: int = 0
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    peak_memory: int = 0
    home_bytes: int = 0
