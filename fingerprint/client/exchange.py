"""What both clients do, step by step, but for the sending and the waiting, so that they cannot differ.

Each function is a generator: it yields what is to be done next, a `Try` or how many seconds to wait, is sent what came of a try,
and returns the answers. `synchronous.py` and `asynchronous.py` run such steps, each in its own way.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import httpx2

from fingerprint.client.answers import Answer
from fingerprint.client.batches import Batches
from fingerprint.client.call import (
    BATCH,
    LOOKUP,
    Call,
    LookupFailed,
    Posts,
    Request,
    answer_of,
    body_of,
    fields_of,
    instead,
)
from fingerprint.client.options import Options

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Try:
    """A request to send, and the seconds that its answer may take in all."""

    request: httpx2.Request
    timeout_s: float


Outcome = httpx2.Response | httpx2.HTTPError | TimeoutError | None
"""What came of a try; TimeoutError: its time is over; None: of a wait."""

Steps = Generator[Try | float, Outcome, Result]


class Exchange:
    """Makes the steps of a client's lookups; is_timed: as `Posts` has it."""

    def __init__(self, options: Options, *, is_timed: bool) -> None:
        self._options = options
        self._posts = Posts(options, is_timed=is_timed)

    def one(
        self, request: Request, account: str | None, *, explain: bool, timeout_s: float | None
    ) -> Steps[Answer]:
        """Look one request up; raises LookupFailed or answers what the options' on_failure says."""
        try:
            body = body_of(fields_of(request, account, explain=explain))
            return answer_of((yield from self._sent(LOOKUP, body, timeout_s or self._options.timeout_s)))
        except LookupFailed as failure:
            return instead(self._options, failure)

    def many(
        self, requests: Sequence[Request], accounts: Sequence[str | None] | None, *, explain: bool
    ) -> Steps[list[Answer]]:
        """Look requests up in batches, one after another."""
        batches = Batches(self._options, requests, accounts, explain=explain)
        while (part := batches.take()) is not None:
            try:
                body = yield from self._sent(BATCH, batches.body(part), self._options.batch_timeout_s)
                batches.answered(part, body)
            except LookupFailed as failure:
                batches.failed(part, failure)
        return batches.answers()

    def _sent(self, path: str, body: bytes, timeout_s: float) -> Steps[bytes]:
        call = Call(self._options, timeout_s)
        while True:
            outcome = yield Try(self._posts.to(path, body, call), call.left())
            if isinstance(outcome, httpx2.Response):
                if outcome.status_code == 200:
                    return outcome.content
                yield call.failed(outcome.status_code, outcome.headers, outcome.content)
            elif isinstance(outcome, httpx2.HTTPError):
                yield call.broken(outcome)
            else:
                raise call.ended()
