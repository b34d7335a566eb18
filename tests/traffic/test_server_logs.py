"""Requests among the lines of vLLM's and SGLang's logs, in the shapes of several versions."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.domain.errors import InputError
from fingerprint.domain.reading import Reading
from fingerprint.traffic.reader import read_traffic
from fingerprint.traffic.rejects import BadRow
from fingerprint.traffic.server_logs import NO_REQUEST, ServerLog

WRITTEN = int(datetime(2026, 3, 5, tzinfo=UTC).timestamp() * 1e9)
SAID = "Prune it?\nparams: SamplingParams(n=9), (\"quoted\") and 'quoted'"
PARAMS = "n=2, temperature=0.5, seed=None, stop=['a, b', \"c)\"], max_tokens=16, logprobs=5"
REST = "prompt_token_ids: [1, 2], lora_request: None, prompt_adapter_request: None."


def log(*, whole: bool = True) -> ServerLog:
    return ServerLog(WRITTEN, whole=whole)


@pytest.mark.parametrize(
    "line",
    [
        f"INFO 03-02 10:00:00 async_llm_engine.py:436] Received request c-1: prompt: {SAID!r}, sampling_params: SamplingParams({PARAMS}), {REST}",
        f"INFO 03-02 10:00:00 logger.py:36] Received request c-1: prompt: {SAID!r}, params: SamplingParams({PARAMS}), {REST}",
        f"(APIServer pid=7) INFO 03-02 10:00:00 [logger.py:39] Received request c-1: prompt: {SAID!r}, params: SamplingParams({PARAMS}), {REST}",
        f"vllm-1  | \x1b[0;36m(APIServer pid=7)\x1b[0;0m INFO 03-02 10:00:00 [logger.py:39] Received request c-1: prompt: {SAID!r}, params: SamplingParams({PARAMS}), {REST}",
    ],
)
def test_vllm(line: str) -> None:
    row = log().request(1, line.encode())
    assert row is not None
    assert (row["received_request"], row["timestamp"]) == ("c-1", "2026-03-02T10:00:00+00:00")
    assert row["prompt"] == SAID
    assert row["sampling_params"] == {
        "n": 2,
        "temperature": 0.5,
        "seed": None,
        "stop": ["a, b", "c)"],
        "max_tokens": 16,
        "logprobs": 5,
    }


def test_vllm_that_writes_prompts_when_debugging() -> None:
    details = f"DEBUG 12-31 10:00:00 [request_logger.py:47] Request c-1 details: prompt: {SAID!r}, prompt_token_ids: None, prompt_embeds shape: None."
    received = "INFO 12-31 10:00:00 [logger.py:49] Received request {}: params: SamplingParams(n=1), lora_request: None."
    lines = log()
    row = lines.request(1, details.encode())
    assert row is not None
    assert (row["prompt"], row["timestamp"]) == (SAID, "2025-12-31T10:00:00+00:00")
    assert lines.request(2, received.format("c-1").encode()) == NO_REQUEST
    with pytest.raises(BadRow, match=r"at VLLM_LOGGING_LEVEL=DEBUG only"):
        lines.request(3, received.format("c-2").encode())


def test_sglang() -> None:
    lines = log()
    asked = f"[2026-03-02 10:00:00] Receive: obj=GenerateReqInput(text={SAID!r}, input_ids=[1, 2], sampling_params={{'n': 2, 'stop': ['x, y)']}}, rid='r1', stream=True)"
    row = lines.request(1, asked.encode())
    told = {"text": SAID, "sampling_params": {"n": 2, "stop": ["x, y)"]}, "rid": "r1", "stream": True}
    assert row == {"rid": "r1", "timestamp": "2026-03-02 10:00:00", "obj": told}
    # of a chat the text is there at the end, without the answer
    begun = "[2026-03-02 10:00:01 TP0] Receive: obj=GenerateReqInput(rid='r2', text=None, input_ids=[1])"
    ended = "[2026-03-02 10:00:02] Finish: obj=GenerateReqInput(rid='r2', text='<|user|>Hello'), out={'text': 'secret'}"
    again = asked.replace("Receive", "Finish")
    assert [lines.request(n, line.encode()) for n, line in enumerate((begun, again), 2)] == [NO_REQUEST] * 2
    row = lines.request(4, ended.encode())
    assert row is not None
    assert row["obj"] == {"rid": "r2", "text": "<|user|>Hello"}
    cut = "[2026-03-02 10:00:03] Receive: obj=GenerateReqInput(rid=['r3'], text='begin' ... \"it's end\")"
    row = lines.request(5, cut.encode())
    assert row is not None
    assert row["obj"]["text"] == "begin ... it's end"
    assert lines.request(6, b"[2026-03-02 10:00:04] Receive: obj=EmbeddingReqInput(text='x')") == NO_REQUEST


def test_sglang_that_writes_chats_as_they_came() -> None:
    lines = log()
    body = {"messages": [{"role": "user", "content": SAID}], "model": "m", "stream": True}
    chat = f"[2026-03-02 10:00:00] Receive OpenAI: obj={body!r}, headers={{'x-smg-routing-key': 'k'}}"
    assert lines.request(8, chat.encode()) == {
        "line": "line 8",
        "timestamp": "2026-03-02 10:00:00",
        "obj": body,
    }
    ended = "[2026-03-02 10:00:02] Finish: obj=GenerateReqInput(rid='r2', text='<|user|>Hello')"
    assert lines.request(9, ended.encode()) == NO_REQUEST
    with pytest.raises(BadRow, match=r"a dictionary as Python writes it expected"):
        lines.request(10, b"[2026-03-02 10:00:00] Receive OpenAI: obj={'messages': <object>}")


def test_sglang_without_texts() -> None:
    with pytest.raises(BadRow, match=r"at --log-requests-level 2 and 3 only"):
        log().request(1, b"[2026-03-02 10:00:00] Receive: obj=GenerateReqInput(rid='r1', stream=True)")


def test_other_lines() -> None:
    others = (
        b"INFO 03-02 10:00:00 [loggers.py:257] Engine 000: Avg prompt throughput: 0.8 tokens/s",
        b'INFO:     10.0.0.8:51408 - "POST /v1/chat/completions HTTP/1.1" 200 OK',
        b"[2026-03-02 10:00:00 TP0] Prefill batch. #new-seq: 1, #new-token: 63",
    )
    assert [log(whole=False).request(1, line) for line in others] == [NO_REQUEST] * 3
    assert log(whole=False).request(1, b"Traceback (most recent call last):") is None
    assert log().request(1, b"Traceback (most recent call last):") == NO_REQUEST


def test_the_29th_of_february_is_of_a_leap_year() -> None:
    row = log().request(1, b"INFO 02-29 10:00:00 logger.py:36] Received request c: prompt: 'x', params: None")
    assert row is not None
    assert row["timestamp"] == "2024-02-29T10:00:00+00:00"


@given(st.text(max_size=200))
def test_a_text_is_read_as_it_was_written(text: str) -> None:
    line = f"INFO 03-02 10:00:00 logger.py:36] Received request c: prompt: {text!r}, params: SamplingParams(n=1), {REST}"
    row = log().request(1, line.encode("utf-8", "surrogatepass"))
    assert row is not None
    assert row["prompt"] == text.encode("utf-8", "ignore").decode()
    assert row["sampling_params"] == {"n": 1}


@given(
    st.text("'\"\\()[]{}, =x\n\x1b", max_size=60), st.sampled_from(["Receive", "Receive OpenAI", "Finish"])
)
def test_no_line_is_too_much(tail: str, what: str) -> None:
    for line in (
        f"[2026-03-02 10:00:00] {what}: obj={tail}",
        f"[2026-03-02 10:00:00] {what}: obj=GenerateReqInput({tail}",
        f"INFO 03-02 10:00:00 logger.py:36] Received request c: prompt: {tail}",
        f"INFO 03-02 10:00:00 logger.py:36] Received request c: prompt: 'x', params: SamplingParams({tail}",
    ):
        try:
            row = log().request(1, line.encode())
        except BadRow:
            continue
        assert row is None or isinstance(row, dict)


def test_a_log_is_read_by_its_name_and_says_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "vllm.log"
    path.write_text(
        "INFO 03-02 10:00:00 logger.py:36] Received request c-1: prompt: 'first one', params: SamplingParams(n=1, max_tokens=5), x\n"
        'Traceback (most recent call last):\n\n{"request_id": "j", "timestamp": "2026-03-02T10:00:00Z", "prompt": "as JSON"}\n'
        "INFO 03-02 10:00:01 logger.py:36] Received request c-2: prompt: None, params: SamplingParams(n=1), x\n"
    )
    os.utime(path, ns=(WRITTEN, WRITTEN))
    reader = read_traffic([path], rejects=None, reading=Reading(account="acme"))
    rows = [row for batch in reader for row in batch.to_pylist()]
    assert [(r["request_id"], r["account_id"], r["prompt"]) for r in rows] == [
        ("c-1", "acme", "first one"),
        ("j", "acme", "as JSON"),
    ]
    assert rows[0]["timestamp"] == datetime(2026, 3, 2, 10, tzinfo=UTC)
    report = reader.report()
    assert (report.left_out, report.rejected, report.reasons) == (1, 1, {"no_text": 1})
    unsaid = read_traffic([path], rejects=None)
    assert not list(unsaid)
    assert "no account_id: no vLLM request log has one; --account gives it to all rows" in json.dumps(
        unsaid.rejected
    )
    with pytest.raises(InputError, match=r"no traffic in this directory"):
        read_traffic([tmp_path], rejects=None)
