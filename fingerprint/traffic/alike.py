"""Reads those JSON lines of a log together whose shapes are the same, without making objects of each.

One line of each shape is read as `traffic.requests` reads a row, and that says where in all of them the fields stand.
Whatever a shape leaves open (a content in parts, tools, texts that hold JSON, two fields with texts) is left to who reads
all JSON: a line read here gives the very row that it would give there (D-326).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.base.types import Bools, IntArray
from fingerprint.domain.schemas import TRAFFIC_SCHEMA
from fingerprint.traffic.facts import NO_FACTS, Facts, facts_column
from fingerprint.traffic.field_paths import META_FIELDS, Json
from fingerprint.traffic.json_shapes import Shapes, shapes_of
from fingerprint.traffic.jsonl import texts_at
from fingerprint.traffic.located import Located, find_place, locate
from fingerprint.traffic.log_formats import FORMATS, format_of, rows_in
from fingerprint.traffic.message_lists import said
from fingerprint.traffic.metadata import ip_prefix
from fingerprint.traffic.requests import facts_of, parameters_of, tools_of
from fingerprint.traffic.row_plan import at
from fingerprint.traffic.row_reading import RowReading
from fingerprint.traffic.sources import Lines
from fingerprint.traffic.tabular import unusable
from fingerprint.traffic.timestamps import utc_values

MOST_KEPT = 4_096
"""Shapes, and different parameters of requests, that are remembered."""

LONGEST_KEPT = 8_192
"""Bytes of a shape or of parameters that are remembered."""

FEWEST = 64
"""Lines of a block that are worth it: loading the kernels takes as long as reading that many one by one."""

MOST_PASSED = 63
"""Blocks of lines that are passed over at most before one is looked at again."""

_TOLD = tuple(sorted({key for table in FORMATS for key in table.told_by}))
_FIELDS = ("request_id", "account_id", "timestamp", "model")
_TIME, _TEXTS = 2, 4
_NOWHERE = -1


class _Recipe(NamedTuple):
    """Where in lines of one shape a request's fields are, as numbers of values, _NOWHERE for those without.

    fields: of _FIELDS, and of the list of messages. infrastructure: of META_FIELDS. quoted: whether the time is a text.
    asked: what is asked for beside the text, by its names in the outermost object; which of these values are texts.
    located: of one of the lines.
    """

    fields: tuple[int, ...]
    infrastructure: tuple[int, ...]
    quoted: bool
    asked: tuple[tuple[str, bool], ...]
    asked_at: tuple[int, ...]
    located: Located


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows (m,) of one block of lines: its bytes and values, the recipe of each row and where its first value is."""

    data: bytes
    shapes: Shapes
    recipes: Sequence[_Recipe]
    which: IntArray
    first: IntArray

    def only(self, rows: Bools) -> _Rows:
        """Return some of the rows."""
        return replace(self, which=self.which[rows], first=self.first[rows])

    def values(self, of: Sequence[int]) -> IntArray:
        """Return each row's value (m,) of what has these numbers in the recipes, _NOWHERE for none."""
        number = np.array(of)[self.which]
        return np.where(number < 0, _NOWHERE, number + self.first)

    def spans(self, values: IntArray, quoted: Bools | None = None) -> IntArray:
        """Return where values (m,) stand, (m, 2), (-1, -1) for none; quoted: which are texts whose quotes are wanted."""
        spans = self.shapes.spans[values]
        if quoted is not None:
            spans += np.where(quoted, 1, 0)[:, None] * np.array([-1, 1])
        spans[values < 0] = _NOWHERE
        return spans

    def texts(self, of: Sequence[int]) -> pa.LargeStringArray:
        """Return the texts (m,) that have these numbers in the recipes, null for none."""
        values = self.values(of)
        escaped = self.shapes.escaped[values] & (values >= 0)
        return texts_at(np.frombuffer(self.data, np.uint8), self.spans(values), escaped)


