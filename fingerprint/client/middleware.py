"""ASGI middleware, for FastAPI, Starlette and others: requests to a model are looked up before the application gets them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import replace
from typing import Any, Literal

from fingerprint.client.answers import Answer
from fingerprint.client.asynchronous import AsyncClient
from fingerprint.client.call import RequestRefused

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages")
MOST = 16 * 1024 * 1024
"""Bytes of a body that the service reads."""
REASON = "This request is not permitted by the usage policy."
STATE = "fingerprint"


class LookupMiddleware:
    """Looks up every POST to a path of `paths`, and answers 403 itself where the decision is to block.

    Else the application finds the Answer in `request.state.fingerprint`, to throttle or mark by. client: with on_failure
    "open" or "closed"; with "raise", requests are errors while the service is away. account: from the ASGI scope, who sends;
    None: what the body says. unparsed: what becomes of requests that cannot be looked up, such as those without text, and of
    those longer than the service reads. reason: what a blocked sender is told.
    """

    def __init__(
        self,
        app: App,
        *,
        client: AsyncClient,
        paths: Iterable[str] = PATHS,
        account: Callable[[Scope], str | None] = lambda _scope: None,
        unparsed: Literal["pass", "block"] = "pass",
        reason: str = REASON,
    ) -> None:
        self.app = app
        self._client, self._paths, self._account = client, frozenset(paths), account
        self._unparsed, self._reason = unparsed, reason

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in self._paths:
            await self.app(scope, receive, send)
            return
        messages, body = await _beginning(receive)
        answer = await self._answer(scope, body)
        if answer.is_blocked:
            await self._block(send)
            return
        scope.setdefault("state", {})[STATE] = answer
        await self.app(scope, _again(messages, receive), send)

    async def _answer(self, scope: Scope, body: bytes | None) -> Answer:
        fields = None if body is None else _object(body)
        if fields is None:
            words = f"a JSON object of at most {MOST:,} bytes expected, something else found"
            return Answer(self._decision_unparsed, failure=words, refused=True)
        try:
            answer = await self._client.lookup(fields, account=self._account(scope))
        except RequestRefused as refusal:
            return Answer(self._decision_unparsed, failure=str(refusal), refused=True)
        return replace(answer, decision=self._decision_unparsed) if answer.refused else answer

    @property
    def _decision_unparsed(self) -> Literal["block", "observe"]:
        return "block" if self._unparsed == "block" else "observe"

    async def _block(self, send: Send) -> None:
        problem = {"type": "about:blank", "title": "Forbidden", "status": 403, "detail": self._reason}
        body = json.dumps(problem).encode()
        headers = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _beginning(receive: Receive) -> tuple[list[Message], bytes | None]:
    """Receive a request's body; returns its messages, and the body or None where it is too long or was broken off."""
    messages: list[Message] = []
    size = 0
    while True:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or size > MOST:
            return messages, None
        if not message.get("more_body", False):
            return messages, b"".join(part.get("body", b"") for part in messages)


def _again(messages: list[Message], receive: Receive) -> Receive:
    """Return a `receive` that gives what was received already, then what comes."""
    left = iter(messages)

    async def given() -> Message:
        message = next(left, None)
        return await receive() if message is None else message

    return given


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None
