"""The text that people wrote in provider messages: strings, lists of turns in every shape, items of Responses."""

from __future__ import annotations

import ast
import json

import orjson

from fingerprint.domain.schemas import SYSTEM_END, TURN_END
from fingerprint.domain.vocabulary import Section
from fingerprint.traffic.content import NO_ROLES, Roles, plain_text, wrong_type
from fingerprint.traffic.lenient_json import MOST_VALUES, has_more_values, read_json
from fingerprint.traffic.rejects import BadRow
from fingerprint.traffic.sections import marked, own_text

_SYSTEM, _DEVELOPER, _USER, _ASSISTANT, _TOOL = "system", "developer", "user", "assistant", "tool"
_ROLE_OF = {
    **dict.fromkeys(("system", "systemmessage"), _SYSTEM),
    "developer": _DEVELOPER,
    **dict.fromkeys(("user", "human", "humanmessage"), _USER),
    **dict.fromkeys(("assistant", "model", "ai", "aimessage", "gpt", "bot", "chatbot", "agent"), _ASSISTANT),
    **dict.fromkeys(("tool", "function", "toolmessage", "functionmessage", "ipython"), _TOOL),
}
"""Whose turn it is; any other role is one that a client made up, and is read as its user."""

_SYSTEM_OR_USER = (_SYSTEM, _USER)

REDACTED = ("redacted-by-litellm", "default-message-value")
"""What LiteLLM writes for every message when message logging is off, and where a call had none."""