class RowsAlike:
    """Reads lines of those logs whose requests are one list of messages each."""

    def __init__(self, reading: RowReading) -> None:
        self._reading = reading
        self._recipes: dict[bytes, _Recipe | None] = {}
        self._facts: dict[tuple[str | None, str], Facts | None] = {}
        self._passing = self._pass = 0

    def read(self, lines: Lines, wanted: Bools) -> tuple[pa.RecordBatch, Bools]:
        """Read what wanted lines (n,) can be read here.

        Returns the rows, in order (TRAFFIC_SCHEMA), and which of the lines they are, (n,). Where few can be read the
        next blocks are passed over, twice as many each time.
        """
        nothing = pa.RecordBatch.from_pylist([], TRAFFIC_SCHEMA), np.zeros(len(lines), np.bool_)
        count = int(wanted.sum())
        if self._reading.roles or count < FEWEST or self._pass:
            self._pass = max(self._pass - 1, 0)
            return nothing
        batch, read = self._read(lines, wanted) or nothing
        few = 4 * len(batch) < count
        self._pass = self._passing = min(2 * self._passing + 1, MOST_PASSED) if few else 0
        return batch, read

    def _read(self, lines: Lines, wanted: Bools) -> tuple[pa.RecordBatch, Bools] | None:
        shapes = shapes_of(lines, wanted, _TOLD)
        recipes, which = self._recipes_of(lines, shapes)
        at = np.flatnonzero(which >= 0)
        if not len(at):
            return None
        rows = _Rows(lines.data, shapes, recipes, which[at], shapes.first[at])
        lists = rows.spans(rows.values([recipe.fields[_TEXTS] for recipe in recipes]))
        system, prompt, understood = said(np.frombuffer(lines.data, np.uint8), lists)
        at, rows = at[understood], rows.only(understood)
        chosen = pa.array(understood)
        ids, accounts, model = (rows.texts([recipe.fields[n] for recipe in recipes]) for n in (0, 1, 3))
        times = _times(rows)
        metadata, escaped = _infrastructure(rows)
        facts, defining = self._asked(rows)
        batch = pa.RecordBatch.from_arrays(
            [ids, accounts, times, system.filter(chosen), prompt.filter(chosen), model, metadata, facts],
            schema=TRAFFIC_SCHEMA,
        )
        # who reads all JSON says what is wrong, and what of an account's name is a session
        bad = escaped | defining | np.asarray(times.is_null()) | unusable(ids) | unusable(accounts)
        bad |= np.asarray(pc.match_substring(accounts, "_session_"))
        read = np.zeros(len(lines), np.bool_)
        read[at[~bad]] = True
        return (batch.filter(pa.array(~bad)) if bad.any() else batch), read

    def _recipes_of(self, lines: Lines, shapes: Shapes) -> tuple[list[_Recipe], IntArray]:
        """Return recipes, and which of them each line (n,) is read by, _NOWHERE for none."""
        encoded = shapes.shape.dictionary_encode()
        number = encoded.indices.to_numpy()
        _, firsts = np.unique(number, return_index=True)
        recipes: list[_Recipe] = []
        which = np.full(len(firsts), _NOWHERE)
        for n, shape in enumerate(encoded.dictionary.to_pylist()):
            if shape not in self._recipes:
                if not shape or len(shape) > LONGEST_KEPT or len(self._recipes) == MOST_KEPT:
                    continue
                line = int(firsts[n])
                spans = shapes.spans[shapes.first[line] : shapes.first[line + 1]]
                self._recipes[shape] = _recipe(lines, line, spans, self._reading)
            recipe = self._recipes[shape]
            if recipe is not None:
                which[n] = len(recipes)
                recipes.append(recipe)
        return recipes, which[number]

    def _asked(self, rows: _Rows) -> tuple[pa.StructArray, Bools]:
        """Return the facts of rows (m,), and which of them define tools or an answer, whose words belong to the prompt."""
        kinds = {recipe.asked: n for n, recipe in enumerate(rows.recipes)}
        kind = np.array([kinds[recipe.asked] for recipe in rows.recipes])[rows.which]
        parts = [pa.array(kind).cast(pa.large_string())]
        data = np.frombuffer(rows.data, np.uint8)
        for k in range(max(len(recipe.asked) for recipe in rows.recipes)):
            has = [len(recipe.asked) > k for recipe in rows.recipes]
            values = rows.values(
                [recipe.asked_at[k] if h else _NOWHERE for h, recipe in zip(has, rows.recipes, strict=True)]
            )
            texts = np.array([h and recipe.asked[k][1] for h, recipe in zip(has, rows.recipes, strict=True)])
            spans = rows.spans(values, texts[rows.which])
            parts.append(texts_at(data, spans, np.zeros(len(spans), np.bool_)).fill_null(""))
        # JSON in a line holds no line feed
        different = pc.binary_join_element_wise(
            *parts, pa.scalar("\n", pa.large_string())
        ).dictionary_encode()
        facts = []
        for text in different.dictionary.to_pylist():
            number, *values = text.split("\n")
            facts.append(self._facts_of(rows.recipes[int(number)], values))
        at = different.indices.to_numpy()
        column = facts_column([NO_FACTS if row is None else row for row in facts]).take(pa.array(at))
        return column, np.array([row is None for row in facts], np.bool_)[at]

    def _facts_of(self, recipe: _Recipe, values: list[str]) -> Facts | None:
        """Return the facts that what is asked for holds, None where it defines tools or an answer."""
        named = zip(recipe.asked, values, strict=False)
        key = recipe.located.name, ",".join(f'"{name}":{value}' for (name, _), value in named)
        if key in self._facts:
            return self._facts[key]
        plan = recipe.located.holders[0][1]
        located = recipe.located._replace(holders=[(orjson.loads(f"{{{key[1]}}}"), plan)])
        parameters = parameters_of(located)
        facts = None if tools_of(located, parameters) else facts_of(located, parameters)
        if len(self._facts) < MOST_KEPT and len(key[1]) <= LONGEST_KEPT:
            self._facts[key] = facts
        return facts


