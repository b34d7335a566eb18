"""One JSON object of a log, whatever wrote it, turned into the fields of a request.

Shapes are found by their keys. What holds the texts is the object itself or what it wraps (WRAPPERS); account,
time, id and model are looked for in the outermost object first (PATHS, in that order). Understood so far:

native                 request_id, account_id, timestamp, system, prompt, model, metadata
OpenAI chat, Responses messages | instructions and input; also inside a batch line {custom_id, body}
Anthropic messages     system and messages; also inside a batch line {custom_id, params} or {"requests": […]}
LiteLLM                StandardLoggingPayload, and SpendLogs rows that store prompts
Helicone, Langfuse     {request_body, request_id, …}; {input, startTime, userId, …}
OpenTelemetry GenAI    one span, or {"resourceSpans": […]} whose gen_ai spans become requests

Texts are the system texts joined by a newline, and the user turns joined by TURN_END; assistant turns, tool
results and all that is no text are left out.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from fingerprint.domain.schemas import TURN_END
from fingerprint.traffic.field_paths import META_FIELDS, Json, Steps, compile_path, value_at
from fingerprint.traffic.messages import (
    items_in,
    loaded_json,
    plain_text,
    turns,
    without_separators,
    wrong_type,
)
from fingerprint.traffic.rejects import BadRow, RejectKind

WRAPPERS = ("body", "request", "request_body", "params", "proxy_server_request", "attributes")
TEXT_KEYS = (
    "prompt",
    "messages",
    "input",
    "gen_ai.input.messages",
    "langfuse.observation.input",
    "gen_ai.prompt",
)
SYSTEM_KEYS = ("system", "instructions", "gen_ai.system_instructions")

PATHS: dict[str, tuple[str, ...]] = {
    "request_id": (
        "request_id",
        "custom_id",
        "litellm_call_id",
        "requestId",
        "id",
        "spanId",
        "context.span_id",
    ),
    # an organisation before a team before a key; last, the end user that the client itself names
    "account_id": (
        "account_id",
        "account",
        "metadata.account_id",
        "organization_id",
        "org_id",
        "project_id",
        "metadata.user_api_key_org_id",
        "metadata.user_api_key_team_id",
        "metadata.user_api_key_hash",
        "team_id",
        "api_key",
        "request_user_id",
        "helicone_user",
        "userId",
        "user.id",
        "enduser.id",
        "user_id",
        "end_user",
        "safety_identifier",
        "metadata.user_id",
        "user",
    ),
    "timestamp": (
        "timestamp",
        "@timestamp",
        "time",
        "ts",
        "created_at",
        "request_created_at",
        "startTime",
        "start_time",
        "startTimeUnixNano",
        "created",
    ),
    "model": ("model", "request_model", "gen_ai.request.model", "model_group"),
    "ip_prefix": (
        "ip_prefix",
        "metadata.ip_prefix",
        "requester_ip_address",
        "metadata.requester_ip_address",
        "ip",
        "ip_address",
        "client_ip",
        "client.address",
    ),
    "payment_hash": ("payment_hash", "metadata.payment_hash"),
    "user_agent": ("user_agent", "metadata.user_agent", "headers.user-agent", "user_agent.original"),
}

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

_PATHS = {name: tuple((path, compile_path(path)) for path in paths) for name, paths in PATHS.items()}


def expand(row: Json) -> list[Any]:
    """Split an object that holds many requests (Anthropic batch file, OTLP export) into one item each.

    Nothing comes of what a tracer saw around a model call: OTLP spans without gen_ai attributes, Langfuse
    observations of another type than GENERATION.
    """
    requests = row.get("requests")
    if isinstance(requests, list) and "messages" not in row:
        around = {k: v for k, v in row.items() if k != "requests"}
        return [{**around, **item} if isinstance(item, dict) else item for item in requests]
    if isinstance(row.get("resourceSpans"), list):
        return list(_spans(row))
    if "traceId" in row and "startTime" in row and row.get("type", "GENERATION") != "GENERATION":
        return []
    return [row]


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
    chain = _chain(row, TEXT_KEYS) or _chain(row, SYSTEM_KEYS) or [row]
    request_id = _required("request_id", chain, mapping)
    account_id = _required("account_id", chain, mapping)
    time = _find("timestamp", chain, mapping)
    if time is None or time == "":
        raise _missing("timestamp", mapping)
    model = _find("model", chain, mapping)
    if model is not None and not isinstance(model, str):
        raise wrong_type("model", "text", model)
    system, prompt = _texts(chain[-1], row, mapping)
    if not system and not prompt:
        raise BadRow("no_text", "no text: neither user nor system text found")
    return Request(request_id, account_id, time, system, prompt, model or None, _metadata(chain, mapping))


def texts(row: Json) -> tuple[str | None, str]:
    """Read what system and user say in a request of any shape, as `extract` does; the user's text may be empty.

    Raises BadRow, naming which type was found.
    """
    chain = _chain(row, TEXT_KEYS) or _chain(row, SYSTEM_KEYS) or [row]
    return _texts(chain[-1], row, _NOTHING)


def metadata_json(value: object) -> bytes | None:
    """Return a metadata object, or the text of one, as compact JSON; None if empty, BadRow if no object."""
    if value is None or value == "":
        return None
    loaded = loaded_json(value)
    if not isinstance(loaded, dict):
        raise wrong_type("metadata", "an object", value)
    try:
        return orjson.dumps(loaded)
    except orjson.JSONEncodeError as error:
        raise BadRow(
            "wrong_type", "metadata: JSON of at most 254 levels expected, something else found"
        ) from error


def _chain(row: Json, keys: Sequence[str], depth: int = 3) -> list[Json] | None:
    """Return the objects from the row down to the one that holds text under one of `keys`."""
    if any(_holds_text(row.get(key)) for key in keys):
        return [row]
    for wrapper in WRAPPERS if depth else ():
        inner = loaded_json(row.get(wrapper))
        if isinstance(inner, dict) and (below := _chain(inner, keys, depth - 1)):
            return [row, *below]
    return None


def _holds_text(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, (list, dict)) and bool(value))


def _find(name: str, chain: Sequence[Json], mapping: Mapping[str, Steps]) -> Any:
    """Return a field's value; under other names than its own only text and numbers are taken for it."""
    if name in mapping:
        return value_at(chain[0], mapping[name])
    for holder in chain:
        for key, path in _PATHS[name]:
            value = holder.get(key)
            if value is None and len(path) > 1 and path[0] in holder:
                value = value_at(holder, path)
            if value is None or value == "":
                continue
            if key == name or (isinstance(value, (str, int, float)) and not isinstance(value, bool)):
                return value
    return None