_PARTS = ("input_text", "input_image", "input_file", "input_audio", "text", "image_url", "image")
_INNER = ("messages", "input", "contents", "prompt", "prompts", "kwargs")
_REQUEST_KEYS = frozenset(
    (
        *_INNER,
        *("model", "system", "instructions", "systemInstruction", "tools", "tool_choice", "functions"),
        *("temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "max_output_tokens"),
        *("n", "stop", "stream", "stream_options", "seed", "logprobs", "top_logprobs", "response_format"),
        *("presence_penalty", "frequency_penalty", "generationConfig", "parallel_tool_calls", "reasoning"),
        *("reasoning_effort", "args", "user", "metadata", "store"),
    )
)
_MARKS = ("role", "content", "parts", "from", "kwargs", "message", "message.role", "type")
_MOST_LITERAL = 20_000
"""Commas and brackets of messages that Python wrote; more of them take seconds to read."""


class Turns:
    """What system and users say in a field, and what of it is of a wrong type; also: whose turns are read as users'."""

    __slots__ = ("also", "bad", "name", "systems", "users")

    def __init__(self, name: str, also: Roles) -> None:
        self.name = name
        self.also = also
        self.systems: list[str] = []
        self.users: list[str] = []
        self.bad: list[BadRow] = []

    def spoilt(self, name: str, expected: str, value: object) -> None:
        """Keep what is of a wrong type, if it is the first: a list may hold a million."""
        if not self.bad:
            self.bad.append(wrong_type(name, expected, value))

    def add(self, role: str, text: str) -> None:
        """Take a turn, if it is one that is read."""
        if role == _SYSTEM:
            self.systems.append(text)
        elif role == _DEVELOPER:
            self.systems.append(marked("developer", text))
        elif role == _USER:
            self.users.append(text)
        elif role in self.also:
            self.users.append(marked("tool_result" if role == _TOOL else "assistant", text))


def turns(name: str, value: object, also: Roles = NO_ROLES) -> tuple[list[str], list[str]]:
    """Return system texts and user turns of a prompt, a message, a list of messages or the JSON of one.

    also: whose turns are read as the user's, too. Raises BadRow where something is of a wrong type.
    """
    said = read_turns(name, value, also)
    if said.bad:
        raise said.bad[0]
    return said.systems, said.users


def read_turns(name: str, value: object, also: Roles = NO_ROLES) -> Turns:
    """Read what can be read of a field, as `turns` does."""
    if name != "prompt" and isinstance(value, str):
        value = items_in(value, "role")
    said = Turns(name, also)
    if isinstance(value, str):
        said.users.append(own_text(value))
    elif name in ("prompt", "input") and isinstance(value, list) and value and all(map(_are_tokens, value)):
        said.bad.append(BadRow("no_text", f"no text: {name} holds token ids"))
    elif isinstance(value, dict | list):
        _read(value, said, 4)
    elif value is not None:
        said.spoilt(name, "text or messages", value)
    if any(text in REDACTED for text in said.users):
        said.users[:] = [text for text in said.users if text not in REDACTED]
    return said


def _read(value: object, said: Turns, depth: int) -> None:
    """Read an object or a list of messages."""
    if isinstance(value, dict):
        inner = [value[key] for key in _INNER if isinstance(value.get(key), str | list | dict)]
        if "role" not in value and inner and depth:
            for one in inner:
                if isinstance(one, str):
                    said.users.append(own_text(one))
                else:
                    _read(one, said, depth - 1)
            return
        if isinstance(value.get("variables"), dict):
            _variables(value["variables"], said)
            return
        value = [value]
    if not isinstance(value, list):
        return
    loose: list[object] = []
    for message in value:
        if type(message) is dict and type(message.get("content")) is str:
            role = message.get("role")
            if role in _SYSTEM_OR_USER:
                (said.users if role == _USER else said.systems).append(own_text(message["content"]))
                continue
        if isinstance(message, dict) and "role" not in message and message.get("type") in _PARTS:
            loose.append(message)
            continue
        _flush(loose, said)
        _message(message, said, depth)
    _flush(loose, said)


def _flush(loose: list[object], said: Turns) -> None:
    """Read parts that stand among messages as one user turn."""
    if loose:
        said.users.append(plain_text(said.name, loose, said.also))
        loose.clear()


def _message(message: object, said: Turns, depth: int) -> None:
    if isinstance(message, str):
        said.users.append(own_text(message))
    elif isinstance(message, list) and depth and all(isinstance(m, dict | str) for m in message):
        _read(message, said, depth - 1)
    elif not isinstance(message, dict):
        said.spoilt(f"an item of {said.name}", "a message", message)
    else:
        role, content = _role_and_content(message)
        try:
            if role is not None:
                usual: Section = "system" if role in (_SYSTEM, _DEVELOPER) else "user"
                said.add(role, plain_text(said.name, content, said.also, usual))
        except BadRow as bad:
            if not said.bad:
                said.bad.append(bad)


def _are_tokens(value: object) -> bool:
    """Tell whether a client sends numbers in the place of text, which only the model's own tokeniser can read."""
    numbers = value if isinstance(value, list) else [value]
    return bool(numbers) and all(type(number) is int for number in numbers)


def _role_and_content(message: dict[str, object]) -> tuple[str | None, object]:
    """Return whose turn a message is, None for what is no turn, and what it contains."""
    role = message.get("role")
    if isinstance(role, str):
        content = message.get("content")
        if content is None:
            content = message.get("parts", message.get("message"))
        return _ROLE_OF.get(role) or _ROLE_OF.get(role.lower(), _USER), content
    if role is not None:
        return None, None
    kind = message.get("type")
    if isinstance(kind, str) and (kind.endswith("_output") or kind in ("tool_result", "tool")):
        return _TOOL, message.get("output", message.get("content"))
    if isinstance(kind, str) and kind.lower() in _ROLE_OF:
        data = message.get("data")
        inner = data if isinstance(data, dict) else message
        return _ROLE_OF[kind.lower()], inner.get("content")
    return _unusual(message)


def _unusual(message: dict[str, object]) -> tuple[str | None, object]:
    """Read a message of ShareGPT, LangChain or OpenInference, or one without a role, which is its user's."""
    inner = message.get("message")
    if isinstance(inner, dict):
        return _role_and_content(inner)
    if isinstance(message.get("message.role"), str):
        names = {"role": "message.role", "content": "message.content"}
        return _role_and_content({name: message.get(key) for name, key in names.items()})
    sender = message.get("from")
    if isinstance(sender, str):
        return _ROLE_OF.get(sender.lower(), _USER), message.get("value")
    arguments, path = message.get("kwargs"), message.get("id")
    if isinstance(arguments, dict):
        kind = path[-1] if isinstance(path, list) and path else arguments.get("type")
        return _ROLE_OF.get(str(kind).lower().removesuffix("chunk"), _USER), arguments.get("content")
    content = message.get("content", message.get("parts"))
    if content is None and isinstance(message.get("text"), str):
        content = message["text"]
    return (None, None) if content is None else (_USER, content)


def _variables(variables: dict[str, object], said: Turns) -> None:
    """Read what fills a stored prompt's variables as one user turn."""
    texts = [
        plain_text(said.name, value, said.also)
        for value in variables.values()
        if isinstance(value, str | dict)
    ]
    said.users.append(marked("prompt", "\n".join(map(own_text, texts))))


def items_in(value: object, key: str) -> object:
    """Return the items that a JSON text holds (key "role": messages; "type": blocks), else what came."""
    loaded = loaded_json(value)
    if loaded in ([], {}):  # a LiteLLM SpendLogs row without stored prompts
        return None
    if loaded is value and isinstance(value, str):
        loaded = _literal(value)
    if key == "role" and isinstance(value, str) and (request := request_in(value)) is not None:
        return request
    items = loaded.get("messages", [loaded]) if isinstance(loaded, dict) else loaded
    return items if isinstance(items, list) and all(_is_item(item, key) for item in items) else value


def request_in(value: object) -> dict[str, object] | None:
    """Return the request that a log wrote in the place of its text: an object, or the JSON of one that has no other keys.

    A user's text may be JSON, too; of that nothing must be lost.
    """
    loaded = loaded_json(value)
    if not isinstance(loaded, dict) or "role" in loaded or not any(key in loaded for key in _INNER):
        return None
    return loaded if loaded is value or loaded.keys() <= _REQUEST_KEYS else None


def _is_item(item: object, key: str) -> bool:
    if isinstance(item, list):
        return bool(item) and all(_is_item(one, key) for one in item)
    if not isinstance(item, dict):
        return False
    return key in item or (key == "role" and any(mark in item for mark in _MARKS)) or "text" in item


def loaded_json(value: object) -> object:
    """Return the JSON value that a text holds if it is one of an object or a list, else what came."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        data = value.encode()
        if has_more_values(data, MOST_VALUES):
            return value
        try:
            return read_json(data)
        except orjson.JSONDecodeError:
            return value
    return value


def _literal(text: str) -> object:
    """Return the messages that a text holds as Python writes them, as data frames do; else the text."""
    if not text.startswith(("[{'", "{'")) or sum(map(text.count, ",[{(")) > _MOST_LITERAL:
        return text
    try:
        # by way of JSON, which has no sets and no bytes, and is read without lone surrogates
        return read_json(json.dumps(ast.literal_eval(text)).encode())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return text


def without_separators(text: str) -> str:
    """Replace the characters that part texts (SYSTEM_END, TURN_END) by spaces."""
    if SYSTEM_END in text or TURN_END in text:
        return text.replace(SYSTEM_END, " ").replace(TURN_END, " ")
    return text
