"""Files of traffic in every format, spoilt at random: a seed makes the same file each time."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import random
from copy import deepcopy
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

NATIVE = {
    "request_id": "r1",
    "account_id": "a1",
    "timestamp": "2026-03-02T10:00:00Z",
    "system": "Be brief.",
    "prompt": "How do I prune a pear tree?\nAnd when?",
    "model": "m",
    "metadata": {"ip_prefix": "192.0.2", "user_agent": "sdk/1"},
}
_TURNS = [
    {"role": "system", "content": "Be brief."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "data:"}},
        ],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c", "content": "a result"},
]
_OPENAI = {
    "id": "chatcmpl-1",
    "created": 1772445600,
    "user": "u-1",
    "model": "m",
    "messages": _TURNS,
    "max_tokens": 9,
}
_SPAN = {
    "traceId": "t",
    "spanId": "s",
    "startTimeUnixNano": "1772445600000000000",
    "attributes": [
        {"key": "gen_ai.prompt.0.content", "value": {"stringValue": "hi there"}},
        {"key": "gen_ai.prompt.0.role", "value": {"stringValue": "user"}},
        {"key": "user.id", "value": {"stringValue": "u"}},
    ],
}
ROWS: list[dict[str, Any]] = [
    NATIVE,
    _OPENAI,
    {
        "request_id": "r2",
        "account_id": 7,
        "timestamp": 1772445600.5,
        "body": json.dumps(_OPENAI),
        "status": 200,
    },
    {
        "request_id": "r3",
        "api_key": "k",
        "user": "u",
        "startTime": "2026-03-02 10:00:00",
        "messages": "{}",
        "proxy_server_request": json.dumps({"body": _OPENAI}),
        "metadata": {"user_api_key_user_id": "u"},
    },
    {
        "custom_id": "c",
        "params": {"max_tokens": 5, "system": [{"type": "text", "text": "s"}], "messages": _TURNS[1:2]},
    },
    {
        "id": "o1",
        "type": "GENERATION",
        "userId": "u",
        "projectId": "p",
        "startTime": "2026-03-02T10:00:00Z",
        "input": json.dumps({"messages": _TURNS}),
    },
    {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"spans": [_SPAN]}]}]},
    {
        "request_id": "r4",
        "account_id": "a",
        "timestamp": "2026-03-02T10:00:00Z",
        "instructions": "s",
        "input": [
            {"type": "message", "role": "user", "content": "x"},
            {"type": "function_call_output", "output": "y"},
        ],
        "tools": [{"type": "function", "name": "f", "description": "d", "parameters": {}}],
    },
    {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "systemInstruction": {"parts": [{"text": "s"}]},
    },
    {
        "schemaType": "ModelInvocationLog",
        "requestId": "r5",
        "timestamp": "2026-03-02T10:00:00Z",
        "identity": {"arn": "arn:x"},
        "input": {"inputBodyJson": {"messages": _TURNS[1:2], "anthropic_version": "b"}},
    },
    {"records": [NATIVE, _OPENAI]},
]
ODD_VALUES: list[Any] = [
    None, True, 0, -1, 1.5, 10**19, 10**30, "", " ", "\0", "\x1d\x1e", "[]", "{}", "[", '{"a":', "null", "é\u0301" * 9,
    "2026-13-45", "9" * 400, [], {}, [[]], [None], [1], {"a": None}, {"role": "user"}, {"": {"": []}}, [[[[[["x"]]]]]],
    {"$date": 5}, {"messages": [None]}, [{"role": ["user"], "content": {"text": 5}}], {"text": {"text": "x"}},
]  # fmt: skip
ODD_BYTES = [
    b"\\ud800", b"\xff", b"\xed\xa0\x80", b"\x00", b"NaN", b"-Infinity", b"1e999", b"\xef\xbb\xbf", b"\x1e", b'"', b'""',
    b"\\", b"{", b"}", b"[" * 300, b",", b":", b"\r", b"\n", b"\r\n", b"\t", b";", b"\x1f\x8b", b"PAR1", b"9" * 50, b"\\u00",
    b"\xe2\x80\xa8", b"\xf0\x9f\x98",
]  # fmt: skip
ENDINGS = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".jsonl.gz", ".csv.bz2", ".json.xz")


def spoilt(seed: int) -> tuple[str, bytes]:
    """Make a file: the ending of its name, and what it holds."""
    rng = random.Random(seed)
    ending = rng.choice(ENDINGS)
    rows = [_changed(json.loads(json.dumps(rng.choice(ROWS))), rng) for _ in range(rng.randrange(1, 5))]
    inside = _written(ending, rows, rng)
    data = bytearray(inside)
    for _ in range(rng.choice((0, 1, 1, 2, 5))):
        at = rng.randrange(len(data) + 1)
        data[at : at + rng.choice((0, 0, 1, 9))] = rng.choice((*ODD_BYTES, bytes([rng.randrange(256)])))
    if rng.random() < 0.15:
        del data[rng.randrange(len(data) + 1) :]
    packed = _packed(ending, bytes(data))
    if packed is not data and rng.random() < 0.1:
        packed = packed[: rng.randrange(len(packed) + 1)]
    return ending, packed


def _changed(row: Any, rng: random.Random) -> Any:
    """Put odd values into a row, and odd keys."""
    for _ in range(rng.choice((0, 1, 2))):
        holder = row
        while isinstance(holder, (dict, list)) and holder:
            key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
            if not isinstance(holder[key], (dict, list)) or not holder[key] or rng.random() < 0.4:
                holder[key] = deepcopy(rng.choice(ODD_VALUES))
                if isinstance(holder, dict) and rng.random() < 0.2:
                    holder[rng.choice(("prompt", "messages", "account_id", "", "a.b", "input"))] = holder.pop(
                        key
                    )
                break
            holder = holder[key]
    return row


def _written(ending: str, rows: list[Any], rng: random.Random) -> bytes:
    if ".json" in ending:
        if ".jsonl" not in ending and rng.random() < 0.7:
            return json.dumps(
                rows if rng.random() < 0.5 else {"data": rows}, indent=rng.choice((None, 1))
            ).encode()
        return b"\n".join(json.dumps(row, ensure_ascii=rng.random() < 0.5).encode() for row in rows) + b"\n"
    names = list(dict.fromkeys(name for row in rows for name in row))
    flat = [{name: _cell(row.get(name), rng) for name in names} for row in rows]
    if ending.endswith(".parquet"):
        return _parquet(names, rows, flat, rng)
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t" if ".tsv" in ending else rng.choice(",;,"))
    writer.writerow(names)
    writer.writerows([row[name] for name in names] for row in flat)
    return out.getvalue().encode()


def _cell(value: Any, rng: random.Random) -> str:
    if isinstance(value, (dict, list)):
        return json.dumps(value) if rng.random() < 0.9 else repr(value)
    return "" if value is None else str(value)


def _parquet(names: list[str], rows: list[Any], flat: list[dict[str, str]], rng: random.Random) -> bytes:
    table = pa.Table.from_pylist(flat, pa.schema([(name, pa.string()) for name in names]))
    if rng.random() < 0.5:
        for number, name in enumerate(names):
            try:
                typed = pa.array([row.get(name) for row in rows])
            except (pa.ArrowException, OverflowError):
                continue
            table = table.set_column(number, name, typed)
    if rng.random() < 0.3 and names:
        name = rng.choice(names)
        odd = rng.choice(
            (
                pa.array([1772445600123456789] * len(rows), pa.timestamp("ns", "UTC")),
                pa.array([b"\xff\xfe" * 8] * len(rows), pa.binary(16)),
                pa.array([5] * len(rows), pa.duration("ns")),
                pa.array([[("k", "v"), ("k", "w")]] * len(rows), pa.map_(pa.string(), pa.string())),
                pa.array([2**62] * len(rows), pa.timestamp("us")),
                pa.array(["x"] * len(rows)).dictionary_encode(),
                pa.nulls(len(rows)),
            )
        )
        table = table.set_column(names.index(name), name, odd)
    out = io.BytesIO()
    try:
        pq.write_table(table, out)
    except pa.ArrowException:
        out = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(flat), out)
    return out.getvalue()


def _packed(ending: str, data: bytes) -> bytes:
    if ending.endswith(".gz"):
        return gzip.compress(data, 1, mtime=0)
    if ending.endswith(".bz2"):
        return bz2.compress(data, 1)
    return lzma.compress(data, preset=0) if ending.endswith(".xz") else data
