"""JSON values that stand one behind the other, with or without space between them."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import orjson

from fingerprint.traffic.lenient_json import read_json

_DECODER = json.JSONDecoder()
_SPACE = " \t\r\n\x1e"  # the last one begins each value of a JSON text sequence (RFC 7464)


class Row(NamedTuple):
    """A row of a file: its number, from 1 on, what it holds, and the place of its first byte that is no UTF-8, or 0."""

    number: int
    value: Any
    undecodable: int = 0


def documents(data: bytes | bytearray) -> list[Any] | None:
    """Return the JSON values that the data consists of, those of a list one by one; None where it is anything else."""
    try:
        value = read_json(bytes(data))
        return value if isinstance(value, list) else [value]
    except orjson.JSONDecodeError:
        pass
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    values: list[Any] = []
    at, end = _after_space(text, 0), len(text)
    while at < end:
        try:
            _, next_at = _DECODER.raw_decode(text, at)
            value = read_json(text[at:next_at].encode("utf-8", "surrogatepass"))
        except (json.JSONDecodeError, RecursionError):
            return None
        at = next_at
        values += value if isinstance(value, list) else [value]
        at = _after_space(text, at)
    return values


def _after_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at
