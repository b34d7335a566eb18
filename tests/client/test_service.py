"""The clients ask a real service."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from support.servers import answers, free_port
from support.small_traffic import TEMPLATES, start

from fingerprint.client import Answer, AsyncClient, Client, Options, RequestRefused

SENT = TEMPLATES[0].format("river market engine teacher window garden")
HONEST = "What is the capital of France, please?"
LOOKUPS, AT_ONCE, ROUNDS = 1_000, 16, 3


@pytest.fixture(scope="module")
def options(worked: Path) -> Iterator[Options]:
    """Options that lead to `fingerprint serve`."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    # its log would fill a pipe that nobody reads
    process = start("serve", "--home", worked, "--port", port, stderr=subprocess.DEVNULL)
    try:
        answers(f"{address}/readyz", process)
        yield Options(address, timeout_s=60)
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_answers_are_those_of_the_service(options: Options) -> None:
    body = {"prompt": SENT, "account_id": "a-17", "explain": True}
    plain = httpx2.post(f"{options.address}/v1/lookup", json=body, timeout=30).json()
    with Client(options) as client:
        answer = client.lookup(SENT, account="a-17", explain=True)
        assert answer == Answer.from_json(plain)
        assert answer.match
        assert answer.explanation is not None
        assert answer.explanation.segments
        assert [a.match for a in client.lookup_many([HONEST, SENT])] == [False, True]
        with pytest.raises(RequestRefused, match="status 422"):
            client.lookup({"model": "m"})


def test_a_batch_with_requests_that_cannot_be_read(options: Options) -> None:
    requests = [SENT, {"model": "m"}, HONEST, {"messages": [{"role": "user", "content": SENT}]}]

    async def asked() -> list[Answer]:
        async with AsyncClient(Options(options.address, timeout_s=30, on_failure="open")) as client:
            return await client.lookup_many(requests)

    got = asyncio.run(asked())
    assert [answer.match for answer in got] == [True, False, False, True]
    assert [answer.refused for answer in got] == [False, True, False, False]


async def _cost(ask: object, count: int) -> float:
    """Return the processor's seconds that lookups of AT_ONCE tasks take of this process."""
    numbers = iter(range(count))

    async def worker() -> None:
        for _ in numbers:
            await ask()  # type: ignore[operator]

    began = time.process_time()
    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return time.process_time() - began


async def costs(options: Options) -> tuple[float, float]:
    """Return the least costs of httpx2 alone and of the client, in turns, so that both have the same machine."""
    body = json.dumps({"prompt": SENT, "account_id": "a-17"}).encode()
    async with (
        httpx2.AsyncClient(headers={"content-type": "application/json"}, timeout=30) as http,
        AsyncClient(options) as client,
    ):

        async def bare() -> None:
            json.loads((await http.post(f"{options.address}/v1/lookup", content=body)).content)

        async def ours() -> None:
            await client.lookup(SENT, account="a-17")

        measured = [(await _cost(bare, LOOKUPS), await _cost(ours, LOOKUPS)) for _ in range(ROUNDS)]
    return min(cost for cost, _ in measured), min(cost for _, cost in measured)


@pytest.mark.alone
def test_a_lookup_costs_hardly_more_than_its_http(options: Options) -> None:
    bare, ours = asyncio.run(costs(options))
    assert 0.85 * ours <= bare, f"httpx2 {bare:.2f} s, client {ours:.2f} s"
