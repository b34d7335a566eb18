"""The queue of lookups: batches and single requests side by side."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from support.small_traffic import TEMPLATES

from fingerprint.domain.settings import Home
from fingerprint.matching.live import Live, LookupRequest, answers
from fingerprint.service.http.problems import Problem
from fingerprint.service.serving import batcher
from fingerprint.service.serving.batcher import Batcher

PROMPT = TEMPLATES[0].format("river market engine teacher window garden")
LATER = 3600.0


@pytest.fixture(scope="module")
def live(worked: Path) -> Live:
    found = Live(Home(worked))
    found.refresh(None)
    return found


def many(count: int) -> list[LookupRequest]:
    return [LookupRequest(f"{PROMPT} {n}") for n in range(count)]


def test_a_batch_neither_refuses_nor_holds_up_single_lookups(live: Live) -> None:
    queue = Batcher(live, most_waiting=4)
    until = time.monotonic() + LATER
    ended: list[str] = []

    async def asked() -> None:
        async def batch() -> None:
            found, _ = await queue.ask_all(many(1000), until)
            assert len(found) == 1000
            ended.append("batch")

        async def single(n: int) -> None:
            match, serving = await queue.ask(LookupRequest(f"{PROMPT} {n}"), until)
            assert match == answers(serving.matcher, [LookupRequest(f"{PROMPT} {n}")])[0]
            ended.append("single")

        batches = [asyncio.create_task(batch()) for _ in range(2)]
        while len(queue) < 2000:
            await asyncio.sleep(0)
        await asyncio.gather(*(single(n) for n in range(4)))
        await asyncio.gather(*batches)

    asyncio.run(asked())
    assert ended == ["single"] * 4 + ["batch"] * 2
    assert len(queue) == 0


def test_more_batches_than_are_bearable_are_refused(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batcher, "BATCHED", 100)
    queue = Batcher(live, most_waiting=4)
    until = time.monotonic() + LATER

    async def asked() -> list[object]:
        return await asyncio.gather(
            *(queue.ask_all(many(60), until) for _ in range(2)), return_exceptions=True
        )

    first, second = asyncio.run(asked())
    assert isinstance(first, tuple)
    assert isinstance(second, Problem)
    assert (second.status, second.detail) == (503, "60 lookups wait already")


def test_a_batch_ends_at_its_deadline(live: Live) -> None:
    queue = Batcher(live, most_waiting=4)
    with pytest.raises(Problem, match="the deadline passed"):
        asyncio.run(queue.ask_all(many(40), time.monotonic() - 1))
    assert len(queue) == 0
