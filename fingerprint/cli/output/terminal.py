"""Text that is safe to print: what senders of prompts wrote must not control the terminal that shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime
from typing import Any

import click

# C0 and C1 controls (escape sequences begin with one), direction and other invisible formatting, line and
# paragraph separators, tags, halves of surrogate pairs, private use, noncharacters
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef"
    "\ufeff\ufff0-\ufffb\ufffe\uffff\U000e0000-\U0010ffff]"
)
_BLANKS = re.compile("[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")


def plain(text: str) -> str:
    """Return the text on one line, with JSON's escapes for what a terminal would obey or hide."""
    return _UNSAFE.sub(_escape, _BLANKS.sub(" ", text))


def json_line(value: object) -> str:
    """Return a value (dataclasses and times included) as one line of JSON that is safe to print.

    Times become ISO 8601 in UTC with Z. A parser gets texts back unchanged.
    """
    return _UNSAFE.sub(_escape, json.dumps(_encodable(value), ensure_ascii=False, allow_nan=False))


def iso(time: datetime) -> str:
    """Return a time as ISO 8601 in UTC with Z, to the second or as exact as it is."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def warn(words: str) -> None:
    """Print on stderr what went wrong beside the work, which goes on."""
    click.echo(f"fingerprint: {plain(words)}", err=True)


def _escape(unsafe: re.Match[str]) -> str:
    return json.dumps(unsafe[0])[1:-1]


def _encodable(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return _encodable(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    return value
