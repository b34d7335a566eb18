"""The names under which a request's text is read, and requests that write them in other letters brought back to them.

Some servers take `Messages` or `CONTENT` for the names that they know, so a client may write them so. In what is a client's own
(the parameters of its tools, its metadata) names stay as they are.
"""

from __future__ import annotations

from typing import Any

from fingerprint.traffic.rejects import BadRow

TEXTS = frozenset(
    (
        *("messages", "input", "contents", "prompt", "prompts", "inputText", "inputs", "structured_messages"),
        *("system", "instructions", "systemInstruction", "system_instruction"),
        *("message", "chat_history", "preamble", "preamble_override"),
    )
)
"""Names of a request that hold what is said in it."""

TOOLS = frozenset(("tools", "functions", "toolConfig", "response_format", "output_config"))
"""Names of a request that hold definitions."""

REQUESTS = frozenset(("requests", "request", "body", "params", "kwargs"))
"""Names that hold requests."""

SAID = frozenset(
    (
        *("role", "content", "parts", "text", "type", "message", "from", "value", "data", "source", "title"),
        *("context", "output", "variables", "response", "document", "toolResult", "functionResponse"),
        *("function_response", "searchResult", "guardContent", "inlineData", "inline_data", "image_url"),
    )
)
"""Names within what is said."""

DEFINED = frozenset(("name", "title", "description", "function", "properties"))
"""Names within definitions."""

EVERY_NAME = TEXTS | TOOLS | REQUESTS | SAID | DEFINED

_DEEPEST = 200


def folded(name: str) -> str:
    """Return a name in small letters, as Go's encoding/json compares names (`strings.EqualFold`)."""
    return name.replace("\u017f", "s").replace("\u212a", "k").lower() if not name.isascii() else name.lower()


def as_read(fields: Any) -> Any:
    """Return a request with its names as they are read; raises BadRow where an object then has one twice."""
    return _request(fields, _DEEPEST)


def _request(value: Any, depth: int) -> Any:
    if isinstance(value, list):
        return [_request(item, depth - 1) for item in value] if depth else value
    if not isinstance(value, dict) or not depth:
        return value
    out = _renamed(value, _REQUEST_NAMES)
    for name, inner in out.items():
        if name in TEXTS:
            out[name] = _walked(inner, _SAID_NAMES, depth - 1)
        elif name in TOOLS:
            out[name] = _walked(inner, _DEFINED_NAMES, depth - 1)
        elif name in REQUESTS:
            out[name] = _request(inner, depth - 1)
    return out


def _walked(value: Any, names: dict[str, str], depth: int) -> Any:
    """Return what is said or defined with its names as they are read; those of a tool's parameters are its own."""
    if not depth:
        return value
    if isinstance(value, list):
        return [_walked(item, names, depth - 1) for item in value]
    if not isinstance(value, dict):
        return value
    out = _renamed(value, names)
    for name, inner in out.items():
        if name == "properties" and isinstance(inner, dict):
            out[name] = {
                key: _walked(schema, names, depth - 2) if depth > 1 else schema
                for key, schema in inner.items()
            }
        else:
            out[name] = _walked(inner, names, depth - 1)
    return out


def _renamed(value: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    out = {
        names.get(folded(name), name) if name not in EVERY_NAME else name: inner
        for name, inner in value.items()
    }
    if len(out) < len(value):
        raise BadRow("repeated_name", "an object has a name twice")
    return out


def _by_folded(names: frozenset[str]) -> dict[str, str]:
    return {folded(name): name for name in sorted(names)}


_REQUEST_NAMES, _SAID_NAMES, _DEFINED_NAMES = map(
    _by_folded, (TEXTS | TOOLS | REQUESTS, SAID | TEXTS, DEFINED)
)
