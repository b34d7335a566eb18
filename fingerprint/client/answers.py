"""What the service says of a request, as dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

Decision = Literal["observe", "throttle", "mark", "block"]


@dataclass(frozen=True, slots=True)
class FamilyScore:
    """A family that the request matches, too, and how surely, 0 to 1."""

    family_id: str
    score: float


@dataclass(frozen=True, slots=True)
class SegmentCoverage:
    """A fixed segment of the template, and how much of it the request holds, 0 to 1."""

    text: str
    coverage: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why: the template's segments, and the request's own text between those that it holds word for word."""

    segments: tuple[SegmentCoverage, ...]
    slots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one lookup; its fields are those of `POST /v1/lookup`.

    failure: why there was no lookup, where the client was told to decide by itself then; the decision is the client's, and
    all else is empty. None: the service answered. refused: there was none because of the request, such as one without text.
    """

    decision: Decision
    match: bool = False
    family_id: str | None = None
    candidate_id: str | None = None
    label: str | None = None
    campaign_id: str | None = None
    score: float = 0.0
    threshold: float | None = None
    coverage: float | None = None
    similarity: float | None = None
    known_sender: bool | None = None
    also: tuple[FamilyScore, ...] = ()
    rule: str | None = None
    snapshot_id: str | None = None
    explanation: Explanation | None = None
    failure: str | None = None
    refused: bool = False

    @property
    def is_blocked(self) -> bool:
        """Whether the request should not reach the model."""
        return self.decision == "block"

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Answer:
        """Read an answer of the service; fields that a later version adds are left out.

        Raises KeyError, TypeError or ValueError for anything else.
        """
        plain = {name: values[name] for name in _PLAIN if name in values}
        if plain["decision"] not in _DECISIONS:
            raise ValueError(f"one of {', '.join(_DECISIONS)} expected, {plain['decision']!r} found")
        also = tuple(FamilyScore(one["family_id"], one["score"]) for one in values.get("also") or ())
        why = values.get("explanation")
        return cls(**plain, also=also, explanation=None if why is None else _explanation(why))


_DECISIONS = ("observe", "throttle", "mark", "block")
_PLAIN = tuple(f.name for f in fields(Answer) if f.name not in ("also", "explanation", "failure", "refused"))


def _explanation(values: Mapping[str, Any]) -> Explanation:
    segments = tuple(SegmentCoverage(one["text"], one["coverage"]) for one in values["segments"])
    return Explanation(segments, tuple(values["slots"]))
