"""The text in what one message contains: itself, or its parts, each provider's.

A picture, a sound or a file among the parts is one line, `attachment://image/` and a hash of what it holds or where it
lies, so that requests which differ in a picture only differ in their text, in a place that is masked (D-163).
"""

from __future__ import annotations

from hashlib import blake2b

import orjson

from fingerprint.domain.vocabulary import Section
from fingerprint.traffic.rejects import BadRow, json_type
from fingerprint.traffic.sections import joined, marked, own_text
from fingerprint.traffic.tools import packed_json

Roles = frozenset[str]
"""Of "assistant" and "tool": whose turns are read, too."""

NO_ROLES: Roles = frozenset()

_ATTACHED = "attachment://"
_TEXT_PARTS = (None, "text", "input_text")
# what a model said, did or thought, and what marks a place in a text
_NOT_SAID = (
    "refusal",
    "tool_use",
    "server_tool_use",
    "tool_call",
    "tool-call",
    "function_call",
    "thinking",
    "redacted_thinking",
    "reasoning",
)
_RESULTS = ("tool_result", "tool-result", "tool_call_response", "web_search_tool_result", "mcp_tool_result")
_ATTACHMENTS = {
    "image": "image",
    "image_url": "image",
    "input_image": "image",
    "audio": "audio",
    "audio_url": "audio",
    "input_audio": "audio",
    "video": "video",
    "video_url": "video",
    "file": "file",
    "input_file": "file",
    "document": "file",
    "container_upload": "file",
    "blob": "file",
    "uri": "file",
    "inlineData": "file",
    "inline_data": "file",
    "fileData": "file",
    "file_data": "file",
}
"""What parts that are no text are called, by their type or, of providers who name none, by their key."""

_NOT_CONTENT = (
    *("type", "modality", "mime_type", "detail", "title", "context", "citations", "name"),
    *("cache_control", "cachePoint"),
)
"""Keys of such a part that say nothing of what it holds."""


def plain_text(name: str, content: object, also: Roles = NO_ROLES, usual: Section = "user") -> str:
    """Return a content's text: itself, or that of its parts, joined by a newline; raises BadRow for another type.

    usual: where it stands; parts that stand elsewhere are marked.
    """
    if isinstance(content, str):
        return own_text(content)
    if content is None:
        return ""
    if isinstance(content, dict):
        parts = content.get("parts")
        content = parts if isinstance(parts, list) else [content]
    if not isinstance(content, list):
        raise wrong_type(f"content in {name}", "text or a list of parts", content)
    return joined([_part_text(part, also) for part in content], usual)


def attachment(kind: str, value: object) -> str:
    """Return the line that stands for a picture, sound or file; none where the log left out what it holds."""
    if isinstance(value, dict):
        value = {key: inner for key, inner in value.items() if key not in _NOT_CONTENT and inner}
    packed = packed_json(value)
    if packed is None:
        return ""
    return f"{_ATTACHED}{kind}/{blake2b(packed, digest_size=8).hexdigest()}"


def wrong_type(name: str, expected: str, value: object) -> BadRow:
    """Name the type that came instead of the expected one."""
    return BadRow("wrong_type", f"{name}: {expected} expected, {json_type(value)} found")


def _part_text(part: object, also: Roles) -> str:
    if isinstance(part, str):
        return own_text(part)
    if not isinstance(part, dict):
        return ""
    kind = part.get("type")
    if not isinstance(kind, str | None) or kind in _NOT_SAID:
        return ""
    # OpenTelemetry's text parts say `content` where the providers' say `text`
    text = part.get("text")
    if isinstance(text, str):
        return own_text(text)
    if isinstance(text, dict):
        inner = text.get("value", text.get("text"))
        return own_text(inner) if isinstance(inner, str) else ""
    if kind in _RESULTS:
        result = part.get("content", part.get("response"))
        return marked("tool_result", _nested(result, also)) if "tool" in also else ""
    if kind in _TEXT_PARTS and isinstance(part.get("content"), str | list):
        return _nested(part["content"], also)
    if kind in ("document", "search_result"):
        return _document(part, also)
    if kind in _ATTACHMENTS:
        return attachment(_kind_of(part, _ATTACHMENTS[kind]), part)
    return _untyped(part, also) if kind is None else _nested(part.get("content"), also)


def _nested(content: object, also: Roles) -> str:
    return plain_text("parts", content, also) if isinstance(content, str | list | dict) else ""


def _kind_of(part: dict[str, object], kind: str) -> str:
    """Tell from its media type what a file is."""
    for value in (part, *part.values()):
        if isinstance(value, dict):
            media = value.get("mime_type") or value.get("mimeType") or value.get("media_type")
            named = str(media or value.get("modality") or "").partition("/")[0]
            if named in ("image", "audio", "video"):
                return named
    return kind


def _document(part: dict[str, object], also: Roles) -> str:
    """Return a document's title, context and text, or the word for one that is no text."""
    source = part.get("source")
    texts = [part.get("title"), part.get("context")]
    if isinstance(source, dict) and source.get("type") in ("text", "content", None):
        body = source.get("data", source.get("text")) or source.get("content")
        texts.append(_nested(body, also) if body else attachment("file", source))
    elif isinstance(source, dict):
        texts.append(attachment(_kind_of(source, "file"), source))
    texts.append(_nested(part.get("content"), also))
    said = [own_text(text) for text in texts if isinstance(text, str) and text]
    whole = "\n".join(said)
    return whole if all(text.startswith(_ATTACHED) for text in said) else marked("document", whole)


def _untyped(part: dict[str, object], also: Roles) -> str:
    """Read a part of Bedrock's Converse, of Gemini or of OpenInference, which says by a key what it is."""
    for key, value in part.items():
        if value is None:
            continue
        if key == "document" and isinstance(value, dict):
            return _document(value, also)
        if key in _ATTACHMENTS:
            return attachment(_kind_of(part, _ATTACHMENTS[key]), value)
        if key in ("guardContent", "message_content", "searchResult"):
            return _nested(value, also)
        if key == "message_content.text" and isinstance(value, str):
            return own_text(value)
        if key in ("toolResult", "functionResponse", "function_response") and "tool" in also:
            inner = value.get("content", value.get("response")) if isinstance(value, dict) else value
            return marked("tool_result", _nested(inner, also) or _as_json(inner))
    return ""


def _as_json(value: object) -> str:
    """Return a tool's result that is an object as JSON; none where it is no object."""
    try:
        return orjson.dumps(value).decode() if isinstance(value, dict) else ""
    except orjson.JSONEncodeError:
        return ""
