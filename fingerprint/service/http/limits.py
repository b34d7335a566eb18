"""What a request may take: bytes of its body, and time."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import Request

from fingerprint.service.http.config import Config
from fingerprint.service.http.headers import header_of
from fingerprint.service.http.problems import Problem

Take = Callable[[int], None]

ENVOY_BUDGET = "x-envoy-expected-rq-timeout-ms"
BUDGET = "x-request-timeout-ms"
_BUDGETS = (ENVOY_BUDGET.encode(), BUDGET.encode())
MARGIN = 0.8
"""Share of a caller's time that lookups may take: the answer must still travel."""


def _uncounted(_size: int) -> None:
    """Count nothing."""


async def body_of(request: Request, most: int, take: Take = _uncounted) -> bytes:
    """Read a request's body; raises Problem 413 as soon as it is known to be longer than `most` bytes."""
    declared = header_of(request, b"content-length") or ""
    body, whole = (b"", False) if _longer(declared, most) else await beginning_of(request, most, take)
    if not whole:
        raise Problem(413, f"a body of at most {most:,} bytes expected")
    return body


def _longer(declared: str, most: int) -> bool:
    return declared.isdigit() and int(declared[:20]) > most


async def beginning_of(request: Request, most: int, take: Take = _uncounted) -> tuple[bytes, bool]:
    """Read up to `most` bytes of a request's body; tells whether that is all of it.

    take: called with the size of each part before it is kept; it raises where there are too many.
    """
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        take(len(part))
        size += len(part)
        parts.append(part)
        if size > most:
            return b"".join(parts)[:most], False
    return b"".join(parts), True


async def json_bytes_of(request: Request, config: Config, take: Take = _uncounted) -> bytes:
    """Read a request's body, which should be JSON; raises Problem 413 or 415."""
    kind = header_of(request, b"content-type")
    if kind is not None and kind.partition(";")[0].strip().lower() != "application/json":
        # also what keeps other sites' forms out: browsers ask before they send JSON across
        raise Problem(415, "a body of type application/json expected")
    return await body_of(request, config.max_body, take)


def deadline_of(request: Request, budget_ms: int) -> float:
    """Return until when an answer is of use, on the monotonic clock: the caller's budget or ours, whichever is less."""
    budget = budget_ms / 1000
    for header in _BUDGETS:
        given = header_of(request, header)
        if given is not None and given.isdecimal() and len(given) < 9:
            budget = min(budget, int(given) / 1000 * MARGIN)
    began: float = request.scope.get("fingerprint.began", time.monotonic())
    return began + budget
