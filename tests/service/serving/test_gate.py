"""Every route asks for a key before it reads a body, and every body ends at a limit."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from support.routes import all_routes
from support.service_client import Running, running

from fingerprint.service.http.problems import Problem, response
from fingerprint.service.serving.gate import FIELDS, MOST, MOST_OF, OPEN, Door, Gate, doors_of
from fingerprint.service.serving.sessions import COOKIE


@dataclass
class Asked:
    """One request to the application itself, which counts how much of its body is read."""

    app: FastAPI
    status: int = 0
    read: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, method: str, path: str, parts: list[bytes], **headers: str) -> Asked:
        """Send a body in parts; without a length, as chunked ones have none."""
        waiting = iter(parts)

        async def receive() -> dict[str, Any]:
            part = next(waiting, None)
            if part is None:
                return {"type": "http.disconnect"}
            self.read += len(part)
            return {"type": "http.request", "body": part, "more_body": True}

        async def answer(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.headers = {n.decode(): v.decode() for n, v in message["headers"]}

        raw = {"host": "127.0.0.1:8765", "transfer-encoding": "chunked", **headers}
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "http_version": "1.1",
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8765),
            "headers": [(n.replace("_", "-").encode(), v.encode()) for n, v in raw.items()],
        }
        asyncio.run(self.app(scope, receive, answer))  # type: ignore[arg-type]
        return self


PARTS = [b"[" * 65_536] * 1000


@pytest.fixture(scope="module")
def closed(worked: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service with a key, so that whoever has none is nobody."""
    import shutil

    home = Path(shutil.copytree(worked, tmp_path_factory.mktemp("gate") / "home"))
    with running(home) as service:
        service.key("admin")
        yield service


def routes_of(service: Running) -> list[tuple[str, str]]:
    app: Any = service.client.app
    found = list(all_routes(app.routes))
    assert len(found) >= 40
    return found


def test_without_a_key_no_route_reads_a_byte(closed: Running) -> None:
    for method, path in routes_of(closed):
        if path in OPEN:
            continue
        for headers in ({}, {"x_api_key": "fpk_aaaaaaaaaa_" + "0" * 64}, {"cookie": f"{COOKIE}={'0' * 64}"}):
            asked = Asked(closed.client.app).send(  # type: ignore[arg-type]
                method, path, PARTS, content_type="application/json", **headers
            )
            assert asked.read == 0, (method, path, headers)
            assert asked.status in (401, 503, 303), (method, path, headers)


def test_with_a_key_every_body_ends_at_its_limit(closed: Running) -> None:
    key = closed.key("admin")["x-api-key"]
    most = closed.service.config.max_body + 65_536
    for method, path in routes_of(closed):
        for kind in (
            "application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
        ):
            asked = Asked(closed.client.app).send(  # type: ignore[arg-type]
                method, path, PARTS, content_type=kind, x_api_key=key, x_fingerprint_key=key
            )
            assert asked.read <= most, (method, path, kind)
            assert asked.status < 500 or (asked.status == 503 and "retry-after" in asked.headers)


@pytest.mark.parametrize("path", ["/login", "/act", "/v1/families/x/labels"])
def test_a_long_body_is_refused_by_what_it_declares(closed: Running, path: str) -> None:
    key = closed.key("admin")["x-api-key"]
    asked = Asked(closed.client.app).send(  # type: ignore[arg-type]
        "POST", path, PARTS, content_length=str(len(PARTS[0]) * len(PARTS)), x_api_key=key
    )
    assert (asked.status, asked.read) == (413, 0)


def test_forms_have_a_bounded_number_of_fields(closed: Running) -> None:
    key = closed.key("admin")
    body = "&".join(["family=x"] * (FIELDS + 1))
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert closed.client.post("/act", content=body, headers={**key, **kind}).status_code == 413
    assert max(MOST_OF.values()) < MOST


def test_a_route_of_which_nobody_said_who_may_use_it_is_no_route() -> None:
    router = APIRouter()

    @router.post("/forgotten")
    def forgotten() -> None:
        """Do something."""

    with pytest.raises(ValueError, match="/forgotten: Depends"):
        doors_of(router.routes, lambda _request, problem: response(problem), own=frozenset())


def test_log_in_checks_where_it_comes_from_and_waits_after_wrong_keys(home: Path) -> None:
    with running(home) as service:
        key = service.key("read")["x-api-key"]
        elsewhere = {"origin": "http://evil.example"}
        for headers in (elsewhere, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
            assert service.client.post("/login", data={"key": key}, headers=headers).status_code == 403
        wrong = [service.client.post("/login", data={"key": "fpk_x"}).status_code for _ in range(12)]
        assert wrong == [401] * 10 + [429] * 2
        # others behind the same address need not wait, nor does one key for another
        assert service.client.post("/login", data={"key": key}).status_code == 303
        mistyped = key[:-1] + ("0" if key[-1] != "0" else "1")
        wrong = [service.client.post("/login", data={"key": mistyped}).status_code for _ in range(12)]
        assert wrong == [401] * 10 + [429] * 2
        assert "retry-after" in service.client.post("/login", data={"key": key}).headers
        other = service.key("read")["x-api-key"]
        assert service.client.post("/login", data={"key": other}).status_code == 303


@pytest.mark.parametrize(
    "where", ["/\t/evil.example", "/\n/evil.example", "/x\\y", "/\\evil", "//evil", "http:x"]
)
def test_log_in_leads_to_local_pages_only(closed: Running, where: str) -> None:
    key = closed.key("read")["x-api-key"]
    got = closed.client.post("/login", data={"key": key, "next": where})
    assert got.headers["location"] == "/"


def test_what_a_refused_request_held_is_free_at_once() -> None:
    class Large:
        pass

    kept: list[weakref.ref[Large]] = []

    async def handler(request: Request) -> Response:
        read = Large()
        kept.append(weakref.ref(read))
        raise Problem(422, "the body is not as expected")

    async def nothing(*_: Any) -> Any:
        return {"type": "http.request", "body": b""}

    route = APIRoute("/v1/lookup", handler, methods=["POST"])
    door = Door(route, None, True, handler, 0, lambda _, problem: Response(status_code=problem.status))
    scope = {"type": "http", "method": "POST", "path": "/v1/lookup", "headers": []}
    gc.disable()
    try:
        asyncio.run(Gate(nothing, [door])(scope, nothing, nothing))
    finally:
        gc.enable()
    assert [reference() for reference in kept] == [None]
