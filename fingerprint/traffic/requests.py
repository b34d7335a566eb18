"""One JSON object of a log, whatever wrote it, turned into the fields of a request.

Texts are what tools' definitions and the system say, joined by a newline, and the user's turns joined by TURN_END, from
all fields that hold any; a turn that two fields hold counts once. `Reading.roles` adds what others say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

from fingerprint.domain.schemas import SECTION_MARK, TURN_END
from fingerprint.traffic.content import NO_ROLES, Roles, plain_text, wrong_type
from fingerprint.traffic.facts import KEYS, NO_FACTS, Facts, keys_of_facts, read_facts
from fingerprint.traffic.field_paths import META_FIELDS, Json, value_at
from fingerprint.traffic.located import Located, find, locate
from fingerprint.traffic.log_formats import FORMATS, FORMATS_BY_NAME
from fingerprint.traffic.messages import (
    items_in,
    loaded_json,
    read_turns,
    request_in,
    turns,
    without_separators,
)
from fingerprint.traffic.metadata import ip_prefix, metadata_json, whole_metadata
from fingerprint.traffic.rejects import BadRow, RejectKind
from fingerprint.traffic.row_plan import PATHS, Plan, at
from fingerprint.traffic.row_reading import RowReading
from fingerprint.traffic.sections import joined, marked, own_text
from fingerprint.traffic.tools import tool_text

_WHOLE = 2**53
_DEFINING = frozenset(("tools", "functions", "response_format", "format", "responseSchema"))
_OUR_OWN = frozenset(("request_id", "account_id", "timestamp", "system", "prompt", "model", "metadata"))
READ_ELSEWHERE = (
    frozenset(key for table in FORMATS if not table.private for key in (*table.texts, *table.systems))
    | frozenset(key for table in FORMATS for key in (*table.tools, *table.parameters) if "." not in key)
    | frozenset((*META_FIELDS, *KEYS))
) - _OUR_OWN
"""Keys of a row of our own that say more than the seven fields do."""

# Claude Code names its user so: the session is another each time
_WITH_SESSION = re.compile(r"(user_\w+?_account_[\w-]*?)_session_[\w-]+")


class Request(NamedTuple):
    """One request's fields as its log had them; `time` is not yet parsed, `metadata` is a JSON object.

    facts: in the order of FACT_FIELDS.
    """

    request_id: str
    account_id: str
    time: object
    system: str | None
    prompt: str
    model: str | None
    metadata: bytes | None
    facts: Facts = NO_FACTS


Fields = tuple[str, str, object, str | None, str, str | None, bytes | None, Facts]
"""A Request or a plain tuple of the same fields, which is faster to make."""


_AS_IT_IS = RowReading()


def native_fields(row: Json) -> Fields | None:
    """Read a native row that is in order, several times faster than `extract`; None for any other."""
    if type(row) is not dict or "prompt" not in row:  # an exception takes as long as all the rest
        return None
    try:
        request_id, account_id, time, prompt = (
            row["request_id"],
            row["account_id"],
            row["timestamp"],
            row["prompt"],
        )
    except KeyError:
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
        and READ_ELSEWHERE.isdisjoint(row)
    ):
        return None
    try:
        packed = None if metadata is None else orjson.dumps(metadata)
    except orjson.JSONEncodeError:
        return None
    system = without_separators(own_text(system)) if system else None
    prompt = without_separators(own_text(prompt))
    return request_id, account_id, time, system, prompt, model or None, packed, NO_FACTS


def extract(row: Json, reading: RowReading = _AS_IT_IS) -> Request:
    """Read one request; fields that are mapped come from their paths and nowhere else.

    Raises BadRow, naming what was looked for or which type was found.
    """
    if reading.beside:
        row = {**reading.beside, **row}
    located = locate(row, reading)
    request_id = _request_id(located)
    account_id = reading.account or _account(located)
    time = reading.time or find("timestamp", located)
    if time is None or time == "":
        raise _missing("timestamp", located)
    model = find("model", located)
    if model is not None and not isinstance(model, str):
        raise wrong_type("model", "text", model)
    parameters = parameters_of(located)
    system, prompt = _texts(located, parameters)
    if not system and not prompt:
        raise BadRow("no_text", "no text: neither user nor system text found")
    facts = facts_of(located, parameters)
    return Request(request_id, account_id, time, system, prompt, model or None, _metadata(located), facts)


def texts(row: Json, roles: Roles = NO_ROLES) -> tuple[str | None, str]:
    """Read what system and user say in a request of any shape, as `extract` does; the user's text may be empty.

    Raises BadRow, naming which type was found.
    """
    located = locate(row, RowReading(roles=roles))
    return _texts(located, parameters_of(located))


def sender(row: Json) -> str | None:
    """Tell who sends a request of any shape, as `extract` does; None where it does not say."""
    try:
        return _account(locate(row, _AS_IT_IS))
    except BadRow:
        return None


def _request_id(located: Located) -> str:
    value = _required("request_id", located)
    row, reading = located.holders[0][0], located.reading
    if located.file_ids and reading.file is not None and not row.get("request_id"):
        return value if "request_id" in reading.mapping else f"{reading.file}:{value}"
    return value


def _account(located: Located) -> str:
    value = _required("account_id", located)
    if "_session_" in value and (named := _WITH_SESSION.fullmatch(value)):
        return named[1].removesuffix("_account_")
    return value


def _required(name: str, located: Located) -> str:
    value = find(name, located)
    if value is None or value == "":
        raise _missing(name, located)
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE:
        value = int(value)  # a column of whole numbers, some of them missing, comes as floats
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise wrong_type(name, "text or a whole number", value)


_GIVEN = {"account_id": "--account", "timestamp": "--time"}
"""The options that say of all rows what a kind of log lacks."""


def _missing(name: str, located: Located) -> BadRow:
    mapping = located.reading.mapping
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
    if mapped_path is None and located.name is not None and name in FORMATS_BY_NAME[located.name].lacks:
        return BadRow(
            kinds[name], f"no {name}: no {located.name} has one; {_GIVEN[name]} gives it to all rows"
        )
    return BadRow(kinds[name], f"no {name}: looked for {mapped_path or ', '.join(PATHS[name])}")


def _texts(located: Located, parameters: list[Json]) -> tuple[str | None, str]:
    (row, _), (holder, plan), reading = located.holders[0], located.holders[-1], located.reading
    mapping = reading.mapping
    if "system" in mapping:
        values = {"system": value_at(row, mapping["system"])}
    else:
        values = {key: holder[key] for key in plan.systems}
    systems = [plain_text(key, items_in(said, "type"), usual="system") for key, said in values.items()]
    tools = [marked("tools", own_text(tool_text(value))) for value in tools_of(located, parameters)]
    users: list[str] = []
    if "prompt" in mapping:
        value = value_at(row, mapping["prompt"])
        if isinstance(value, dict) and (inner := request_in(value)) is not None:
            by_system, by_user = texts(inner, reading.roles)
            systems, users = [*systems, by_system or ""], by_user.split(TURN_END)
        else:
            said, users = turns("prompt", value, reading.roles)
            systems += said
    else:
        _read_fields(holder, plan, systems, users, reading.roles)
    system = joined((*tools, *systems), "system")
    return (
        without_separators(system) or None,
        TURN_END.join([without_separators(text) for text in users if text]),
    )


def _read_fields(holder: Json, plan: Plan, systems: list[str], users: list[str], roles: Roles) -> None:
    """Add what all text fields of an object hold; what another field has said already is left out.

    A field of a wrong type spoils a row only if no other has a text, or it would hide what they say.
    """
    bad: BadRow | None = None
    spoken, seen, several = False, set[str](), len(plan.texts) > 1
    for key in plan.texts:
        said = read_turns(key, holder[key], roles)
        if said.bad:
            bad = bad or said.bad[0]
        if not any(said.users) and not any(said.systems):
            continue
        systems += [text for text in said.systems if text not in systems] if systems else said.systems
        new = [text for text in said.users if text not in seen] if spoken else said.users
        if several:
            seen.update(said.users)
        spoken = True
        beside = key == "prompt" and several
        users += (
            [marked("prompt", text) if text[:1] != SECTION_MARK else text for text in new] if beside else new
        )
    if bad is not None and not (spoken and several):
        raise bad


def parameters_of(located: Located) -> list[Json]:
    """Return the objects of parameters that a request and its log have."""
    return [
        inner
        for holder, plan in located.holders
        for place in plan.parameters
        if isinstance(inner := loaded_json(at(holder, place)), dict)
    ]


def tools_of(located: Located, parameters: list[Json]) -> list[Any]:
    """Return the definitions of tools and answers that a request has."""
    holder, plan = located.holders[-1]
    found = [holder[key] for key in plan.tools]
    for inner in parameters:
        if not _DEFINING.isdisjoint(inner):
            found += [inner[key] for key in sorted(_DEFINING.intersection(inner))]
    return [value for i, value in enumerate(found) if value and value not in found[:i]]


def facts_of(located: Located, parameters: list[Json]) -> Facts:
    """Return what a request asks for beside its text."""
    holder, plan = located.holders[-1]
    objects = [(holder, plan.facts)] if plan.facts else []
    objects += [(inner, keys) for inner in parameters if (keys := keys_of_facts(tuple(inner)))]
    return read_facts(objects) if objects else NO_FACTS


def _metadata(located: Located) -> bytes | None:
    """Keep a native row's metadata whole; of other logs only the fields that the evidence uses."""
    mapping, (row, _) = located.reading.mapping, located.holders[0]
    if "metadata" in mapping:
        return metadata_json(value_at(row, mapping["metadata"]))
    kept = {}
    if mapping:
        names: Iterable[str] = (*META_FIELDS, *located.reading.shared)
    elif len(located.holders) == 1:
        names = located.holders[0][1].infrastructure
    else:
        names = {name: None for _, plan in located.holders for name in plan.infrastructure}
    for name in names:
        value = find(name, located)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and value:
            kept[name] = ip_prefix(value) if name == "ip_prefix" else value
    if len(located.holders) == 1 and isinstance(row.get("prompt"), str):
        return whole_metadata(row.get("metadata"), kept, mapping)
    return orjson.dumps(kept) if kept else None
