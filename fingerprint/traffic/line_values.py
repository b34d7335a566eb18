"""What a line of a log holds that is not JSON as it stands: JSON all the same, several values, or what a server writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from fingerprint.traffic.documents import Row, documents
from fingerprint.traffic.lenient_json import mend
from fingerprint.traffic.rejects import BadRow
from fingerprint.traffic.server_logs import ServerLog

LARGE_INTEGER = 2.0**63
"""From here on orjson may read an integer as a float, which is no id."""


def rows_of_faulty(number: int, line: bytes, error: orjson.JSONDecodeError, log: ServerLog) -> Iterator[Row]:
    """Yield the rows of a line that orjson refuses, none of a blank one; raises BadRow for what is none.

    number: of the line, from 1 on. error: what orjson said. log: the file's other lines, if it is a server's.
    """
    if not line or line.isspace():
        return
    if line[:1] != b"{" and (request := log.request(number, line)) is not None:
        if at := _undecodable(line):
            raise BadRow("invalid_utf8", f"not valid UTF-8 at byte {at}")
        yield Row(number, request)
        return
    mended = mend(line)
    if mended is not None:
        yield Row(number, mended.value, _undecodable(line) if mended.undecodable else 0)
    elif (values := documents(line)) is not None:
        yield from (Row(number, value) for value in values)
    else:
        raise _unparsable(line, error)


def with_exact_integers(value: Any, line: bytes) -> Any:
    """Return what a line holds, with its integers to the last digit where a float stands for one: it may be an id."""
    if isinstance(value, dict):
        for field in value.values():
            if type(field) is float and abs(field) >= LARGE_INTEGER:
                mended = mend(line)
                return value if mended is None else mended.value
    return value


def _unparsable(line: bytes, error: orjson.JSONDecodeError) -> BadRow:
    if at := _undecodable(line):
        return BadRow("invalid_utf8", f"not valid UTF-8 at byte {at}")
    return BadRow("not_json", f"not JSON: {error.msg} at character {error.colno}")


def _undecodable(line: bytes) -> int:
    """Return the place of the first byte that is no UTF-8, from 1 on; 0 for none."""
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return error.start + 1
    return 0
