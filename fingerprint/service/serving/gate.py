"""The gate before all routes: who asks is known, and may, before a byte of a body is read; and every body ends at a limit.

A route says which scope it needs by a dependency, `Required`; one that says nothing and is not among OPEN is refused when
the application is made. So no route can be forgotten.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fingerprint.domain import vocabulary
from fingerprint.domain.errors import FingerprintError
from fingerprint.service.http.limits import body_of
from fingerprint.service.http.problems import Problem, problem_of
from fingerprint.service.serving.auth import WHO, Required, permitted
from fingerprint.service.serving.sessions import CSRF_FIELD, CSRF_HEADER, SAFE, Session, require_csrf

OPEN = frozenset(("/livez", "/readyz", "/login", "/v1/openapi.json", "/docs", "/static"))
"""What needs no key."""

MOST = 1 << 20
"""Bytes of a body, where nothing else is said: a form of the console with a long template, or a prompt to try."""

MOST_OF = {"/login": 8_192, "/v1/families/{family_id}/labels": 65_536}
"""Bytes of a body where less will do."""

FIELDS = 2_000
"""Fields of a form: the queue sends one for each of its families."""

Refused = Callable[[Request, Problem], Response]
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Door:
    """How a route is entered.

    scope: what its key must have; None: anybody. own: the route reads its body itself, within bounds, and asks for its key,
    if `scope` does not. handler: of such a route, which is called without FastAPI's way to it (D-286). most: bytes of a
    body that any other may get. refused: what those see who are not let in.
    """

    route: BaseRoute
    scope: vocabulary.Scope | None
    own: bool
    handler: Handler | None
    most: int
    refused: Refused


def doors_of(routes: Iterable[BaseRoute], refused: Refused, *, own: frozenset[str]) -> list[Door]:
    """Make the doors of some routes; own: paths of those that read their bodies themselves, and need but the request.

    Raises ValueError for a route of which nobody said who may use it.
    """
    made = []
    for route in routes:
        path: str = getattr(route, "path", "")
        scope = _scope_of(route)
        if scope is None and path not in OPEN | own:
            raise ValueError(f"{path}: Depends(Required(scope)) expected, no scope found")
        handler = route.endpoint if path in own and isinstance(route, APIRoute) else None
        made.append(Door(route, scope, path in own, handler, MOST_OF.get(path, MOST), refused))
    return made


def _scope_of(route: BaseRoute) -> vocabulary.Scope | None:
    if not isinstance(route, APIRoute):
        return None
    return next((call.scope for call in _calls(route.dependant) if isinstance(call, Required)), None)


def _calls(dependant: Dependant) -> Iterator[object]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from _calls(inner)


class Gate:
    """ASGI middleware that lets requests in by the doors of all routes; what has no door is answered unread."""

    def __init__(self, app: ASGIApp, doors: Iterable[Door]) -> None:
        self.app = app
        self._doors = list(doors)
        self._plain: dict[tuple[str, str], Door] = {}
        for door in self._doors:
            path = getattr(door.route, "path", "")
            for method in getattr(door.route, "methods", None) or ():
                if "{" not in path:
                    self._plain.setdefault((method, path), door)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or say why not."""
        door = self._door(scope) if scope["type"] == "http" else None
        if door is None:
            await self.app(scope, receive, send)
            return
        try:
            receive = await _entered(door, scope, receive)
            answer = None if door.handler is None else await _handled(door, door.handler, scope, receive)
        except (Problem, FingerprintError) as error:
            scope["route"] = door.route  # as the router would, for logs and metrics
            # no name is left for the error: with its traceback it would keep this frame, and the body, until a collection
            answer = door.refused(
                Request(scope, receive), error if isinstance(error, Problem) else problem_of(error)
            )
        await (self.app if answer is None else answer)(scope, receive, send)

    def _door(self, scope: Scope) -> Door | None:
        door = self._plain.get((scope["method"], scope["path"]))
        if door is not None:
            return door
        return next((d for d in self._doors if d.route.matches(scope)[0] is Match.FULL), None)


async def _handled(door: Door, handler: Handler, scope: Scope, receive: Receive) -> Response:
    scope["route"] = door.route  # as the router would, for logs and metrics
    return await handler(Request(scope, receive))


async def _entered(door: Door, scope: Scope, receive: Receive) -> Receive:
    """Let a request in; returns from where its route reads the body. Raises Problem and StoreError."""
    request = Request(scope, receive)
    session: Session | None = None
    if door.scope is not None:
        who = scope[WHO] = await permitted(request, door.scope)
        session = who.session
    changes = session is not None and request.method not in SAFE
    if door.own:
        if changes and session is not None:
            require_csrf(session, request, None)
        return receive
    if not {"content-length", "transfer-encoding"}.intersection(request.headers):
        body = b""
    else:
        body = await body_of(request, door.most)
    form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    if form and body.count(b"&") >= FIELDS:
        raise Problem(413, f"at most {FIELDS:,} fields expected")
    if changes and session is not None:
        field = None
        if form and CSRF_HEADER not in request.headers:
            value: Any = (await Request(scope, _again(body, receive)).form()).get(CSRF_FIELD)
            field = value if isinstance(value, str) else None
        require_csrf(session, request, field)
    return _again(body, receive)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body which was read already, and then waits as the first one would."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
