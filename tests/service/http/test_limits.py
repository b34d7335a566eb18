"""Bodies end at their limit, and an answer is due within the less of the caller's time and ours."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.service.http.config import Config
from fingerprint.service.http.limits import (
    BUDGET,
    ENVOY_BUDGET,
    MARGIN,
    beginning_of,
    body_of,
    deadline_of,
    json_bytes_of,
)
from fingerprint.service.http.problems import Problem


def request(parts: list[bytes] | None = None, began: float | None = None, **headers: str) -> Request:
    """A request whose body arrives in these parts."""
    messages = (
        [
            {"type": "http.request", "body": part, "more_body": n + 1 < len(parts)}
            for n, part in enumerate(parts or [b""])
        ]
        if parts
        else [{"type": "http.request", "body": b"", "more_body": False}]
    )
    waiting = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(waiting)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/", "headers": raw}
    if began is not None:
        scope["fingerprint.began"] = began
    return Request(scope, receive)


@given(parts=st.lists(st.binary(max_size=8), min_size=1, max_size=6), most=st.integers(0, 30))
def test_the_beginning_of_a_body(parts: list[bytes], most: int) -> None:
    whole = b"".join(parts)
    beginning, is_all = asyncio.run(beginning_of(request(parts), most))
    assert (beginning, is_all) == (whole[:most], len(whole) <= most)
    if len(whole) <= most:
        assert asyncio.run(body_of(request(parts), most)) == whole
        return
    with pytest.raises(Problem) as refused:
        asyncio.run(body_of(request(parts), most))
    assert refused.value.status == 413


def test_a_declared_length_is_refused_before_a_byte_is_read() -> None:
    never_read = request([], content_length="31")
    with pytest.raises(Problem) as refused:
        asyncio.run(body_of(never_read, 30))
    assert refused.value.status == 413
    assert asyncio.run(body_of(request([b"x"], content_length="nonsense"), 30)) == b"x"
    assert asyncio.run(beginning_of(request([b"x" * 31], content_length="31"), 30)) == (b"x" * 30, False)


def test_bodies_that_should_be_json() -> None:
    config = Config("")
    for kind in ({}, {"content_type": "application/JSON; charset=utf-8"}):
        assert asyncio.run(json_bytes_of(request([b'{"a', b'":1}'], **kind), config)) == b'{"a":1}'
    with pytest.raises(Problem) as refused:
        asyncio.run(json_bytes_of(request([b"{}"], content_type="text/plain"), config))
    assert refused.value.status == 415


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 1.0),
        ({BUDGET: "500"}, 0.5 * MARGIN),
        ({ENVOY_BUDGET: "300", BUDGET: "500"}, 0.3 * MARGIN),
        ({BUDGET: "60000"}, 1.0),
        ({BUDGET: "0"}, 0.0),
        # what is no number of milliseconds is not believed
        ({BUDGET: "-5"}, 1.0),
        ({BUDGET: "1e3"}, 1.0),
        ({BUDGET: "\u00b2"}, 1.0),
        ({BUDGET: "9" * 9}, 1.0),
    ],
)
def test_deadlines(headers: dict[str, str], seconds: float) -> None:
    assert deadline_of(request(began=100.0, **headers), 1000) == pytest.approx(100.0 + seconds)
    before = time.monotonic()
    assert before <= deadline_of(request(**headers), 1000) - seconds <= time.monotonic()