def _times(rows: _Rows) -> pa.Array:
    values = rows.values([recipe.fields[_TIME] for recipe in rows.recipes])
    quoted = np.array([recipe.quoted for recipe in rows.recipes])[rows.which]
    written = [rows.data[begin:end] for begin, end in rows.spans(values, quoted).tolist()]
    return utc_values(orjson.loads(b"[" + b",".join(written) + b"]"))


def _infrastructure(rows: _Rows) -> tuple[pa.LargeStringArray, Bools]:
    """Return the metadata of rows (m,), null for none, and which rows' holds escapes, and is not right here."""
    escaped, parts = np.zeros(len(rows.which), np.bool_), []
    for n, name in enumerate(META_FIELDS):
        of = [recipe.infrastructure[n] for recipe in rows.recipes]
        if max(of) < 0:
            continue
        values = rows.values(of)
        escaped |= rows.shapes.escaped[values] & (values >= 0)
        column = rows.texts(of)
        if name == "ip_prefix":
            encoded = column.dictionary_encode()
            prefixes = map(ip_prefix, encoded.dictionary.to_pylist())
            column = pa.array(prefixes, pa.large_string()).take(encoded.indices)
        parts.append(_joined(f'"{name}":"', column, '"'))
    if not parts:
        return pa.nulls(len(escaped), pa.large_string()), escaped
    comma = pa.scalar(",", pa.large_string())
    inside = pc.binary_join_element_wise(*parts, comma, null_handling="skip")
    none = pa.scalar(None, pa.large_string())
    return _joined("{", pc.if_else(pc.equal(inside, ""), none, inside), "}"), escaped


