"""One JSON object of a log, whatever wrote it, turned into the fields of a request.

What is known of each kind of log stands in a table of its own (`traffic.formats`); FORMATS states their order. A row
is of the first format whose keys it has. Its fields are looked for in the outermost object first, and there under our
own names, then at the paths of the row's format, then at those of all others, for gateways rename, enrich and cut what
they pass on. The texts stand in the row itself or in what it wraps.

Texts are the system texts joined by a newline, and the user turns joined by TURN_END; assistant turns, tool
results and all that is no text are left out.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from fingerprint.domain.schemas import TURN_END
from fingerprint.traffic.field_paths import META_FIELDS, Json, Steps, compile_path, value_at
from fingerprint.traffic.formats import (
    anthropic,
    gateways,
    helicone,
    langfuse,
    litellm,
    native,
    openai,
    opentelemetry,
)
from fingerprint.traffic.formats.log_format import LogFormat
from fingerprint.traffic.messages import (
    items_in,
    loaded_json,
    plain_text,
    turns,
    without_separators,
    wrong_type,
)
from fingerprint.traffic.rejects import BadRow, RejectKind

FORMATS = (
    # objects that hold many requests
    anthropic.BATCH_FILE,
    opentelemetry.EXPORT,
    # logs
    native.ROW,
    openai.BATCH_LINE,
    helicone.EXPORT,
    anthropic.BATCH_LINE,
    litellm.PAYLOAD,
    gateways.ROW,
    langfuse.OBSERVATION,
    opentelemetry.SPAN,
    litellm.SPEND_LOGS,
    # what the providers take, whoever logs it
    openai.REQUEST,
    anthropic.REQUEST,
)
"""The order in which a row is held against what formats are known by, and in which their paths are tried."""

_NOTHING: Mapping[str, Steps] = {}


class Request(NamedTuple):
    """One request's fields as its log had them; `time` is not yet parsed, `metadata` is a JSON object."""

    request_id: str
    account_id: str
    time: object
    system: str | None
    prompt: str
    model: str | None
    metadata: bytes | None


Fields = tuple[str, str, object, str | None, str, str | None, bytes | None]
"""A Request or a plain tuple of the same fields, which is faster to make."""

_Paths = Mapping[str, tuple[tuple[str, Steps], ...]]


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
        **{name: _once(table.metadata.get(name, ()) for table in tables) for name in META_FIELDS},
    }


def _compiled(paths: Mapping[str, Sequence[str]]) -> _Paths:
    return {name: tuple((path, compile_path(path)) for path in those) for name, those in paths.items()}


PATHS = _paths()
"""Where each field is looked for in a row of unknown format."""

TEXT_KEYS = _once(table.texts for table in FORMATS)
SYSTEM_KEYS = _once(table.systems for table in FORMATS)
_WRAPPERS = tuple(compile_path(path) for path in _once(table.wrappers for table in FORMATS))
_UNKNOWN_PATHS = _compiled(PATHS)
_KNOWN_PATHS = {log_format.name: _compiled(_paths(log_format)) for log_format in FORMATS}
# the first key apart, for a row is held against all of them, and is of most kinds not
_KNOWN_BY = tuple(
    (keys[0], frozenset(keys), log_format) for log_format in FORMATS for keys in log_format.known_by
)


def format_of(row: Json) -> LogFormat | None:
    """Return the format that a row's keys say it is of, None if they say nothing."""
    for first, keys, log_format in _KNOWN_BY:
        if first in row and keys <= row.keys():
            return log_format
    return None


def expand(row: Json) -> list[Any]:
    """Split an object that holds many requests (Anthropic batch file, OTLP export) into one item each.

    Nothing comes of what a tracer saw around a model call: OTLP spans without gen_ai attributes, Langfuse
    observations of another type than GENERATION.
    """
    log_format = format_of(row)
    if log_format is None:
        return [row]
    if log_format.split is not None:
        return log_format.split(row)
    return [row] if log_format.is_request(row) else []


def native_fields(row: Json) -> Fields | None:
    """Read a native row that is in order, several times faster than `extract`; None for any other."""
    try:
        request_id, account_id, time, prompt = (
            row["request_id"],
            row["account_id"],
            row["timestamp"],
            row["prompt"],
        )
    except (KeyError, TypeError):
        return None
    get = row.get
    system, model, metadata = get("system"), get("model"), get("metadata")
    if not (
        type(request_id) is str
        and type(account_id) is str
        and type(prompt) is str
        and request_id
        and account_id
        and prompt
        and time
        and (system is None or type(system) is str)
        and (model is None or type(model) is str)
        and (metadata is None or type(metadata) is dict)
    ):
        return None
    try:
        packed = None if metadata is None else orjson.dumps(metadata)
    except orjson.JSONEncodeError:
        return None
    system = without_separators(system) if system else None
    return request_id, account_id, time, system, without_separators(prompt), model or None, packed


def extract(row: Json, mapping: Mapping[str, Steps] = _NOTHING) -> Request:
    """Read one request; fields in `mapping` (from compile_mapping) come from their paths and nowhere else.

    Raises BadRow, naming what was looked for or which type was found.
    """
    located = _located(row, mapping)
    request_id = _required("request_id", located)
    account_id = _required("account_id", located)
    time = _find("timestamp", located)
    if time is None or time == "":
        raise _missing("timestamp", mapping)
    model = _find("model", located)
    if model is not None and not isinstance(model, str):
        raise wrong_type("model", "text", model)
    system, prompt = _texts(located)
    if not system and not prompt:
        raise BadRow("no_text", "no text: neither user nor system text found")
    return Request(request_id, account_id, time, system, prompt, model or None, _metadata(located))


