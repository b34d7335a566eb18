"""Which format rows are of, and where each of their fields was found: for whoever looks at a log before a night does."""

from __future__ import annotations

from collections import Counter
from typing import Any

from fingerprint.domain.schemas import FACT_FIELDS
from fingerprint.traffic.facts import keys_of_facts
from fingerprint.traffic.field_paths import Json, Steps
from fingerprint.traffic.located import Located, find_place, holds_text, locate
from fingerprint.traffic.messages import loaded_json
from fingerprint.traffic.row_plan import Plan, at
from fingerprint.traffic.row_reading import RowReading

PLAIN = "plain rows"
UNKNOWN = "rows of no known format"
TRACED = 1_000
"""Of so many rows it is told where their fields stand; formats are counted of all."""

_FIELDS = ("request_id", "account_id", "timestamp", "model")


class Trace:
    """Counts, row by row, the formats and the places of fields.

    formats: rows of each. places: of each field, how many of the first rows have it at each place.
    """

    def __init__(self) -> None:
        self.formats: Counter[str] = Counter()
        self.places: dict[str, Counter[str]] = {}
        self._traced = 0

    def add(self, row: Json, reading: RowReading) -> None:
        """Take a row that is not of our own."""
        located = locate({**reading.beside, **row}, reading)
        self.formats[located.name or UNKNOWN] += 1
        self._traced += 1
        if self._traced <= TRACED:
            for field, place in _places(located, reading):
                self.places.setdefault(field, Counter())[place] += 1


def _places(located: Located, reading: RowReading) -> list[tuple[str, str]]:
    """Return the fields that a row has, each with its place."""
    found: list[tuple[str, str]] = []
    constants = {"account_id": reading.account, "timestamp": reading.time}
    prefixes = _prefixes(located)
    names = {name: None for _, plan in located.holders for name in plan.infrastructure}
    for name in (*_FIELDS, *names):
        if constants.get(name) is not None:
            found.append((name, "given for every row"))
        elif name in reading.mapping:
            found.append((name, _path(reading.mapping[name])))
        elif (place := find_place(name, located)) is not None:
            depth, (key, rest) = place
            found.append((name, prefixes[depth] + _path((key, *rest))))
    holder, plan = located.holders[-1]
    for name, keys in (("texts", plan.texts), ("system", plan.systems), ("tools", plan.tools)):
        mapped = {"texts": "prompt"}.get(name, name)
        if mapped in reading.mapping:
            found.append((name, _path(reading.mapping[mapped])))
        else:
            found += [(name, prefixes[-1] + key) for key in keys if holds_text(holder[key])]
    return found + [pair for pair in _facts(located, prefixes) if pair[0] != "tools"]


def _facts(located: Located, prefixes: list[str]) -> list[tuple[str, str]]:
    """Return which facts a row states, each with its place."""
    holder = located.holders[-1][0]
    objects: list[tuple[Any, str]] = [(holder, prefixes[-1])]
    for (outer, outer_plan), prefix in zip(located.holders, prefixes, strict=True):
        for place in outer_plan.parameters:
            inner = loaded_json(at(outer, place))
            if isinstance(inner, dict):
                objects.append((inner, f"{prefix}{_path((place[0], *place[1]))}."))
    stated: dict[str, str] = {}
    for inner, prefix in objects:
        for number, key in keys_of_facts(tuple(inner)):
            if inner[key] is not None:
                stated.setdefault(FACT_FIELDS[number], prefix + key)
    return list(stated.items())


def _prefixes(located: Located) -> list[str]:
    """Return the path to each of a row's holders, with a dot at its end."""
    prefixes = [""]
    for (outer, plan), (inner, _) in zip(located.holders, located.holders[1:], strict=False):
        prefixes.append(prefixes[-1] + _step(outer, plan, inner) + ".")
    return prefixes


def _step(outer: Json, plan: Plan, inner: Json) -> str:
    places = (*plan.wrappers, *((key, ()) for key in plan.texts))
    return next(
        (_path((key, *rest)) for key, rest in places if loaded_json(at(outer, (key, rest))) == inner), "…"
    )


def _path(steps: Steps) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)[1:]
