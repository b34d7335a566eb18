"""An answer whose head and body are there together is written by one call of the system, and reaches its caller in one piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    RequestResponseCycle,
)

from fingerprint.service.http.headers import ALWAYS

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent, HTTPResponseBodyEvent, HTTPResponseStartEvent

_KNOWN = frozenset(ALWAYS)
_OTHERWISE = (b"connection", b"transfer-encoding")
_BODILESS = (204, 304)


class OneWrite(RequestResponseCycle):
    """uvicorn's answer to a request, but that the head waits for the first of the body, as ASGI says it should.

    What is not plain (chunks, a connection that ends, a caller that reads slowly) is left to uvicorn.
    """

    _start: HTTPResponseStartEvent | None = None

    async def send(self, message: ASGISendEvent) -> None:
        """Write a part of an answer."""
        start = self._start
        if message["type"] == "http.response.start" and not self.response_started:
            self._start = message  # of two the last: the first one's body failed
            return
        if start is None:
            await super().send(message)
            return
        self._start = None
        whole = self._whole(start, message) if message["type"] == "http.response.body" else None
        if whole is None:
            await super().send(start)
            await super().send(message)
            return
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(whole)
        self.message_event.set()
        self.on_response()

    def _whole(self, start: HTTPResponseStartEvent, last: HTTPResponseBodyEvent) -> bytes | None:
        """Return the bytes of an answer; None for what is not plain."""
        body = last.get("body", b"")
        if (
            last.get("more_body", False)
            or not self.keep_alive
            or self.disconnected
            or self.flow.write_paused
            or self.access_log
            or len(body) > HIGH_WATER_LIMIT
            or start["status"] in _BODILESS
            or self.scope["method"] == "HEAD"
        ):
            return None
        parts = [STATUS_LINE[start["status"]]]
        declared = None
        for header in (*self.default_headers, *start["headers"]):
            name, value = header
            if header not in _KNOWN:
                if (
                    HEADER_RE.search(name)
                    or HEADER_VALUE_RE.search(value)
                    or name in _OTHERWISE
                    or not name.islower()
                ):
                    return None
                if name == b"content-length":
                    declared = value
            parts += (name, b": ", value, b"\r\n")
        if declared != b"%d" % len(body):
            return None
        parts += (b"\r\n", body)
        return b"".join(parts)