def _joined(before: str, texts: pa.LargeStringArray, after: str) -> pa.LargeStringArray:
    first, last, nothing = (pa.scalar(text, pa.large_string()) for text in (before, after, ""))
    return pc.binary_join_element_wise(first, texts, last, nothing)


def _recipe(lines: Lines, line: int, spans: IntArray, reading: RowReading) -> _Recipe | None:
    """Work out where the fields of lines like this one are; None if its shape alone does not say."""
    row = orjson.loads(lines[line] or b"")
    table = format_of(row)
    if table is not None and (table.split is not None or table.file_ids or not table.told_by_shape):
        return None
    if len(items := list(rows_in(row))) != 1 or items[0] is not row:
        return None
    located = locate(row, reading)
    (_, plan), numbers = located.holders[0], _numbers(row)
    # a name that stands twice leaves fewer values
    if len(located.holders) != 1 or len(numbers) != len(spans):
        return None
    if plan.systems or plan.tools or any(rest for _, rest in plan.parameters):
        return None
    if len(plan.texts) != 1 or plan.texts != plan.own_texts or not isinstance(row[plan.texts[0]], list):
        return None
    fields = [_number_of(name, located, numbers) for name in _FIELDS]
    if None in fields or not _are_usual([_found(name, located) for name in _FIELDS]):
        return None
    infrastructure = [_infrastructure_at(name, located, numbers, lines.data, spans) for name in META_FIELDS]
    if None in infrastructure:
        return None
    asked = dict.fromkeys([*(key for key, _ in plan.parameters), *(key for _, key in plan.facts)])
    return _Recipe(
        fields=(*fields, numbers[plan.texts[0],]),  # type: ignore[arg-type]
        infrastructure=tuple(infrastructure),  # type: ignore[arg-type]
        quoted=isinstance(_found("timestamp", located), str),
        asked=tuple((key, isinstance(row[key], str)) for key in asked),
        asked_at=tuple(numbers[key,] for key in asked),
        located=located._replace(holders=[({}, plan)]),
    )


def _numbers(row: Json) -> dict[tuple[str, ...], int]:
    """Return the number of each value outside of lists, by the names that lead to it."""
    numbers: dict[tuple[str, ...], int] = {}
    waiting: list[tuple[tuple[str, ...], Any]] = [((), row)]
    while waiting:
        path, value = waiting.pop()
        numbers[path] = len(numbers)
        if isinstance(value, dict):
            waiting += [((*path, key), inner) for key, inner in reversed(value.items())]
    return numbers


def _found(name: str, located: Located) -> Any:
    place = find_place(name, located)
    return None if place is None else at(located.holders[0][0], place[1])


def _number_of(name: str, located: Located, numbers: Mapping[tuple[str, ...], int]) -> int | None:
    """Return the number of a field's value, _NOWHERE for none, None where names alone do not lead to it."""
    place = find_place(name, located)
    if place is None:
        return _NOWHERE
    key, rest = place[1]
    value: Any = located.holders[0][0]
    for step in (key, *rest):
        if not isinstance(value, dict) or step not in value:
            return None
        value = value[step]
    return numbers[key, *rest] if value is _found(name, located) else None  # type: ignore[arg-type]


def _are_usual(values: list[Any]) -> bool:
    """Tell whether the values of _FIELDS are of the types that they mostly are."""
    request_id, account, time, model = map(type, values)
    return request_id is str and account is str and time in (str, int, float) and model in (str, type(None))


def _infrastructure_at(
    name: str, located: Located, numbers: Mapping[tuple[str, ...], int], data: bytes, spans: IntArray
) -> int | None:
    """Return the number of the value of one of META_FIELDS, as `_number_of`; numbers that are not whole are not told apart by shapes."""
    number = _number_of(name, located, numbers)
    if number is None or number == _NOWHERE:
        return number
    value = _found(name, located)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number if data[slice(*spans[number])].isdigit() else None
    return number if isinstance(value, str) else _NOWHERE