def _required(name: str, chain: Sequence[Json], mapping: Mapping[str, Steps]) -> str:
    value = _find(name, chain, mapping)
    if value is None or value == "":
        raise _missing(name, mapping)
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
    looked = (
        "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in mapping[name])[1:]
        if name in mapping
        else None
    )
    return BadRow(kinds[name], f"no {name}: looked for {looked or ', '.join(PATHS[name])}")


def _texts(holder: Json, row: Json, mapping: Mapping[str, Steps]) -> tuple[str | None, str]:
    systems = [plain_text(name, items_in(holder[name], "type")) for name in SYSTEM_KEYS if name in holder]
    if "system" in mapping:
        systems = [plain_text("system", items_in(value_at(row, mapping["system"]), "type"))]
    name, value = "prompt", value_at(row, mapping["prompt"]) if "prompt" in mapping else None
    if "prompt" not in mapping:
        name = next((key for key in TEXT_KEYS if _holds_text(holder.get(key))), "prompt")
        value = holder.get(name)
    more, users = turns(name, value)
    system = "\n".join(text for text in (*systems, *more) if text)
    return without_separators(system) or None, TURN_END.join(without_separators(t) for t in users if t)


def _metadata(chain: Sequence[Json], mapping: Mapping[str, Steps]) -> bytes | None:
    """Keep a native row's metadata whole; of other logs only the fields that the evidence uses."""
    row = chain[0]
    if "metadata" in mapping:
        return metadata_json(value_at(row, mapping["metadata"]))
    if (
        len(chain) == 1
        and isinstance(row.get("prompt"), str)
        and not any(name in mapping for name in META_FIELDS)
    ):
        return metadata_json(row.get("metadata"))
    kept = {}
    for name in META_FIELDS:
        value = _find(name, chain, mapping)
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


def _spans(export: Json) -> Iterator[Json]:
    """Yield the gen_ai spans of an OTLP JSON export, each with its resource's and its own attributes."""
    for resource in _objects(export.get("resourceSpans")):
        shared = _attributes(value_at(resource, ("resource", "attributes")))
        for scope in _objects(resource.get("scopeSpans")):
            for span in _objects(scope.get("spans")):
                own = _attributes(span.get("attributes"))
                if any(key.startswith("gen_ai.") for key in own):
                    times = {k: span.get(k) for k in ("spanId", "startTimeUnixNano")}
                    yield {**times, "attributes": {**shared, **own}}


def _objects(value: object) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _attributes(pairs: object, depth: int = 10) -> Json:
    """Turn OTLP's [{"key": k, "value": {"stringValue": v}}] into {k: v}."""
    found = {}
    for pair in _objects(pairs):
        value = pair.get("value")
        if isinstance(pair.get("key"), str) and isinstance(value, dict):
            found[pair["key"]] = _any_value(value, depth)
    return found


def _any_value(value: Json, depth: int) -> Any:
    kind, inner = next(iter(value.items()), ("", None))
    if kind == "kvlistValue" and depth:
        return _attributes(value_at(inner, ("values",)), depth - 1)
    if kind == "arrayValue" and depth:
        return [_any_value(item, depth - 1) for item in _objects(value_at(inner, ("values",)))]
    return inner
