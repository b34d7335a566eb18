"""Where each field stands in rows that have certain keys: worked out once for all rows of a log that have the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from fingerprint.traffic.facts import KEYS, keys_of_facts
from fingerprint.traffic.field_paths import META_FIELDS, Json, Steps, compile_path, few_keys, value_at
from fingerprint.traffic.formats import native
from fingerprint.traffic.formats.log_format import LogFormat
from fingerprint.traffic.log_formats import FORMATS, FORMATS_BY_NAME
from fingerprint.traffic.messages import loaded_json

Place = tuple[str, Steps]
"""A key that the row has, and the steps from its value on."""


def _once(groups: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """Return the names of all groups in their order, each once."""
    return tuple(dict.fromkeys(name for group in groups for name in group))


def _paths(*own: LogFormat) -> dict[str, tuple[str, ...]]:
    """Return where each field is looked for in a row of the format `own`, or of none that is known."""
    tables = (native.ROW, *own, *FORMATS)
    end_users = [table.end_user for table in (*own, *FORMATS)]
    return {
        "request_id": _once(table.request_id for table in tables),
        "account_id": _once([*(table.account_id for table in tables), *end_users]),
        "timestamp": _once(table.timestamp for table in tables),
        "model": _once(table.model for table in tables),
        **{name: _metadata_paths(name, tables) for name in META_FIELDS},
    }


def _metadata_paths(name: str, tables: Iterable[LogFormat]) -> tuple[str, ...]:
    return _once([(name, f"metadata.{name}"), *(table.metadata.get(name, ()) for table in tables)])


PATHS = _paths()
"""Where each field is looked for in a row of unknown format."""

_KNOWN_PATHS = {table.name: _paths(table) for table in FORMATS}


@lru_cache(maxsize=1 << 12)
def _steps(path: str) -> Steps:
    return compile_path(path)


class Plan(NamedTuple):
    """Where the fields of rows with the same keys stand, of a format or none.

    fields: the places of each field in the order they count; infrastructure: those of metadata that have any. texts, systems, tools: keys that the rows have; own_texts:
    those texts that the format says are some.
    wrappers: where an inner request may lie; parameters: where objects of parameters lie. facts: `keys_of_facts`.
    """

    fields: Mapping[str, tuple[Place, ...]]
    infrastructure: tuple[str, ...]
    own_texts: tuple[str, ...]
    texts: tuple[str, ...]
    systems: tuple[str, ...]
    tools: tuple[str, ...]
    wrappers: tuple[Place, ...]
    parameters: tuple[Place, ...]
    facts: tuple[tuple[int, str], ...]


def _prefixes(path: str) -> Iterable[str]:
    steps = list(map(str, _steps(path)))
    return (".".join(steps[:n]) for n in range(1, len(steps) + 1))


def _known_keys() -> tuple[frozenset[str], frozenset[str]]:
    """Return the keys of rows that mean something here, and those of their metadata."""
    places = [path for paths in (PATHS, *_KNOWN_PATHS.values()) for of in paths.values() for path in of]
    places += [path for table in FORMATS for path in (*table.wrappers, *table.parameters)]
    keys = {key for table in FORMATS for key in (*table.texts, *table.systems, *table.tools, *table.beside)}
    keys |= {key for path in places for key in _prefixes(path)} | KEYS.keys()
    inner = [path.removeprefix("metadata.") for path in places if path.startswith("metadata.")]
    return frozenset(keys), frozenset(key for path in inner for key in _prefixes(path))


KNOWN_KEYS, _METADATA_KEYS = _known_keys()
"""Keys of rows that mean something here."""


def plan_of(row: Json, log_format: str | None, shared: tuple[str, ...] = ()) -> Plan:
    """Return the plan of rows with a row's keys; log_format: the name of the format that the outermost row is of."""
    metadata, inside = row.get("metadata"), None
    if isinstance(metadata, dict):
        inside = tuple(
            [k for k, v in metadata.items() if v is not None and (k in _METADATA_KEYS or k in shared)]
        )
    keys = few_keys(row)
    known = (
        frozenset(k for k in KNOWN_KEYS.union(shared) if k in row) if keys is None else _known(keys, shared)
    )
    return _plan(known, inside, log_format, shared)


# rows of a log have the same keys, of which others may be different in each
@lru_cache(maxsize=1 << 12)
def _known(keys: tuple[str, ...], shared: tuple[str, ...]) -> frozenset[str]:
    return KNOWN_KEYS.intersection(keys) | frozenset(shared).intersection(keys)


@lru_cache(maxsize=1 << 12)
def _plan(
    has: frozenset[str],
    inside: tuple[str, ...] | None,
    log_format: str | None,
    shared: tuple[str, ...],
) -> Plan:
    """Return the plan of rows that have these keys; inside: those of their metadata, None where that is no object."""
    own = () if log_format is None else (FORMATS_BY_NAME[log_format],)
    paths = PATHS if log_format is None else _KNOWN_PATHS[log_format]
    public = [
        table
        for table in FORMATS
        if not table.private and (not table.beside or not has.isdisjoint(table.beside))
    ]

    def places(of: Iterable[str]) -> tuple[Place, ...]:
        found = (_place(_steps(path), has, inside) for path in of)
        return tuple(dict.fromkeys(place for place in found if place is not None))

    extra = {name: (name, f"metadata.{name}") for name in shared if name not in paths}
    fields = {name: places(of) for name, of in {**paths, **extra}.items()}
    return Plan(
        fields=fields,
        infrastructure=tuple(name for name in (*META_FIELDS, *extra) if fields[name]),
        own_texts=tuple(k for k in _once(table.texts for table in own or public) if k in has),
        texts=tuple(k for k in _once(table.texts for table in (*own, *public)) if k in has),
        systems=tuple(k for k in _once(table.systems for table in (*own, *public)) if k in has),
        tools=tuple(k for k in _once(table.tools for table in (*own, *public)) if k in has),
        wrappers=places(_once(table.wrappers for table in (*own, *FORMATS))),
        parameters=places(_once(table.parameters for table in (*own, *FORMATS))),
        facts=keys_of_facts(tuple(sorted(has))),
    )


def _place(path: Steps, keys: frozenset[str], inside: tuple[str, ...] | None) -> Place | None:
    """Return where a path leads in rows with these keys; keys may themselves hold dots, the longest counts."""
    for n in range(len(path), 0, -1):
        key = ".".join(map(str, path[:n]))
        if key in keys:
            rest = path[n:]
            if key == "metadata" and rest and inside is not None:
                names = (".".join(map(str, rest[:m])) for m in range(1, len(rest) + 1))
                return (key, rest) if any(name in inside for name in names) else None
            return key, rest
    return None


def at(row: Json, place: Place) -> Any:
    """Return what stands at a place of a row, None where nothing does."""
    key, rest = place
    value = row[key]
    if not rest or value is None:
        return value
    if len(rest) == 1 and type(value) is dict:
        return value.get(rest[0])
    return value_at(loaded_json(value), rest)
