"""A call of the service but for the sending: its body, its time, whether and when it is tried again, and what the answer says.

Waits grow from 50 ms by doubling, with full jitter (Brooker,
"Exponential Backoff and Jitter", AWS 2015), and are never shorter than Retry-After asks for. What would end after the deadline is
not begun.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx2

from fingerprint.client.answers import Answer
from fingerprint.client.options import Options
from fingerprint.domain.errors import FingerprintError

LOOKUP, BATCH = "/v1/lookup", "/v1/lookup/batch"
BUDGET = "x-request-timeout-ms"
FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 2.0
AGAIN = frozenset((408, 425, 429, 500, 502, 503, 504))
"""Statuses after which a further try may help; lookups change nothing, so any may be sent twice."""
OF_REQUEST = frozenset((400, 413, 415, 422))
"""Statuses that say that this request cannot be looked up, whoever asks and however often."""

Read = TypeVar("Read")
Request = Mapping[str, Any] | str
"""A request as its provider takes it, or the text of a prompt."""


class LookupFailed(FingerprintError):
    """The service gave no answer. status: what it said; None: nothing came in time."""

    def __init__(self, words: str, status: int | None = None) -> None:
        super().__init__(words)
        self.status = status


class RequestRefused(LookupFailed):
    """The service cannot read the request: no text in it, too long, no JSON. Others are answered."""


class Call:
    """One call and its tries.

    left(): seconds that remain. headers(): of the next try. failed() and broken() return how many seconds to wait before it,
    and raise LookupFailed where there is none.
    """

    def __init__(
        self,
        options: Options,
        timeout_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._options = options
        self._clock, self._jitter = clock, jitter
        self._timeout_s = timeout_s
        self._until = clock() + timeout_s
        self._tries = 0

    def left(self) -> float:
        """Return the seconds that remain, at least one millisecond."""
        return max(self._until - self._clock(), 0.001)

    def headers(self) -> dict[str, str]:
        """Return the headers of the next try: how long its answer is of use."""
        return {BUDGET: str(max(1, int(self.left() * 1000)))}

    def failed(self, status: int, headers: Mapping[str, str], body: bytes) -> float:
        """Say after which time to try again after an answer that is none; raises LookupFailed."""
        words = f"{self._options.address}: status {status}: {_detail(body)}".rstrip(": ")
        if status in OF_REQUEST:
            raise RequestRefused(words, status)
        if status not in AGAIN:
            raise LookupFailed(words, status)
        return self._wait(words, status, retry_after_s(headers.get("retry-after")))

    def broken(self, error: Exception) -> float:
        """Say after which time to try again where nothing came back; raises LookupFailed."""
        words = f"{self._options.address}: {type(error).__name__}: {error}".rstrip(": ")
        return self._wait(words, None, 0.0)

    def ended(self) -> LookupFailed:
        """Return the error that says that time is over."""
        return LookupFailed(f"{self._options.address}: no answer within {self._timeout_s:g} s")

    def _wait(self, words: str, status: int | None, asked_s: float) -> float:
        longest = min(FIRST_WAIT_S * 2.0**self._tries, LONGEST_WAIT_S)
        self._tries += 1
        wait = max(longest * self._jitter(), asked_s)
        if self._tries > self._options.retries:
            raise LookupFailed(f"{words} ({self._tries} tries)", status)
        if wait >= self._until - self._clock():
            raise LookupFailed(f"{words} (a further try would come after {self._timeout_s:g} s)", status)
        return wait


class Posts:
    """Makes a client's HTTP requests; what is the same in all of them is worked out once.

    is_timed: each part of a request may take as long as its call has left; False where the sender bounds it as a whole.
    """

    def __init__(self, options: Options, *, is_timed: bool) -> None:
        self._is_timed = is_timed
        self._urls = {path: httpx2.URL(options.url + path) for path in (LOOKUP, BATCH)}
        self._headers = options.headers

    def to(self, path: str, body: bytes, call: Call) -> httpx2.Request:
        """Return the next try of a call."""
        timeout_s = call.left() if self._is_timed else None
        return httpx2.Request(
            "POST",
            self._urls[path],
            headers={**self._headers, **call.headers()},
            content=body,
            extensions={"timeout": httpx2.Timeout(timeout_s).as_dict()},
        )


def retry_after_s(value: str | None) -> float:
    """Read Retry-After, seconds or a date (RFC 9110, 10.2.3); 0 for none, or for what is neither."""
    if value is None:
        return 0.0
    if value.strip().isascii() and value.strip().isdigit():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


def fields_of(request: Request, account: str | None, *, explain: bool) -> dict[str, Any]:
    """Return the JSON object that asks for a request; account: who sent it, None where the request says so itself."""
    fields: dict[str, Any] = {"prompt": request} if isinstance(request, str) else dict(request)
    if account is not None:
        fields["account_id"] = account
    if explain:
        fields["explain"] = True
    return fields


def body_of(fields: Mapping[str, Any]) -> bytes:
    """Return a body as JSON; raises RequestRefused for what JSON has no words for."""
    try:
        try:
            return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
        except UnicodeEncodeError:  # half of a surrogate pair; JSON has an escape for it, UTF-8 has none
            return json.dumps(fields, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise RequestRefused(f"a request that JSON can say expected: {error}") from None


def answer_of(body: bytes) -> Answer:
    """Read the answer to a lookup; raises LookupFailed."""
    return _read(body, Answer.from_json)


def answers_of(body: bytes, count: int) -> list[Answer]:
    """Read the answers to a batch of `count` requests; raises LookupFailed."""
    answers = _read(body, lambda values: [Answer.from_json(one) for one in values["results"]])
    if len(answers) != count:
        raise LookupFailed(f"{count} answers expected, {len(answers)} found", 200)
    return answers


def _read(body: bytes, how: Callable[[Any], Read]) -> Read:
    try:
        return how(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        words = f"an answer of the service expected, something else found ({type(error).__name__}: {error})"
        raise LookupFailed(words, 200) from None


def instead(options: Options, failure: LookupFailed) -> Answer:
    """Return the answer that holds without the service's; raises the failure where none does."""
    if options.on_failure == "raise":
        raise failure
    decision: Any = "observe" if options.on_failure == "open" else "block"
    return Answer(decision, failure=str(failure), refused=isinstance(failure, RequestRefused))


def _detail(body: bytes) -> str:
    """Return what a problem (RFC 9457) says, in one line of at most 200 characters."""
    try:
        detail = json.loads(body)["detail"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return " ".join(str(detail).split())[:200]
