"""One request as a client sends it to a model, or a gateway passes it on: read as the rows of logs are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import orjson

from fingerprint.domain.schemas import SECTION_MARK
from fingerprint.traffic.content import NO_ROLES, Roles
from fingerprint.traffic.field_paths import Json
from fingerprint.traffic.json_names import names_in
from fingerprint.traffic.lenient_json import MOST_VALUES, UNDECODABLE, has_more_values, mend
from fingerprint.traffic.located import holds_text
from fingerprint.traffic.messages import REDACTED, without_separators
from fingerprint.traffic.read_names import as_read
from fingerprint.traffic.rejects import BadRow, json_type
from fingerprint.traffic.requests import sender, texts
from fingerprint.traffic.sections import own_text

LONGEST_ACCOUNT = 1_024
"""Characters of an account's name; a longer one is no name, but takes as long to look for as megabytes of text."""

_PLAIN = frozenset(("prompt", "system", "account_id", "explain"))


@dataclass(frozen=True, slots=True)
class Body:
    """A body that is an object; undecodable: whether it holds bytes that are no UTF-8. cut: whether its end is missing."""

    fields: Json
    undecodable: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """What is said in a request, and who sends it, if it says.

    said: what the user says of `prompt`, where that has others' turns, too; None: all of it.
    """

    prompt: str
    system: str | None
    account: str | None
    said: str | None = None


def parsed(data: bytes, *, cut: bool = False) -> Body:
    """Read the JSON of a body, as leniently as that of logs; raises BadRow for what is none, or no object, or too much.

    An object that has a name twice is refused, which logs are not: readers differ in which of the two they take (RFC 8259,
    section 4), so that what is looked up need not be what the model gets (D-230). A name that is read counts in
    whatever case its letters are, since some servers take it so (D-241).
    cut: the end may be missing; what came before it is read, and a message whose role did not arrive is the user's.
    """
    if has_more_values(data, MOST_VALUES):
        raise BadRow("too_many_values", f"more than {MOST_VALUES:,} values, names, lists and objects")
    try:
        body, names = Body(orjson.loads(data)), names_in(data)
    except orjson.JSONDecodeError as error:
        mended = mend(data)
        ends = mended is None
        if ends and cut:
            mended = mend(data, cut=True)
        if mended is None:
            raise BadRow("not_json", f"JSON expected: {error.msg} at character {error.colno}") from None
        body, names = Body(mended.value, mended.undecodable, ends), mended.names
        if ends:
            _name_the_speaker(body.fields)
    if names.repeated:
        raise BadRow("repeated_name", "an object has a name twice")
    if not isinstance(body.fields, dict):
        raise BadRow("not_object", f"an object expected, {json_type(body.fields)} found")
    return replace(body, fields=as_read(body.fields)) if names.other_case else body


def said_in(body: Body, roles: Roles = NO_ROLES) -> Sent:
    """Read what a request says; raises BadRow where no text can be found, or a text is no UTF-8.

    roles: whose turns are read, too.
    """
    plain = _plain(body)
    if plain is not None:
        return plain
    fields = body.fields
    if isinstance(fields.get("message"), str):
        # what a client sends is a request, of Cohere's first API by this name; in a log it may be anything
        fields = {"chat_history": None, **fields}
    system, prompt = texts(fields, roles)
    if not system and not prompt:
        raise BadRow("no_text", "no text: neither user nor system text found")
    if body.undecodable and any(UNDECODABLE in text for text in (system or "", prompt)):
        raise BadRow("invalid_utf8", "a text is not valid UTF-8")
    said = None
    # what others say is marked
    if roles and SECTION_MARK in prompt:
        _, said = texts(fields)
        said = None if said == prompt or not (said or system) else said
    account = sender(body.fields)
    if account is not None and len(account) > LONGEST_ACCOUNT:
        account = None
    return Sent(prompt, system, account, said)


def _plain(body: Body) -> Sent | None:
    """Read a prompt and a system prompt that are texts, several times faster than all else is read; None for any other request."""
    get = body.fields.get
    prompt, system, account = get("prompt"), get("system"), get("account_id")
    if (
        body.undecodable
        or type(prompt) is not str
        or not (system is None or (type(system) is str and system[:1] not in ("{", "[")))
        or not (account is None or (type(account) is str and 0 < len(account) <= LONGEST_ACCOUNT))
        or "_session_" in (account or "")
        or not body.fields.keys() <= _PLAIN
    ):
        return None
    own = own_text(prompt)
    if not own or own in REDACTED or not holds_text(prompt):
        return None
    return Sent(without_separators(own), without_separators(own_text(system or "")) or None, account)


def _name_the_speaker(value: Any) -> None:
    """Let a message at the end of what arrived, whose role may have been cut off, be one of the user."""
    while isinstance(value, (dict, list)) and value:
        if isinstance(value, list):
            value = value[-1]
            continue
        if "role" not in value and ("content" in value or "parts" in value):
            value["role"] = "user"
            value = value.get("content", value.get("parts"))
        else:
            value = value[next(reversed(value))]