def texts(row: Json) -> tuple[str | None, str]:
    """Read what system and user say in a request of any shape, as `extract` does; the user's text may be empty.

    Raises BadRow, naming which type was found.
    """
    return _texts(_located(row, _NOTHING))


def metadata_json(value: object) -> bytes | None:
    """Return a metadata object, or the text of one, as compact JSON; None if empty or too deep, BadRow if no object."""
    if value is None or value == "":
        return None
    loaded = loaded_json(value)
    if not isinstance(loaded, dict):
        raise wrong_type("metadata", "an object", value)
    try:
        return orjson.dumps(loaded)
    except orjson.JSONEncodeError:
        return None  # over 254 levels; no field of metadata is required


class _Located(NamedTuple):
    """A row with what it says where.

    holders: the objects from the row down to the one that holds the texts.
    paths: where each field is looked for in a row of its format.
    """

    holders: list[Json]
    paths: _Paths
    mapping: Mapping[str, Steps]


def _located(row: Json, mapping: Mapping[str, Steps]) -> _Located:
    holders = _chain(row, TEXT_KEYS) or _chain(row, SYSTEM_KEYS) or [row]
    log_format = format_of(row)
    paths = _UNKNOWN_PATHS if log_format is None else _KNOWN_PATHS[log_format.name]
    return _Located(holders, paths, mapping)


def _chain(row: Json, keys: Sequence[str], depth: int = 3) -> list[Json] | None:
    """Return the objects from the row down to the one that holds text under one of `keys`."""
    if any(_holds_text(row.get(key)) for key in keys):
        return [row]
    for wrapper in _WRAPPERS if depth else ():
        inner = loaded_json(value_at(row, wrapper))
        if isinstance(inner, dict) and (below := _chain(inner, keys, depth - 1)):
            return [row, *below]
    return None


def _holds_text(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, (list, dict)) and bool(value))


def _find(name: str, located: _Located) -> Any:
    """Return a field's value; under other names than its own only text and numbers are taken for it."""
    if name in located.mapping:
        return value_at(located.holders[0], located.mapping[name])
    for holder in located.holders:
        for key, path in located.paths[name]:
            value = holder.get(key)
            if value is None and len(path) > 1 and path[0] in holder:
                value = value_at(holder, path)
            if value is None or value == "":
                continue
            if key == name or (isinstance(value, (str, int, float)) and not isinstance(value, bool)):
                return value
    return None


def _required(name: str, located: _Located) -> str:
    value = _find(name, located)
    if value is None or value == "":
        raise _missing(name, located.mapping)
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise wrong_type(name, "text or a whole number", value)


def _missing(name: str, mapping: Mapping[str, Steps]) -> BadRow:
    kinds: dict[str, RejectKind] = {
        "request_id": "missing_request_id",
        "account_id": "missing_account_id",
        "timestamp": "missing_timestamp",
    }
    mapped_path = (
        "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in mapping[name])[1:]
        if name in mapping
        else None
    )
    return BadRow(kinds[name], f"no {name}: looked for {mapped_path or ', '.join(PATHS[name])}")


def _texts(located: _Located) -> tuple[str | None, str]:
    row, holder, mapping = located.holders[0], located.holders[-1], located.mapping
    systems = [plain_text(name, items_in(holder[name], "type")) for name in SYSTEM_KEYS if name in holder]
    if "system" in mapping:
        systems = [plain_text("system", items_in(value_at(row, mapping["system"]), "type"))]
    name, value = "prompt", value_at(row, mapping["prompt"]) if "prompt" in mapping else None
    if "prompt" not in mapping:
        name = next((key for key in TEXT_KEYS if _holds_text(holder.get(key))), "prompt")
        value = holder.get(name)
    system_turns, users = turns(name, value)
    system = "\n".join(text for text in (*systems, *system_turns) if text)
    return without_separators(system) or None, TURN_END.join(without_separators(t) for t in users if t)


def _metadata(located: _Located) -> bytes | None:
    """Keep a native row's metadata whole; of other logs only the fields that the evidence uses."""
    row, mapping = located.holders[0], located.mapping
    if "metadata" in mapping:
        return metadata_json(value_at(row, mapping["metadata"]))
    if (
        len(located.holders) == 1
        and isinstance(row.get("prompt"), str)
        and not any(name in mapping for name in META_FIELDS)
    ):
        return metadata_json(row.get("metadata"))
    kept = {}
    for name in META_FIELDS:
        value = _find(name, located)
        if isinstance(value, str) and value:
            kept[name] = _ip_prefix(value) if name == "ip_prefix" else value
    return orjson.dumps(kept) if kept else None


@lru_cache(maxsize=1 << 16)
def _ip_prefix(address: str) -> str:
    """Return three octets of an IPv4 address, three groups of an IPv6 one, else what came."""
    try:
        parsed = ipaddress.ip_address(address.split(",")[0].strip())
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return ":".join(parsed.exploded.split(":")[:3])
        parsed = parsed.ipv4_mapped
    return ".".join(str(parsed).split(".")[:3])
