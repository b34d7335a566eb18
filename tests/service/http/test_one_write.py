"""Answers are the bytes that uvicorn writes, and those that are there whole are written at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from fingerprint.service.http.headers import ALWAYS
from fingerprint.service.http.heads import BoundedHeads

GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
LENGTH = (b"content-length", b"4")


class _Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        """Nothing comes anyway."""

    def resume_reading(self) -> None:
        """Nothing comes anyway."""


def _start(*headers: tuple[bytes, bytes], status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def _body(content: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": more}


def written(kind: type[HttpToolsProtocol], request: bytes, *messages: dict[str, Any]) -> _Transport:
    """Answer a request by some messages; an application fails at a message that is none."""

    async def app(_scope: dict[str, Any], _receive: Any, send: Any) -> None:
        for message in messages:
            if not message:
                raise ValueError("fails")
            await send(message)

    async def answered() -> _Transport:
        config = uvicorn.Config(app, http=kind, ws="none", lifespan="off", log_config=None, access_log=False)
        config.load()
        transport = _Transport()
        protocol = kind(config, ServerState(), {})
        protocol.connection_made(transport)
        protocol.data_received(request)
        while protocol.tasks:
            await asyncio.sleep(0)
        protocol._unset_keepalive_if_required()
        return transport

    return asyncio.run(answered())


@pytest.mark.parametrize(
    ("request_", "messages"),
    [
        (GET, [_start(LENGTH, *ALWAYS), _body(b"body")]),
        (GET, [_start(LENGTH, (b"set-cookie", b"a=b"), (b"set-cookie", b"c=d")), _body(b"body")]),
        (GET, [_start(LENGTH, status=503), _body(b"body")]),
        (GET, [_start((b"content-length", b"0")), _body(b"")]),
        (GET, [_start(LENGTH), _body(b"bo", more=True), _body(b"dy")]),
        (GET, [_start(), _body(b"body")]),
        (GET, [_start((b"transfer-encoding", b"chunked")), _body(b"body")]),
        (GET, [_start(LENGTH, (b"connection", b"close")), _body(b"body")]),
        (GET, [_start((b"Content-Length", b"4")), _body(b"body")]),
        (GET, [_start(status=204), _body(b"")]),
        (GET, [_start(LENGTH), _body(b"too long")]),
        (GET, [_start(LENGTH), _body(b"a")]),
        (GET, [_start(LENGTH, (b"a\nb", b"c")), _body(b"body")]),
        (GET, [_start(LENGTH, (b"a", b"b\r\nc: d")), _body(b"body")]),
        (GET, [{}]),
        (GET.replace(b"1.1", b"1.0"), [_start(LENGTH), _body(b"body")]),
        (GET.replace(b"GET", b"HEAD"), [_start(LENGTH), _body(b"")]),
        (GET + GET, [_start(LENGTH), _body(b"body")]),
    ],
)
def test_an_answer_is_the_bytes_that_uvicorn_writes(request_: bytes, messages: list[dict[str, Any]]) -> None:
    ours, theirs = (written(kind, request_, *messages) for kind in (BoundedHeads, HttpToolsProtocol))
    assert b"".join(ours.written) == b"".join(theirs.written)
    assert ours.closed == theirs.closed


def test_a_whole_answer_is_one_write() -> None:
    assert len(written(BoundedHeads, GET, _start(LENGTH, *ALWAYS), _body(b"body")).written) == 1


def test_a_failure_behind_a_head_is_a_500() -> None:
    found = written(BoundedHeads, GET, _start(LENGTH), {}).written
    assert b"".join(found).startswith(b"HTTP/1.1 500 ")
