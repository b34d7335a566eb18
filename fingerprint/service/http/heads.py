"""The head of a request, its first line and headers, is bounded while it arrives: no parser and no proxy before us need be trusted."""

from __future__ import annotations

from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fingerprint.service.http.one_write import OneWrite

MOST_BYTES = 32_768
"""Bytes of a head, as nginx and Envoy have it, some less and some more."""

MOST_HEADERS = 100

_REFUSED = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


class BoundedHeads(HttpToolsProtocol):
    """uvicorn's protocol, but that a head beyond the bounds is answered with 431 (RFC 6585), and its connection closed."""

    _open = False
    """Whether a head has begun that has not ended."""
    _size = 0
    """Bytes of its lines that ended."""
    _arrived = 0
    """Bytes that came since the parts in which it began."""
    _beyond = False

    def data_received(self, data: bytes) -> None:
        """Read what arrived; of a line that does not end only so much is kept."""
        began_before = self._open
        super().data_received(data)
        if began_before and self._open and not self._beyond:
            self._arrived += len(data)
            if self._arrived > MOST_BYTES:
                self._beyond = True
                self.send_400_response("")

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._open, self._size, self._arrived = True, 0, 0

    def on_url(self, url: bytes) -> None:
        """Take a part of the first line."""
        self._take(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer."""
        self._take(len(name) + len(value) + len(": \r\n"))
        if len(self.headers) >= MOST_HEADERS:
            self._refuse()
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        self._open = False
        super().on_headers_complete()
        # uvicorn names the class of its answers nowhere that one could say another; the answer has not begun
        self.cycle.__class__ = OneWrite

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, or too long a head."""
        if not self._beyond:
            super().send_400_response(msg)
            return
        words = f"at most {MOST_HEADERS} headers and {MOST_BYTES:,} bytes of them expected".encode()
        self.transport.write(
            b"HTTP/1.1 %d %b\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (_REFUSED, _REFUSED.phrase.encode(), len(words), words)
        )
        self.transport.close()

    def _take(self, size: int) -> None:
        self._size += size
        if self._size > MOST_BYTES:
            self._refuse()

    def _refuse(self) -> None:
        self._beyond = True
        raise ValueError("the head is too long")  # the parser stops, and answers by send_400_response
