"""JSON that a gateway cut off: what came of it is read."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json


def salvaged(body: bytes) -> Any:
    """Read JSON that may end anywhere, in the middle of a text or of a character; None where it is none.

    A name that repeats counts as it does to most readers: the last one.
    """
    try:
        return from_json(_whole_characters(body), allow_partial="trailing-strings", cache_strings="keys")
    except ValueError:
        return None


def _whole_characters(body: bytes) -> bytes:
    """Take away the beginning of a UTF-8 character whose end was cut off: up to three bytes."""
    for back in range(1, min(4, len(body)) + 1):
        byte = body[-back]
        if byte < 0x80:
            break
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return body[:-back] if back < length else body
    return body
