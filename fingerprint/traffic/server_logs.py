"""What vLLM and SGLang write of requests among other lines of their logs: texts as Python's repr has them.

vLLM up to 0.10: `INFO 08-01 12:00:00 [logger.py:39] Received request ID: prompt: 'TEXT', params: SamplingParams(…), …`. Later
ones write the prompt at VLLM_LOGGING_LEVEL=DEBUG only: `Request ID details: prompt: 'TEXT', …`, before `Received request ID:
params: …`. SGLang: `[2025-08-01 12:00:00] Receive: obj=GenerateReqInput(text='TEXT', …)`, of chats `text=None`; their text
stands in `Receive OpenAI: obj={'messages': …}`, or, in versions without such lines, in `Finish: obj=GenerateReqInput(…)`.
"""

from __future__ import annotations

import ast
import json
import re
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from fingerprint.traffic.field_paths import Json
from fingerprint.traffic.lenient_json import read_json
from fingerprint.traffic.rejects import BadRow

_STRING = r"""'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*\""""
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# what Docker puts before a line; the process that wrote it
_BEFORE = r"\s*(?:[\w.-]+\s*\|\s*)?(?:\([\w.-]+ pid=\d+\)\s*)?"
_VLLM = re.compile(
    _BEFORE + r"(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)(?::\s| (?P<time>\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?)?)"
)
_VLLM_REQUEST = re.compile(
    r"\s*\[?[\w./-]+:\d+\]\s*"
    rf"(?:Received request (?P<id>\S+)|Request (?P<detailed>\S+) details): "
    rf"(?:prompt: (?P<prompt>None|{_STRING}))?(?:(?:, )?(?:sampling_)?params: (?P<params>\w+\())?"
)
_SGLANG = re.compile(_BEFORE + r"\[(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?)(?: [A-Z]+\d+)*\]")
_SGLANG_REQUEST = re.compile(r"\s*(?P<what>Receive|Receive OpenAI|Finish): obj=(?:(?P<kind>\w+)\()?")
_TOKEN = re.compile(
    rf"(?P<text>{_STRING})|\[[\d, -]*\]|(?P<open>[\[({{])|(?P<close>[\])}}])|(?P<comma>, )|[^'\"\[\](){{}},]+|,"
)
_TEXT = re.compile(_STRING)
_CUT = re.compile(rf"({_STRING})( \.\.\. (?={_STRING}))?")

NO_REQUEST: Json = {"received_request": None}
"""A row that says of itself that it is no request."""

_WANTED = ("rid", "text", "sampling_params", "stream", "return_logprob", "top_logprobs_num")
_MOST_LITERAL = 20_000
"""Commas and brackets of what Python wrote; more of them take seconds to read."""

_REMEMBERED = 4_096
"""Requests that a later line may tell again."""


