"""Many requests as batches, each answered from one snapshot; a batch that is refused is asked for again in halves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fingerprint.client.answers import Answer
from fingerprint.client.call import (
    LookupFailed,
    Request,
    RequestRefused,
    answers_of,
    body_of,
    fields_of,
    instead,
)
from fingerprint.client.options import Options
from fingerprint.domain.errors import UsageError


@dataclass(frozen=True, slots=True)
class Part:
    """The requests from `start` to before `end`."""

    start: int
    end: int


class Batches:
    """What is left to ask, and the answers so far, in the order of the requests.

    accounts: who sent each, None where it says so itself; as many as requests. Raises UsageError for any other number.
    """

    def __init__(
        self,
        options: Options,
        requests: Sequence[Request],
        accounts: Sequence[str | None] | None,
        *,
        explain: bool,
    ) -> None:
        if accounts is not None and len(accounts) != len(requests):
            raise UsageError(f"accounts: {len(requests)} expected, {len(accounts)} found")
        self._options, self._requests, self._accounts, self._explain = options, requests, accounts, explain
        self._answers: list[Answer | None] = [None] * len(requests)
        starts = range(0, len(requests), options.batch)
        self._left = [Part(s, min(s + options.batch, len(requests))) for s in reversed(starts)]

    def take(self) -> Part | None:
        """Return what to ask next; None: all is answered."""
        return self._left.pop() if self._left else None

    def body(self, part: Part) -> bytes:
        """Return the body that asks for a part; raises RequestRefused."""
        return body_of(
            {
                "requests": [
                    fields_of(
                        self._requests[n],
                        None if self._accounts is None else self._accounts[n],
                        explain=self._explain,
                    )
                    for n in range(part.start, part.end)
                ]
            }
        )

    def answered(self, part: Part, body: bytes) -> None:
        """Keep the answers to a part; raises LookupFailed."""
        self._answers[part.start : part.end] = answers_of(body, part.end - part.start)

    def failed(self, part: Part, failure: LookupFailed) -> None:
        """Ask for a refused part again in halves, or keep what holds instead of its answers; raises the failure."""
        if isinstance(failure, RequestRefused) and part.end - part.start > 1:
            middle = (part.start + part.end) // 2
            self._left += [Part(middle, part.end), Part(part.start, middle)]
            return
        if isinstance(failure, RequestRefused):
            failure = RequestRefused(f"request {part.start}: {failure}", failure.status)
        self._answers[part.start : part.end] = [instead(self._options, failure)] * (part.end - part.start)

    def answers(self) -> list[Answer]:
        """Return all answers, once nothing is left."""
        return [answer for answer in self._answers if answer is not None]
