"""Reads JSON field by field and refuses, with place, expectation and finding, all that is not as agreed."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from fingerprint.domain.errors import InputError

Json = dict[str, Any]
_Choice = TypeVar("_Choice", bound=str)
_Parsed = TypeVar("_Parsed")

_FLOAT_MAX = sys.float_info.max
_COUNT_MAX = 2**63 - 1  # the databases' whole numbers
_LONGEST_SHOWN = 60


class JsonObject:
    """A JSON object being read field by field; it knows its path, so that errors can name the place."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise wrong_json(path, "an object", value)
        self._fields: Json = dict(value)
        self.path = path

    def names(self) -> list[str]:
        """Name the fields not taken yet."""
        return list(self._fields)

    def take(self, name: str) -> object:
        """Take a field of any type."""
        if name not in self._fields:
            raise InputError(
                f"{self.path}: field {name!r} expected, {', '.join(self._fields) or 'no field'} found"
            )
        return self._fields.pop(name)

    def expect(self, name: str, expected: str | int) -> None:
        """Take a field of one permitted value."""
        value = self.take(name)
        if value != expected or type(value) is not type(expected):
            raise wrong_json(f"{self.path}.{name}", repr(expected), value)

    def text(self, name: str) -> str:
        """Take a string; JSON may carry lone surrogates, which no database takes."""
        value = self.take(name)
        if not isinstance(value, str) or not _is_unicode(value):
            raise wrong_json(f"{self.path}.{name}", "a string of Unicode text", value)
        return value

    def optional_text(self, name: str) -> str | None:
        """Take a string that may be null."""
        if self._fields.get(name, "") is None:
            del self._fields[name]
            return None
        return self.text(name)

    def choice(self, name: str, choices: Sequence[_Choice]) -> _Choice:
        """Take a string of few permitted values."""
        value = self.text(name)
        for choice in choices:
            if value == choice:
                return choice
        raise wrong_json(f"{self.path}.{name}", " or ".join(choices), value)

    def choices(self, name: str, choices: Sequence[_Choice]) -> tuple[_Choice, ...]:
        """Take a list of few permitted values, each once."""
        values = self.take(name)
        if not isinstance(values, list) or len({str(value) for value in values}) != len(values):
            raise wrong_json(f"{self.path}.{name}", "a list of different values", values)
        return tuple(JsonObject({name: value}, self.path).choice(name, choices) for value in values)

    def number(self, name: str, low: float = -math.inf, high: float = math.inf) -> float:
        """Take a finite number between low and high."""
        value = self.take(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _FLOAT_MAX:
            raise wrong_json(f"{self.path}.{name}", "a finite number", value)
        if not low <= value <= high:
            raise wrong_json(f"{self.path}.{name}", f"a number from {low:g} to {high:g}", value)
        return float(value)

    def count(self, name: str, *, at_least: int = 0) -> int:
        """Take a whole number."""
        value = self.take(name)
        if isinstance(value, bool) or not isinstance(value, int) or not at_least <= value <= _COUNT_MAX:
            raise wrong_json(f"{self.path}.{name}", f"a whole number from {at_least} to {_COUNT_MAX}", value)
        return value

    def flag(self, name: str) -> bool:
        """Take true or false."""
        value = self.take(name)
        if not isinstance(value, bool):
            raise wrong_json(f"{self.path}.{name}", "true or false", value)
        return value

    def time(self, name: str) -> datetime:
        """Take a time with its zone, in UTC."""
        return parsed(_utc, self.text(name), f"{self.path}.{name}", "an ISO 8601 time with its zone")

    def done(self) -> None:
        """Refuse fields that nothing took."""
        if self._fields:
            raise InputError(f"{self.path}: no other fields expected, {', '.join(self._fields)} found")


def wrong_json(path: str, expected: str, value: object) -> InputError:
    """Make the error that names the place, what was expected there and what came."""
    shown = repr(value)
    if len(shown) > _LONGEST_SHOWN:
        shown = shown[:_LONGEST_SHOWN] + "…"
    return InputError(f"{path}: {expected} expected, {shown} found")


def _utc(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(text)
    return time.astimezone(UTC)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def json_objects(value: object, path: str) -> Iterator[JsonObject]:
    """Take a list of objects."""
    if not isinstance(value, list):
        raise wrong_json(path, "a list", value)
    return (JsonObject(item, f"{path}[{i}]") for i, item in enumerate(value))


def parsed(parse: Callable[[str], _Parsed], text: str, path: str, expected: str) -> _Parsed:
    """Parse a string with a function that raises ValueError on wrong ones."""
    try:
        return parse(text)
    except (ValueError, OverflowError):
        raise wrong_json(path, expected, text) from None
