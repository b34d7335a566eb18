"""Tool definitions and answer formats, which a model reads as it reads a prompt: their names and descriptions as text."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

import orjson

_TEXTS = ("name", "title", "description")
_NO_TEXT = ("enum", "required", "examples")
_DEPTH = 200
_KEPT_BYTES = 1 << 18


def tool_text(definitions: object) -> str:
    """Return what tool definitions say, a line a name or description, with the names of their parameters."""
    packed = packed_json(definitions)
    if packed is None or len(packed) > _KEPT_BYTES:
        return _text_of(definitions)
    return _text(packed)


def set_hash(definitions: object) -> int | None:
    """Return a 64-bit hash of a set of definitions, whatever their order; None where there are none."""
    packed = packed_json(definitions)
    return None if packed is None else _set_hash(packed)


def value_hash(value: object) -> int | None:
    """Return a 64-bit hash of a value; None for none."""
    packed = packed_json(value)
    return None if packed is None else _hash(packed)


def packed_json(value: object) -> bytes | None:
    """Return a value as JSON with sorted keys; None for none, and for what JSON cannot hold."""
    if value is None or value in ([], {}, ""):
        return None
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return None


# an agent sends the same definitions with each of its requests
@lru_cache(maxsize=256)
def _text(packed: bytes) -> str:
    return _text_of(orjson.loads(packed))


def _text_of(definitions: object) -> str:
    lines: list[str] = []
    _walk(definitions, lines, _DEPTH)
    return "\n".join(lines)


def _set_hash(packed: bytes) -> int:
    value = orjson.loads(packed)
    return _hash(b"\n".join(sorted(map(orjson.dumps, value))) if isinstance(value, list) else packed)


def _hash(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest())


def _walk(value: object, lines: list[str], depth: int) -> None:
    if not depth:
        return
    if isinstance(value, list):
        for item in value:
            _walk(item, lines, depth - 1)
    elif isinstance(value, dict):
        lines += [text for key in _TEXTS if isinstance(text := value.get(key), str) and text]
        for key, inner in value.items():
            if key == "properties" and isinstance(inner, dict):
                for name, schema in inner.items():
                    lines.append(name)
                    _walk(schema, lines, depth - 1)
            elif isinstance(inner, dict | list) and key not in _NO_TEXT:
                _walk(inner, lines, depth - 1)
