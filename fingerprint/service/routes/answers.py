"""What requests and answers of lookups look like, and how a match becomes an answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fingerprint.domain.results import Match
from fingerprint.matching.live import Serving
from fingerprint.service.serving.policy import Decision


class LookupOptions(BaseModel):
    """What is ours in a request to look up."""

    model_config = ConfigDict(strict=True)
    account_id: Annotated[str, Field(min_length=1, max_length=1024)] | int | None = Field(
        None,
        description="who sent it, as the nightly's logs name them; without, what the provider's fields say of it",
    )
    explain: bool = Field(False, description="add the template's segments and the text between them")

    @property
    def account(self) -> str | None:
        """The account as text."""
        return None if self.account_id is None else str(self.account_id)


class LookupBody(LookupOptions):
    """A request to look up: a plain `prompt` with `system`, or a body as any provider takes it.

    It is read as the rows of logs are, so a gateway may send a provider's request as it is; a body without any text is a
    422. These are the fields met most.
    """

    model_config = ConfigDict(extra="allow")
    prompt: Any = Field(None, description="what the user wrote")
    system: Any = Field(None, description="the system prompt, text or Anthropic's blocks")
    messages: Any = Field(None, description="OpenAI chat or Anthropic messages")
    input: Any = Field(None, description="OpenAI Responses: input")
    instructions: Any = Field(None, description="OpenAI Responses: the system prompt")
    contents: Any = Field(None, description="Gemini: contents")


class BatchBody(BaseModel):
    """Requests to look up, answered in their order from one snapshot."""

    requests: list[LookupBody] = Field(min_length=1)


class SegmentBody(BaseModel):
    """A fixed segment of the template, and how much of it the prompt holds, 0 to 1."""

    text: str
    coverage: float


class Explanation(BaseModel):
    """Why: the template's segments, and the prompt's own text between those it holds word for word."""

    segments: list[SegmentBody]
    slots: list[str]


class FamilyScoreBody(BaseModel):
    """A family that the prompt matches, too."""

    family_id: str
    score: float = Field(description="0 to 1")


class Answer(BaseModel):
    """What was found: `family_id` is null without a match, `candidate_id` is the nearest family all the same."""

    match: bool
    family_id: str | None
    candidate_id: str | None
    label: str | None
    campaign_id: str | None
    score: float = Field(description="0 to 1")
    threshold: float | None = Field(description="the lowest score that is a match")
    coverage: float | None = Field(description="share of the template's text that the prompt holds")
    similarity: float | None = Field(description="how much of the template's meaning the prompt holds")
    known_sender: bool | None = Field(description="whether the account sent the family before")
    also: list[FamilyScoreBody] = Field(
        description="the other families that the prompt matches, the best first"
    )
    decision: Literal["observe", "throttle", "mark", "block"]
    rule: str | None = Field(description="the policy's rule that decided")
    snapshot_id: str
    explanation: Explanation | None = None


class BatchAnswer(BaseModel):
    """Answers in the order of the requests."""

    results: list[Answer]
    snapshot_id: str


def answer_of(match: Match, decision: Decision, serving: Serving, *, explain: bool = False) -> dict[str, Any]:
    """Turn a match into what Answer describes; numbers are rounded as `lookup` rounds them."""
    answer: dict[str, Any] = {
        "match": match.family_id is not None,
        "family_id": match.family_id,
        "candidate_id": match.candidate_id,
        "label": match.label,
        "campaign_id": match.campaign_id,
        "score": round(match.score, 9),
        "threshold": match.threshold,
        "coverage": None if match.coverage is None else round(match.coverage, 4),
        "similarity": None if match.similarity is None else round(match.similarity, 4),
        "known_sender": match.known_sender,
        "also": [{"family_id": other.family_id, "score": round(other.score, 9)} for other in match.also],
        "decision": decision.action,
        "rule": decision.rule,
        "snapshot_id": serving.snapshot_id,
    }
    if explain:
        segments = [{"text": s.text, "coverage": s.coverage} for s in match.segments]
        answer["explanation"] = {"segments": segments, "slots": list(match.slots)}
    return answer
