"""Every request's line in the log and its place in the metrics; never its text."""

from __future__ import annotations

import asyncio
import logging
import random
import sys
import time
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

import orjson
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fingerprint.service.serving import metrics
from fingerprint.service.serving.telemetry import Telemetry

_REQUEST_ID = b"x-request-id"
_QUIET = {"/livez", "/readyz", "/metrics"}
_ids = random.Random()
"""They name requests and open nothing, so the system need not be asked for each."""


class _Lossy:
    """A file where what cannot be written, on a full disk or to a reader that has gone, is lost, and not the request it tells of.

    Lines of an event loop's turn are written together: to write one takes a tenth of a lookup.
    """

    def __init__(self) -> None:
        self.file: BinaryIO | None = None
        self._waiting: deque[bytes] = deque()
        self._due_on: asyncio.AbstractEventLoop | None = None

    def write(self, line: bytes) -> int:
        """Take a line, if there is a file."""
        if self.file is not None:
            self._waiting.append(line)
        return len(line)

    def flush(self) -> None:
        """Let what was taken reach its reader, if that is possible: at the end of this turn of the event loop, or at once outside of one."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._write()
            return
        if self._due_on is not loop:
            self._due_on = loop
            loop.call_soon(self._write)

    def _write(self) -> None:
        self._due_on = None
        lines: list[bytes] = []
        with suppress(IndexError):  # another thread may take some
            while True:
                lines.append(self._waiting.popleft())
        if self.file is not None:
            with suppress(OSError):
                self.file.write(b"".join(lines))
                self.file.flush()


_lines = _Lossy()


def set_up_logging() -> None:
    """Write JSON lines to stderr: this program's, and those of the libraries from warnings on."""
    _lines.file = cast("BinaryIO", sys.stderr.buffer)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
        logger_factory=structlog.BytesLoggerFactory(cast("BinaryIO", _lines)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def _dumps(line: object, **_options: object) -> bytes:
    return orjson.dumps(line, default=str)


def note(scope: Scope, **facts: Any) -> None:
    """Add facts to the line that will be logged of a request."""
    scope.setdefault("fingerprint.facts", {}).update(facts)


class Observe:
    """ASGI middleware that times, counts and logs requests, and gives each an id; telemetry: where spans go, too."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry | None = None) -> None:
        self.app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and write down what came of it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        scope["fingerprint.began"] = time.monotonic()
        request_id = _request_id(scope)
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (_REQUEST_ID, request_id.encode())]
            await send(message)

        span = None if self._telemetry is None or scope["path"] in _QUIET else self._telemetry.began(scope)
        metrics.IN_WORK.inc()
        try:
            await self.app(scope, receive, watched)
        finally:
            metrics.IN_WORK.dec()
            seconds = time.perf_counter() - began
            _tell(scope, request_id, status, seconds)
            if self._telemetry is not None and scope["path"] not in _QUIET:
                self._telemetry.ended(span, scope, _route(scope), status, seconds)


def _tell(scope: Scope, request_id: str, status: int, seconds: float) -> None:
    route = _route(scope)
    metrics.answered(route, scope["method"], status, seconds)
    if route not in _QUIET or status >= 400:
        line = {
            "request_id": request_id,
            "method": scope["method"],
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 2),
            **scope.get("fingerprint.facts", {}),
            # as structlog ends its lines: its way to one takes as long as all of these counts
            "event": "request",
            "level": "info",
            "timestamp": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        }
        _lines.write(_dumps(line) + b"\n")
        _lines.flush()


def _route(scope: Scope) -> str:
    path: str = getattr(scope.get("route"), "path", "none")
    return path


def _request_id(scope: Scope) -> str:
    """Return the id that the caller gave, if it is a short one of plain characters, else a new one."""
    for name, value in scope["headers"]:
        if name == _REQUEST_ID and 0 < len(value) <= 128 and value.isascii() and value.decode().isprintable():
            return str(value.decode())
    return f"{_ids.getrandbits(64):016x}"