class ServerLog:
    """The lines of one file; changed: when it was last written, ns since 1970, which tells the year of vLLM's times; None: now.

    whole: whether the file is a server's log by its name, all of whose other lines tell no request.
    """

    def __init__(self, changed: int | None, *, whole: bool) -> None:
        self._changed = datetime.now(UTC) if changed is None else datetime.fromtimestamp(changed / 1e9, UTC)
        self._whole = whole
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._raw_chats = False

    def request(self, number: int, line: bytes) -> Json | None:
        """Return the request that a line tells, as a row, NO_REQUEST where it tells none; None for no line of such a log.

        Raises BadRow for a request whose text is not in the log.
        """
        text = line.decode(errors="replace")
        if "\x1b" in text:
            text = _COLOURS.sub("", text)
        if (head := _VLLM.match(text)) is not None:
            said = _VLLM_REQUEST.match(text, head.end())
            return self._of_vllm(head["time"], said, text) if said and head["time"] else NO_REQUEST
        if (head := _SGLANG.match(text)) is not None:
            begun = _SGLANG_REQUEST.match(text, head.end())
            return NO_REQUEST if begun is None else self._of_sglang(number, head["time"], begun, text)
        return NO_REQUEST if self._whole else None

    def _of_vllm(self, time: str, said: re.Match[str], text: str) -> Json:
        name = said["id"] or said["detailed"]
        if said["prompt"] is None:
            if name in self._seen:
                return NO_REQUEST
            raise BadRow(
                "no_text", "no text: vLLM wrote this request's prompt at VLLM_LOGGING_LEVEL=DEBUG only"
            )
        self._remember(name)
        parameters = {}
        if said["params"] is not None:
            parameters = _fields(text, said.start("params"))
        return {
            "received_request": name,
            "timestamp": self._with_year(time),
            "prompt": _literal(said["prompt"]),
            "sampling_params": {key: _literal(value) for key, value in parameters.items()},
        }

    def _of_sglang(self, number: int, time: str, begun: re.Match[str], text: str) -> Json:
        if begun["what"] == "Receive OpenAI":
            self._raw_chats = True
            body = _literal(text[begun.end() : _end(text, begun.end())])
            if not isinstance(body, dict):
                raise BadRow("wrong_type", "obj: a dictionary as Python writes it expected")
            return {"line": f"line {number}", "timestamp": time, "obj": body}
        if begun["kind"] != "GenerateReqInput":
            return NO_REQUEST
        fields = _fields(text, begun.start("kind"))
        told = {key: _literal(fields[key]) for key in _WANTED if key in fields}
        names = told.get("rid")
        name = names[0] if isinstance(names, list) and names else names
        if not isinstance(name, str):
            raise BadRow("wrong_type", "rid: text expected")
        if name in self._seen or (self._raw_chats and begun["what"] == "Finish"):
            return NO_REQUEST
        if not told.get("text"):
            if "text" not in fields and not self._raw_chats and begun["what"] == "Receive":
                raise BadRow("no_text", "no text: SGLang writes texts at --log-requests-level 2 and 3 only")
            return NO_REQUEST
        self._remember(name)
        return {"rid": name, "timestamp": time, "obj": told}

    def _remember(self, name: str) -> None:
        self._seen[name] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def _with_year(self, time: str) -> str:
        """Return a time with the last year in which it is not after the file was written."""
        for year in range(self._changed.year + 1, self._changed.year - 8, -1):
            try:
                when = datetime.fromisoformat(f"{year}-{time}").replace(tzinfo=UTC)
            except ValueError:  # the 29th of February
                continue
            if when <= self._changed + timedelta(days=1):
                return when.isoformat()
        return time


def _fields(text: str, begin: int) -> dict[str, str]:
    """Return the arguments of a call as Python writes it, `Name(a=1, b='x')`, which begins at `begin`."""
    fields: dict[str, str] = {}
    depth, start = 0, begin
    for token in _TOKEN.finditer(text, begin):
        if token["open"]:
            depth += 1
            if depth == 1:
                start = token.end()
        elif token["close"] or (token["comma"] and depth == 1):
            depth -= bool(token["close"])
            if depth == 0 or token["comma"]:
                key, _, value = text[start : token.start()].partition("=")
                fields[key.strip()] = value
                start = token.end()
            if depth == 0:
                break
    return fields


def _end(text: str, begin: int) -> int:
    """Return where the brackets close that open at `begin`."""
    depth = 0
    for token in _TOKEN.finditer(text, begin):
        depth += bool(token["open"]) - bool(token["close"])
        if depth <= 0:
            return token.end()
    return len(text)


def _literal(text: str) -> Any:
    """Return the value of what Python wrote, None where it is no literal; a text of which SGLang left out the middle as one."""
    bare = _TEXT.sub("", text)
    if sum(map(bare.count, ",[{(")) > _MOST_LITERAL:
        return None
    whole = _CUT.sub(lambda part: f"{part[1]}' ... '" if part[2] else part[1], text)
    try:
        # by way of JSON, which has no sets and no bytes, and is read without lone surrogates
        return read_json(json.dumps(ast.literal_eval(whole.strip())).encode())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, orjson.JSONDecodeError):
        return None
