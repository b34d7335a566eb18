"""Packed bytes, unpacked as they come: gzip, bzip2, xz and Zstandard, several streams one behind the other too."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

# a hunt through JSON lines: 60,000 rows a second with 256 KiB, 78,000 with 512, 74,000 with 1 MiB, 70,000 with 2
BLOCK_BYTES = 1 << 19
"""Unpacked bytes that are handed on at once."""

PACKED_BYTES = 1 << 16
"""Packed bytes that are read at once."""

ENDINGS = (".gz", ".zst", ".bz2", ".xz")

Read = Callable[[int], bytes]


class Damaged(Exception):
    """Packed data is damaged; `kind` names the packing."""

    def __init__(self, kind: str, error: Exception) -> None:
        super().__init__(str(error))
        self.kind = kind


class CutShort(Exception):
    """Packed data ends in the middle; `kind` names the packing."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def packing_of(head: bytes) -> str | None:
    """Tell by its first bytes how data is packed; None for data that is not."""
    magics = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "Zstandard"}
    return next((kind for magic, kind in magics.items() if head.startswith(magic)), None)


def unpacked(kind: str, head: bytes, read: Read) -> Iterator[bytes]:
    """Yield unpacked blocks of at most BLOCK_BYTES; head: what was read already, read: gives up to so many bytes more.

    Raises Damaged and CutShort, and what `read` raises, after all that could be unpacked has been handed out.
    """
    try:
        if kind == "gzip":
            yield from _gunzip(head, read)
        elif kind == "Zstandard":
            yield from _unzstd(head, read)
        else:
            yield from _streams(kind, head, read)
    except (zlib.error, lzma.LZMAError) as error:
        raise Damaged(kind, error) from error


def _gunzip(packed: bytes, read: Read) -> Iterator[bytes]:
    unzip = zlib.decompressobj(wbits=31)
    while packed:
        block = unzip.decompress(packed, BLOCK_BYTES)
        if block:
            yield block
        packed = unzip.unconsumed_tail
        if unzip.eof:
            packed = _next_stream(unzip.unused_data, read)
            if packed:
                unzip = zlib.decompressobj(wbits=31)
        elif not packed:
            packed = read(PACKED_BYTES)
    while not unzip.eof and (block := unzip.decompress(b"", BLOCK_BYTES)):
        yield block
    if not unzip.eof:
        raise CutShort("gzip")


def _streams(kind: str, packed: bytes, read: Read) -> Iterator[bytes]:
    """Unpack bzip2 or xz."""
    new: Callable[[], Any] = bz2.BZ2Decompressor if kind == "bzip2" else lzma.LZMADecompressor
    unpack = new()
    while True:
        try:
            block = unpack.decompress(packed, BLOCK_BYTES)
        except OSError as error:  # bz2's word for damage
            raise Damaged(kind, error) from error
        packed = b""
        if block:
            yield block
        if unpack.eof:
            packed = _next_stream(unpack.unused_data, read)
            if not packed:
                return
            unpack = new()
        elif unpack.needs_input:
            packed = read(PACKED_BYTES)
            if not packed:
                raise CutShort(kind)


def _next_stream(unused: bytes, read: Read) -> bytes:
    """Return the beginning of the next stream, if any; zero bytes between streams are padding (as in gzip(1))."""
    return unused.lstrip(b"\0") or read(PACKED_BYTES).lstrip(b"\0")


def _unzstd(head: bytes, read: Read) -> Iterator[bytes]:
    packed = pa.PythonFile(_Rest(head, read), mode="r")
    stream = pa.CompressedInputStream(packed, "zstd")
    try:
        while block := stream.read(BLOCK_BYTES):
            yield block
    except OSError as error:
        # Arrow says no otherwise than in words what is wrong
        if "Truncated" in str(error):
            raise CutShort("Zstandard") from error
        if "ZSTD" in str(error):
            raise Damaged("Zstandard", error) from error
        raise


class _Rest(io.RawIOBase):
    """What was read already and what comes after it, as a file."""

    def __init__(self, head: bytes, read: Read) -> None:
        self._head = head
        self._read = read

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        size = size if size > 0 else PACKED_BYTES
        if not self._head:
            return self._read(size)
        block, self._head = self._head[:size], self._head[size:]
        return block
