"""The text that people wrote in provider messages: strings, blocks and parts, lists of turns.

A picture, a sound or a file among the parts is one line, `attachment://image/` and a hash of what it holds or where it
lies, so that requests which differ in a picture only differ in their text, in a place that is masked (D-163).
"""

from __future__ import annotations

from hashlib import blake2b

import orjson

from fingerprint.domain.schemas import SYSTEM_END, TURN_END
from fingerprint.traffic.rejects import BadRow, json_type

# tuples, not sets: a log may hold something unhashable where a role should be
_SYSTEM_ROLES = ("system", "developer")
_USER_ROLES = ("user", "human")
_TEXT_PARTS = (None, "text", "input_text")
_ATTACHMENTS = {
    "image_url": "image",
    "input_image": "image",
    "image": "image",
    "input_audio": "audio",
    "audio": "audio",
    "video_url": "video",
    "video": "video",
    "file": "file",
    "input_file": "file",
    "document": "file",
    # OpenTelemetry's, whose `modality` says what they are
    "blob": "file",
    "uri": "file",
}
"""What parts that are no text are called, by their type."""

_MODALITIES = ("image", "audio", "video")
_NOT_CONTENT = ("type", "modality", "mime_type", "detail", "title", "cache_control")
"""Keys of such a part that say nothing of what it holds."""

_REDACTED = "redacted-by-litellm"  # what LiteLLM writes for every message when message logging is off


def turns(name: str, value: object) -> tuple[list[str], list[str]]:
    """Return system texts and user turns of a prompt, a message, a list of messages or the JSON of one."""
    if name != "prompt":
        value = items_in(value, "role")
    if value is None or isinstance(value, str):
        return [], [] if value in (None, _REDACTED) else [str(value)]
    if isinstance(value, dict):
        value = value.get("messages", [value])
    if not isinstance(value, list):
        raise wrong_type(name, "text or messages", value)
    systems: list[str] = []
    users: list[str] = []
    for message in value:
        if isinstance(message, str):
            users.append(message)
        elif not isinstance(message, dict):
            raise wrong_type(f"an item of {name}", "a message", message)
        elif message.get("role") in _SYSTEM_ROLES:
            systems.append(plain_text(name, message.get("content", message.get("parts"))))
        elif message.get("role") in _USER_ROLES:
            users.append(plain_text(name, message.get("content", message.get("parts"))))
    return systems, [text for text in users if text != _REDACTED]


def plain_text(name: str, content: object) -> str:
    """Return a content's text: itself, or those of its parts that are text or attached, joined by a newline."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        raise wrong_type(f"content in {name}", "text or a list of parts", content)
    return "\n".join(text for text in map(_part_text, content) if text)


def _part_text(part: object) -> str:
    if not isinstance(part, dict):
        return part if isinstance(part, str) else ""
    kind = part.get("type")
    if kind in _TEXT_PARTS:
        # OpenTelemetry's text parts say `content` where the providers' say `text`
        text = part.get("text", part.get("content"))
        return text if isinstance(text, str) else ""
    return _attachment(part, _ATTACHMENTS[kind]) if isinstance(kind, str) and kind in _ATTACHMENTS else ""


def _attachment(part: dict[str, object], name: str) -> str:
    """Return the line that stands for a part that is no text; none where the log left out what it holds."""
    holds = {key: value for key, value in part.items() if key not in _NOT_CONTENT and value}
    if not holds:
        return ""
    name = next((m for m in _MODALITIES if part.get("modality") == m), name)
    digest = blake2b(orjson.dumps(holds, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()
    return f"attachment://{name}/{digest}"


def items_in(value: object, key: str) -> object:
    """Return the items with `key` (role: messages, type: blocks) that a JSON text holds, else what came."""
    loaded = loaded_json(value)
    if loaded in ([], {}):  # a LiteLLM SpendLogs row without stored prompts
        return None
    items = loaded.get("messages", [loaded]) if isinstance(loaded, dict) else loaded
    known = isinstance(items, list) and all(isinstance(item, dict) and key in item for item in items)
    return items if known else value


def loaded_json(value: object) -> object:
    """Return the JSON value that a text holds if it is one of an object or a list, else what came."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def without_separators(text: str) -> str:
    """Replace the characters that part segments (SYSTEM_END, TURN_END) by spaces."""
    if SYSTEM_END in text or TURN_END in text:
        return text.replace(SYSTEM_END, " ").replace(TURN_END, " ")
    return text


def wrong_type(name: str, expected: str, value: object) -> BadRow:
    """Name the type that came instead of the expected one."""
    return BadRow("wrong_type", f"{name}: {expected} expected, {json_type(value)} found")
