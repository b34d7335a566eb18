"""The middleware before a Starlette application, with a scripted service behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from support.scripted_service import ANSWER, Script, Step, scripted
from support.servers import free_port

from fingerprint.client import AsyncClient, LookupMiddleware, Options
from fingerprint.client.middleware import MOST

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


def by_text(body: Any) -> Step:
    """Block what says "blocked", refuse what has no text, mark all else."""
    if "messages" not in body:
        return 422, {}, {"detail": "no text"}
    blocked = "blocked" in json.dumps(body["messages"])
    return 200, {}, {**ANSWER, "decision": "block" if blocked else "mark"}


@contextmanager
def application(address: str, *, on_failure: Any = "open", **settings: Any) -> Iterator[TestClient]:
    """Answer with what the application saw: the body, and the decision."""

    async def echo(request: Request) -> JSONResponse:
        body = await request.body()
        answer = getattr(request.state, "fingerprint", None)
        return JSONResponse({"body": body.decode(errors="replace"), "decision": answer and answer.decision})

    app = Starlette(
        routes=[
            Route("/v1/chat/completions", echo, methods=["GET", "POST"]),
            Route("/x", echo, methods=["POST"]),
        ]
    )
    app.add_middleware(
        LookupMiddleware,
        client=AsyncClient(Options(address, on_failure=on_failure, retries=0, timeout_s=20)),
        account=lambda scope: dict(scope["headers"]).get(b"x-account-id", b"nobody").decode(),
        **settings,
    )
    with TestClient(app) as client:
        yield client


@pytest.fixture
def service() -> Iterator[Script]:
    with scripted(by_body=by_text) as script:
        yield script


def test_the_application_gets_body_and_decision(service: Script) -> None:
    with application(service.address) as client:
        got = client.post("/v1/chat/completions", json=BODY, headers={"x-account-id": "a-1"})
    assert json.loads(got.json()["body"]) == BODY
    assert got.json()["decision"] == "mark"
    assert service.asked[0].body == {**BODY, "account_id": "a-1"}


def test_what_is_blocked_never_reaches_it(service: Script) -> None:
    body = {"messages": [{"role": "user", "content": "to be blocked"}]}
    with application(service.address, reason="Not here.") as client:
        got = client.post("/v1/chat/completions", json=body)
    assert got.status_code == 403
    assert got.headers["content-type"] == "application/problem+json"
    assert got.json()["detail"] == "Not here."


def test_other_routes_and_methods_are_not_looked_up(service: Script) -> None:
    with application(service.address) as client:
        assert client.post("/x", json=BODY).json()["decision"] is None
        assert client.get("/v1/chat/completions").json()["decision"] is None
    assert service.asked == []


@pytest.mark.parametrize(("unparsed", "status"), [("pass", 200), ("block", 403)])
@pytest.mark.parametrize("on_failure", ["raise", "open", "closed"])
@pytest.mark.parametrize("body", [b'{"model": "m"}', b"{", b"[1]", b"\xff\xfe", b"x" * (MOST + 1)])
def test_what_cannot_be_looked_up_is_let_through_or_not(
    service: Script, unparsed: str, status: int, on_failure: str, body: bytes
) -> None:
    with application(service.address, unparsed=unparsed, on_failure=on_failure) as client:
        got = client.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    assert got.status_code == status


def test_a_long_body_arrives_whole(service: Script) -> None:
    body = b"x" * (MOST + 100_000)

    async def sizes(request: Request) -> JSONResponse:
        return JSONResponse(len(await request.body()))

    app = Starlette(routes=[Route("/v1/messages", sizes, methods=["POST"])])
    app.add_middleware(LookupMiddleware, client=AsyncClient(Options(service.address)))
    with TestClient(app) as client:
        assert client.post("/v1/messages", content=body).json() == len(body)


@pytest.mark.parametrize(("on_failure", "status"), [("open", 200), ("closed", 403)])
def test_without_a_service_it_does_as_the_client_was_told(on_failure: str, status: int) -> None:
    with application(f"http://127.0.0.1:{free_port()}", on_failure=on_failure) as client:
        assert client.post("/v1/chat/completions", json=BODY).status_code == status
