"""Where in a row the request stands, and where each of its fields.

Its fields are looked for in the outermost object first, and there under our own names, then at the paths of the row's
format, then at those of all others, for gateways rename, enrich and cut what they pass on. The texts stand in the row
itself or in what it wraps.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fingerprint.traffic.field_paths import Json, value_at
from fingerprint.traffic.log_formats import format_of
from fingerprint.traffic.messages import loaded_json, request_in
from fingerprint.traffic.row_plan import Place, Plan, at, plan_of
from fingerprint.traffic.row_reading import RowReading

_LEVELS = 4
_NONE = (None, "", "{}", "[]", "redacted-by-litellm", "default-message-value")


class Located(NamedTuple):
    """A row with what it says where.

    holders: the objects from the row down to the one that holds the texts, each with its plan. name: of its format.
    """

    holders: list[tuple[Json, Plan]]
    name: str | None
    file_ids: bool
    reading: RowReading


def locate(row: Json, reading: RowReading) -> Located:
    """Find the object of a row, or of what it wraps, that holds its texts."""
    table = format_of(row)
    name = None if table is None else table.name
    file_ids = table is not None and table.file_ids
    plan = plan_of(row, name, reading.shared)
    holders = _chain(row, plan, name, reading.shared, _LEVELS)
    if holders is None:
        # without text its ids are still looked for in what it wraps, so that it is the text that is missed
        inner = (loaded_json(at(row, place)) for place in plan.wrappers)
        wrapped = [value for value in inner if isinstance(value, dict) and value]
        holders = [(row, plan), *((v, plan_of(v, name, reading.shared)) for v in wrapped)]
    return Located(holders, name, file_ids, reading)


def _chain(
    row: Json, plan: Plan, name: str | None, shared: tuple[str, ...], depth: int
) -> list[tuple[Json, Plan]] | None:
    """Return the objects from the row down to the one that holds text, None where there is none.

    In a log's own row other keys than its format's may mean anything, so what it wraps goes before them; in what a
    client sends, nothing that it adds goes before the texts.
    """
    outermost = depth == _LEVELS
    held = [key for key in (plan.own_texts if outermost else plan.texts) if holds_text(row[key])]
    if held:
        return _from_texts(row, plan, held, name, shared, depth)
    for place in plan.wrappers if depth else ():
        inner = loaded_json(at(row, place))
        if isinstance(inner, dict) and inner:
            below = _chain(inner, plan_of(inner, name, shared), name, shared, depth - 1)
            if below is not None:
                return [(row, plan), *below]
    held = [key for key in plan.texts if holds_text(row[key])]
    if held:
        return _from_texts(row, plan, held, name, shared, depth)
    return [(row, plan)] if any(holds_text(row[key]) for key in (*plan.systems, *plan.tools)) else None


def _from_texts(
    row: Json, plan: Plan, held: list[str], name: str | None, shared: tuple[str, ...], depth: int
) -> list[tuple[Json, Plan]]:
    """Go on into the request that stands in the place of a row's only text, if one does."""
    if len(held) == 1 and depth and held[0] != "prompt" and (inner := request_in(row[held[0]])) is not None:
        below = _chain(inner, plan_of(inner, name, shared), name, shared, depth - 1)
        return [(row, plan), *(below or ())]
    return [(row, plan)]


def holds_text(value: object) -> bool:
    """Tell whether a field holds anything to read."""
    if isinstance(value, str):
        return value not in _NONE
    return isinstance(value, list | dict) and bool(value)


def find_place(name: str, located: Located) -> tuple[int, Place] | None:
    """Return where `find` finds a field: in which of the holders, and at which place."""
    for depth, (holder, plan) in enumerate(located.holders):
        for place in plan.fields[name]:
            if _is_value(name, place, at(holder, place)):
                return depth, place
    return None


def _is_value(name: str, place: Place, value: object) -> bool:
    if type(value) is str:
        return value != ""
    if value is None:
        return False
    return place == (name, ()) or (isinstance(value, int | float) and not isinstance(value, bool))


def find(name: str, located: Located) -> Any:
    """Return a field's value; under other names than its own only text and numbers are taken for it."""
    mapping = located.reading.mapping
    if name in mapping:
        return value_at(located.holders[0][0], mapping[name])
    for holder, plan in located.holders:
        for place in plan.fields[name]:
            value = at(holder, place)
            if value is not None and _is_value(name, place, value):
                return value
    return None
