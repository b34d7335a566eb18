"""What a family is as it is stored, matched and shared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fingerprint.base.types import FloatArray, HashArray
from fingerprint.domain.profile import Profile
from fingerprint.domain.vocabulary import SLOT, Section

SlotKind = Literal["text", "number", "code", "language"]
SegmentPlace = Literal["system", "user", "either"]
FamilyKind = Literal["template", "reworded", "topical"]


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of fixed text; `position` is where it starts in the prompt, mean over members, 0 to 1.

    sections: where in requests it stood, the most frequent first; empty where `place` says all.
    """

    text: str
    place: SegmentPlace
    position: float
    coverage: float  # share of the family's members that hold it, 0 to 1
    sections: tuple[Section, ...] = ()

    @property
    def where(self) -> str:
        """Where it stood, for people."""
        return ", ".join(self.sections).replace("_", " ") or self.place


@dataclass(frozen=True, slots=True)
class Slot:
    """What varies between two fixed segments; lengths in characters over the members.

    sampled: only some of the members were looked at, so there are at least so many different values.
    """

    distinct: int
    shortest: int
    longest: int
    kind: SlotKind
    sampled: bool = False

    @property
    def count(self) -> str:
        """How many different values there are, for people: 1,234, or 200+ where there may be more."""
        return f"{self.distinct:,}{'+' if self.sampled else ''}"


@dataclass(frozen=True, slots=True)
class Template:
    """Fixed segments and slots in the order they stand in a prompt."""

    parts: tuple[Segment | Slot, ...]

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The fixed parts only."""
        return tuple(p for p in self.parts if isinstance(p, Segment))

    def __str__(self) -> str:
        return " ".join(p.text if isinstance(p, Segment) else SLOT for p in self.parts)


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
    """How far a family has spread; `per_day` maps ISO dates to counts.

    conversations: that the requests were; if not given, each was one.
    """

    accounts: int
    requests: int
    first_seen: datetime
    last_seen: datetime
    per_day: dict[str, DayCount]
    conversations: int = -1

    def __post_init__(self) -> None:
        if self.conversations < 0:
            object.__setattr__(self, "conversations", self.requests)


@dataclass(frozen=True, slots=True)
class Reason:
    """One named contribution to a score, in log-odds, with its plain words.

    phrase: what the accounts do, for a sentence that begins with them; empty for reasons that say nothing of them.
    """

    name: str
    value: float
    contribution: float
    words: str
    phrase: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """A family as it is stored, matched and shared; holds no text that fewer than k accounts sent.

    grams: (g,) uint64, sorted, the n-gram hashes of the template's fixed text.
    weights: (g,) float32, rarity of each gram in nats, 0 for public text; a match's coverage is the weighted share of grams held.
    prototypes: (p, d) float32 unit rows, embeddings of the template's sentences; of a reworded family, the mean of the
    wordings of each thing that it says, without grams; of a topical one, its centre, without template or grams.
    threshold: the lowest match score that counts as a match, 0 to 1.
    variant_of: the family that this is another wording of; what matches it belongs to that family.
    similarity: how much of the prototypes' meaning almost no non-member holds, a mean cosine; 1 = meaning never
    counts. typical_similarity: what half of the non-members hold. word_similarity: how much of it almost no non-member says
    in whatever words (`embedding.word_similarity`); 1 = only the similarity counts.
    requests_seen: its requests on the last night that described it. unsynchronised: those of them that no other
    account's stood near in time, where its accounts act together; 0 where they do not.
    profile: what these requests are like beside their text; None where no night here saw it. It is not exported.
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
    typical_similarity: float = 0.0
    word_similarity: float = 1.0
    requests_seen: int = 0
    unsynchronised: int = 0
    version: int = 1
    score: float = 0.0
    flagged: bool = False
    reasons: tuple[Reason, ...] = ()
    label: str | None = None
    campaign_id: str | None = None
    variant_of: str | None = None
    profile: Profile | None = None


def public_share(signature: Signature) -> float:
    """Return the share of a template's n-grams that many others send, too, 0 to 1; they have no weight."""
    return float((signature.weights == 0).mean()) if len(signature.weights) else 0.0


def is_campaign(label: str | None, *, flagged: bool) -> bool:
    """Tell whether a family counts as a campaign's: what an analyst says decides, and without a label the flag."""
    return label == "campaign" or (label is None and flagged)
