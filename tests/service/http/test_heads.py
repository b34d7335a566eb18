"""A request's first line and headers end at their bounds, whether or not they end themselves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from fingerprint.service.http.heads import MOST_BYTES, MOST_HEADERS, BoundedHeads

LINE = b"POST /login HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n"
END = b"\r\n{}"


async def _app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    while (await receive())["more_body"]:
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _answers(parts: list[bytes]) -> tuple[list[bytes], int]:
    """Send parts on one connection; returns the status lines that come back, and how many bytes were taken."""
    config = uvicorn.Config(_app, http=BoundedHeads, ws="none", lifespan="off", log_config=None)
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: BoundedHeads(config, ServerState(), {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    taken = 0
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
            taken += len(part)
        writer.write_eof()
    except ConnectionError:
        pass
    got = b""
    try:
        while read := await asyncio.wait_for(reader.read(65_536), 60):
            got += read
    except ConnectionError:
        pass
    writer.close()
    server.close()
    return [line for line in got.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")], taken


def statuses(*parts: bytes) -> list[int]:
    lines, _ = asyncio.run(_answers(list(parts)))
    return [int(line.split()[1]) for line in lines]


def headers(count: int, size: int = 1) -> bytes:
    return b"".join(b"x-%d: %b\r\n" % (n, b"a" * size) for n in range(count))


def test_heads_within_the_bounds_are_read() -> None:
    assert statuses(LINE + headers(MOST_HEADERS - 2) + END) == [204]
    assert statuses(LINE + headers(1, MOST_BYTES - 200) + END) == [204]
    # what one request sent is not held against the next
    assert statuses(*[LINE + headers(1, MOST_BYTES - 200) + END] * 3) == [204] * 3


@pytest.mark.parametrize(
    "head",
    [
        LINE + headers(MOST_HEADERS),
        LINE + headers(50, 1000),
        LINE + headers(1, 60_000),
        b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nhost: x\r\n",
        LINE.replace(b"content-length: 2", b"transfer-encoding: chunked")
        + b"\r\n2\r\n{}\r\n0\r\n"
        + headers(1000),
    ],
    ids=["many headers", "long headers", "one long header", "a long path", "trailers"],
)
def test_what_is_longer_is_refused(head: bytes) -> None:
    assert statuses(head + END)[-1] == 431


@pytest.mark.parametrize("begun", [LINE + b"x: ", b"GET /", LINE + b"x"], ids=["value", "path", "name"])
def test_a_line_that_does_not_end_is_refused_before_it_takes_memory(begun: bytes) -> None:
    lines, taken = asyncio.run(_answers([begun, *[b"a" * 16_384] * 1000]))
    assert [int(line.split()[1]) for line in lines] in (
        [431],
        [],
    )  # its end may be lost when the connection is reset
    assert taken < 16_384 * 1000


def test_what_is_no_request_is_still_said_to_be_none() -> None:
    assert statuses(b"\x00\x01\x02\r\n\r\n") == [400]
    assert statuses(LINE.replace(b"POST", b"P\xff") + END) == [400]
