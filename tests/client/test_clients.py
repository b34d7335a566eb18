"""Both clients against a server that answers by a script: tries, waits, deadlines, batches, and what holds without an answer."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from support.scripted_service import ANSWER, Step, scripted
from support.servers import free_port

from fingerprint.client import Answer, AsyncClient, Client, FamilyScore, LookupFailed, Options, RequestRefused
from fingerprint.domain.errors import UsageError

One = Callable[..., Answer]


def one_sync(options: Options, request: Any, **more: Any) -> Answer:
    with Client(options) as client:
        return client.lookup(request, **more)


def one_async(options: Options, request: Any, **more: Any) -> Answer:
    async def asked() -> Answer:
        async with AsyncClient(options) as client:
            return await client.lookup(request, **more)

    return asyncio.run(asked())


def many_sync(options: Options, requests: Sequence[Any], **more: Any) -> list[Answer]:
    with Client(options) as client:
        return client.lookup_many(requests, **more)


def many_async(options: Options, requests: Sequence[Any], **more: Any) -> list[Answer]:
    async def asked() -> list[Answer]:
        async with AsyncClient(options) as client:
            return await client.lookup_many(requests, **more)

    return asyncio.run(asked())


both = pytest.mark.parametrize("one", [one_sync, one_async])
both_many = pytest.mark.parametrize("many", [many_sync, many_async])
BUSY: Step = (503, {"retry-after": "0"}, {"detail": "512 lookups wait already"})


@both
def test_what_is_sent_and_what_comes_back(one: One) -> None:
    with scripted() as service:
        options = Options(service.address, key="fpk_a_b", timeout_s=600)
        answer = one(
            options, {"messages": [{"role": "user", "content": "Hi \ud800 é"}]}, account="a-1", explain=True
        )
    (asked,) = service.asked
    assert asked.path == "/v1/lookup"
    assert asked.headers["x-api-key"] == "fpk_a_b"
    assert 500_000 < int(asked.headers["x-request-timeout-ms"]) <= 600_000
    assert asked.body == {
        "messages": [{"role": "user", "content": "Hi \ud800 é"}],
        "account_id": "a-1",
        "explain": True,
    }
    assert answer == Answer(
        "block",
        True,
        "f1",
        "f1",
        "campaign",
        "c1",
        0.9,
        0.5,
        0.8,
        0.7,
        False,
        (FamilyScore("f2", 0.6),),
        "known",
        "s1",
    )
    assert answer.is_blocked


@both
def test_a_busy_service_is_asked_again_after_the_time_it_names(one: One) -> None:
    with scripted((503, {"retry-after": "1"}, {}), (200, {}, ANSWER)) as service:
        assert one(Options(service.address, timeout_s=20), "p").match
    first, second = service.asked
    assert second.at - first.at >= 1
    assert int(second.headers["x-request-timeout-ms"]) < int(first.headers["x-request-timeout-ms"])


@both
def test_it_is_given_up_after_the_last_retry(one: One) -> None:
    with (
        scripted(BUSY) as service,
        pytest.raises(LookupFailed, match=r"status 503: 512 lookups .*\(3 tries\)") as got,
    ):
        one(Options(service.address, timeout_s=20), "p")
    assert got.value.status == 503
    assert len(service.asked) == 3


@both
def test_no_try_begins_that_would_end_too_late(one: One) -> None:
    with scripted((503, {"retry-after": "90"}, {})) as service:
        began = time.monotonic()
        with pytest.raises(LookupFailed, match="a further try would come after 60 s"):
            one(Options(service.address, timeout_s=60), "p")
    assert time.monotonic() - began < 60, "it did not wait for what would be too late"
    assert len(service.asked) == 1


@both
def test_a_deadline_ends_a_slow_answer(one: One) -> None:
    held = threading.Event()  # nothing is answered before it is set
    with scripted(held=held) as service:
        with pytest.raises(LookupFailed):
            one(Options(service.address, retries=0), "p", timeout_s=0.3)
        held.set()


@both
@pytest.mark.parametrize(("on_failure", "decision"), [("open", "observe"), ("closed", "block")])
def test_without_a_service_the_client_decides_as_it_was_told(
    one: One, on_failure: Any, decision: str
) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    answer = one(Options(address, on_failure=on_failure), "p")
    assert answer.decision == decision
    assert answer.failure is not None
    assert "Connect" in answer.failure
    assert not answer.refused
    with pytest.raises(LookupFailed, match="Connect"):
        one(Options(address), "p")


@both
@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_key_is_not_tried_again(one: One, status: int) -> None:
    with scripted((status, {}, {"detail": "no such key"})) as service:
        with pytest.raises(LookupFailed, match=f"status {status}: no such key"):
            one(Options(service.address), "p")
        assert one(Options(service.address, on_failure="closed"), "p").is_blocked
    assert len(service.asked) == 2


@both
def test_a_request_that_cannot_be_looked_up_says_so(one: One) -> None:
    with scripted((422, {}, {"detail": "no text"})) as service:
        with pytest.raises(RequestRefused, match="no text"):
            one(Options(service.address), {"x": 1})
        answer = one(Options(service.address, on_failure="open"), {"x": 1})
        assert (answer.refused, answer.decision) == (True, "observe")
        with pytest.raises(RequestRefused, match="that JSON can say"):
            one(Options(service.address), {"x": object()})
    assert len(service.asked) == 2


@both
@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[]", b'{"decision": "wave"}', b"\xff", b"[" * 200_000])
def test_an_answer_of_something_else_is_no_answer(one: One, body: bytes) -> None:
    with scripted((200, {}, body)) as service:
        assert one(Options(service.address, on_failure="closed"), "p").is_blocked
        with pytest.raises(LookupFailed, match="an answer of the service expected"):
            one(Options(service.address), "p")


def numbered(body: Any) -> Step:
    """Answer a batch, each request with its number as family; one with "bad" among them is refused."""
    prompts = [one["prompt"] for one in body["requests"]]
    if any("bad" in prompt for prompt in prompts):
        return 422, {}, {"detail": "no text"}
    return 200, {}, {"results": [{**ANSWER, "family_id": prompt} for prompt in prompts], "snapshot_id": "s"}


@both_many
def test_many_are_asked_in_batches_and_answered_in_order(many: Callable[..., list[Answer]]) -> None:
    prompts = [f"p{n}" for n in range(25)]
    with scripted(by_body=numbered) as service:
        answers = many(Options(service.address, batch=10), prompts, accounts=["a"] * 25)
        assert many(Options(service.address), []) == []
    assert [answer.family_id for answer in answers] == prompts
    assert [len(asked.body["requests"]) for asked in service.asked] == [10, 10, 5]
    assert service.asked[0].body["requests"][0] == {"prompt": "p0", "account_id": "a"}


@both_many
def test_one_bad_request_takes_no_other_with_it(many: Callable[..., list[Answer]]) -> None:
    prompts = [f"p{n}" for n in range(20)]
    prompts[3] = prompts[17] = "bad"
    with scripted(by_body=numbered) as service:
        answers = many(Options(service.address, on_failure="open"), prompts)
        assert [n for n, answer in enumerate(answers) if answer.refused] == [3, 17]
        assert all(a.family_id == p for a, p in zip(answers, prompts, strict=True) if p != "bad")
        assert answers[17].failure is not None
        assert answers[17].failure.startswith("request 17: ")
        with pytest.raises(RequestRefused, match="request 3: "):
            many(Options(service.address), prompts)


@both_many
def test_a_short_batch_answer_and_wrong_numbers_are_errors(many: Callable[..., list[Answer]]) -> None:
    with scripted((200, {}, {"results": [ANSWER]})) as service:
        with pytest.raises(LookupFailed, match="2 answers expected, 1 found"):
            many(Options(service.address), ["a", "b"])
        with pytest.raises(UsageError, match="accounts: 2 expected, 1 found"):
            many(Options(service.address), ["a", "b"], accounts=["x"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "localhost:8765"},
        {"address": "unix:"},
        {"on_failure": "ignore"},
        {"timeout_s": 0},
        {"retries": -1},
        {"batch": 0},
    ],
)
def test_options_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Options(**wrong)


def test_a_key_is_not_shown() -> None:
    assert "fpk" not in repr(Options(key="fpk_a_b"))
