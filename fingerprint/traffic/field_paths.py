"""Paths into JSON objects, as --map takes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fingerprint.domain.errors import UsageError
from fingerprint.traffic.messages import loaded_json

Json = dict[str, Any]
Steps = tuple[str | int, ...]

META_FIELDS = (
    "ip_prefix",
    "payment_hash",
    "user_agent",
    "asn",
    "ja4",
    "country",
    "referrer",
    "account_created",
    "email_domain",
)
"""What names the infrastructure that accounts use; see also `Reading.shared`."""

MAPPABLE = ("request_id", "account_id", "timestamp", "system", "prompt", "model", "metadata", *META_FIELDS)

_FEW_KEYS, _SHORT_KEYS = 256, 8_192

_STEP = re.compile(r"([^.\[\]]+)((?:\[\d+\])*)")


def few_keys(row: Json) -> tuple[str, ...] | None:
    """Return the keys of a row, to remember what was worked out for them; None where they are too many or too long for that."""
    if len(row) > _FEW_KEYS:
        return None
    keys = tuple(row)
    return keys if len("".join(keys)) <= _SHORT_KEYS else None


def compile_path(text: str) -> Steps:
    """Turn `a.b[0].c` into its steps; UsageError if it is no such path."""
    steps: list[str | int] = []
    for piece in text.split("."):
        match = _STEP.fullmatch(piece)
        if match is None:
            raise UsageError(f"a path like 'body.messages[0].content' expected, '{text}' found")
        steps += [match[1], *(int(n) for n in re.findall(r"\d+", match[2]))]
    return tuple(steps)


def compile_mapping(mapping: Mapping[str, str]) -> dict[str, Steps]:
    """Turn the paths of a `field: path` mapping into steps; UsageError for an unknown field or bad path."""
    for name in mapping:
        if name not in MAPPABLE:
            raise UsageError(f"one of {', '.join(MAPPABLE)} expected in --map, '{name}' found")
    return {name: compile_path(path) for name, path in mapping.items()}


def value_at(value: Any, path: Steps) -> Any:
    """Follow a path; keys may themselves hold dots (`user.id`), the longest key that exists is taken."""
    if not path:
        return value
    if isinstance(path[0], int):
        return (
            value_at(value[path[0]], path[1:]) if isinstance(value, list) and path[0] < len(value) else None
        )
    if not isinstance(value, dict):
        return None
    for n in range(len(path), 0, -1):
        key = ".".join(map(str, path[:n]))
        if key in value:
            return value_at(loaded_json(value[key]) if n < len(path) else value[key], path[n:])
    return None
