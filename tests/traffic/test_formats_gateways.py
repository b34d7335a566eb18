"""Requests are read from the logs of clouds, gateways, servers and collections, and out of the envelopes around them."""

import base64
import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.ingest_rows import read
from support.logged_rows import fields, metadata

from fingerprint.domain.reading import Reading
from fingerprint.traffic.log_formats import expand, rows_in
from fingerprint.traffic.rejects import BadRow

SYSTEM, USER = "Answer in rhyme.", "Why do cranes fly in a wedge?"
CHAT = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": USER}]
TIME = "2026-03-02T10:00:00Z"
ARN = "arn:aws:sts::111122223333:assumed-role/shop/anna"


def dumped(value: object) -> str:
    return orjson.dumps(value).decode()


def bedrock(body: object, **more: Any) -> dict[str, Any]:
    return {
        "schemaType": "ModelInvocationLog",
        "timestamp": TIME,
        "accountId": "111122223333",
        "identity": {"arn": ARN},
        "requestId": "b1",
        "operation": "InvokeModel",
        "modelId": "m-1",
        "input": {"inputContentType": "application/json", "inputBodyJson": body},
        **more,
    }


CLAUDE = bedrock(
    {"system": SYSTEM, "messages": [{"role": "user", "content": [{"type": "text", "text": USER}]}]}
)
CONVERSE = bedrock(
    {
        "system": [{"text": SYSTEM}],
        "messages": [{"role": "user", "content": [{"text": USER}]}],
        "inferenceConfig": {"maxTokens": 64, "temperature": 0.5},
        "toolConfig": {"tools": [{"toolSpec": {"name": "look_up", "description": "Looks up a bird."}}]},
    },
    operation="Converse",
    requestId="b2",
)


def test_bedrock_whichever_model_is_called() -> None:
    got = fields(CLAUDE)
    assert got[:2] == ("b1", ARN)
    assert got[3:6] == (SYSTEM, USER, "m-1")
    got = fields(CONVERSE)
    assert (got.system, got.prompt) == (f"look_up\nLooks up a bird.\n{SYSTEM}", USER)
    assert got.facts[:2] == (64, 0.5)
    assert fields(bedrock({"inputText": USER})).prompt == USER
    assert fields(bedrock({"prompt": USER, "max_gen_len": 9})).facts[0] == 9
    with pytest.raises(BadRow, match="no text"):
        fields(bedrock(None, input={"inputBodyS3Path": "s3://bucket/key"}))


def envelope(*rows: dict[str, Any]) -> dict[str, Any]:
    events = [{"id": str(n), "timestamp": 1, "message": dumped(row)} for n, row in enumerate(rows)]
    return {"messageType": "DATA_MESSAGE", "logGroup": "g", "logEvents": events}


def test_envelopes_within_envelopes_are_opened() -> None:
    assert [fields(r).request_id for r in rows_in(envelope(CLAUDE, CONVERSE))] == ["b1", "b2"]
    assert expand({"messageType": "CONTROL_MESSAGE", "logEvents": [{"message": "x"}]}) == []
    packed = base64.b64encode(gzip.compress(orjson.dumps(envelope(CLAUDE)))).decode()
    plain = base64.b64encode(orjson.dumps(CONVERSE) + orjson.dumps(CLAUDE)).decode()
    firehose = {"requestId": "f1", "timestamp": 1, "records": [{"data": packed}, {"data": plain}]}
    assert [fields(r).request_id for r in rows_in(firehose)] == ["b1", "b2", "b1"]
    assert fields(expand({"@timestamp": TIME, "@message": dumped(CLAUDE)})[0]).request_id == "b1"
    page = {"data": [CLAUDE, CONVERSE], "meta": {"page": 1}}
    assert [fields(r).request_id for r in rows_in(page)] == ["b1", "b2"]


@pytest.mark.parametrize("name", ["f.json", "f.jsonl"])
def test_objects_stuck_together_are_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(orjson.dumps(envelope(CLAUDE)) + orjson.dumps(envelope(CONVERSE)))
    table, report = read(path)
    assert table.column("request_id").to_pylist() == ["b1", "b2"]
    assert report.rows_read == 2


def test_json_values_of_many_lines_and_a_json_text_sequence(tmp_path: Path) -> None:
    rows = [
        {"request_id": f"r{n}", "account_id": "a", "timestamp": TIME, "prompt": "hello"} for n in range(2)
    ]
    path = tmp_path / "many.json"
    path.write_bytes(b"\n".join(orjson.dumps(row, option=orjson.OPT_INDENT_2) for row in rows))
    assert read(path)[1].accepted == 2
    path = tmp_path / "list.jsonl"
    path.write_bytes(orjson.dumps(rows))
    assert read(path)[1].accepted == 2
    path.write_bytes(b"".join(b"\x1e" + orjson.dumps(row) + b"\n" for row in rows))
    assert read(path)[1].accepted == 2


def test_azure_api_management() -> None:
    row = {
        "TenantId": "t1",
        "TimeGenerated": "2026-03-02T10:00:00.1234567Z",
        "CorrelationId": "c1",
        "SequenceNumber": 0,
        "ModelName": "m-1",
        "RequestMessages": CHAT,
    }
    got = fields(expand(row)[0])
    assert got[:2] == ("c1", "t1")
    assert got[3:6] == (SYSTEM, USER, "m-1")
    assert fields(expand({**row, "ApimSubscriptionId": "s1"})[0]).account_id == "s1"
    assert fields(expand({**row, "SequenceNumber": 2})[0]).request_id == "c1-2"
    assert expand({**row, "RequestMessages": []}) == []
    record = {
        "time": TIME,
        "category": "GatewayLogs",
        "correlationId": "c1",
        "callerIpAddress": "203.0.113.9",
        "properties": {"requestBody": dumped({"messages": CHAT}), "apimSubscriptionId": "s1"},
    }
    (row,) = rows_in({"records": [record]})
    got = fields(row)
    assert got[:2] == ("c1", "s1")
    assert (got.system, got.prompt, metadata(got)) == (SYSTEM, USER, {"ip_prefix": "203.0.113"})


def test_vertex_and_gemini(tmp_path: Path) -> None:
    request = {
        "contents": [{"parts": [{"text": USER}]}, {"role": "model", "parts": [{"text": "no"}]}],
        "systemInstruction": {"role": "system", "parts": [{"text": SYSTEM}]},
        "generationConfig": {"maxOutputTokens": 64, "topP": 0.5, "responseLogprobs": True},
        "labels": {"user_id": "u1"},
    }
    row = {"request_id": "1", "logging_time": "2026-03-02 10:00:00.25 UTC", "endpoint": "e1", "model": "m-1"}
    for full in (request, dumped(request)):
        got = fields({**row, "full_request": full})
        assert got[:2] == ("1", "u1")
        assert got[3:6] == (SYSTEM, USER, "m-1")
        assert got.facts[:5] == (64, None, 0.5, None, 1)
    path = tmp_path / "vertex.jsonl"
    path.write_bytes(orjson.dumps({**row, "full_request": {"contents": request["contents"]}}))
    (got,) = read(path)[0].to_pylist()
    assert (got["account_id"], got["timestamp"].microsecond) == ("e1", 250_000)


def test_gateways() -> None:
    kong = {
        "client_ip": "203.0.113.9",
        "started_at": 1772445600250,
        "request": {"id": "k1", "headers": {"user-agent": "sdk/1"}},
        "consumer": {"username": "anna"},
        "ai": {
            "proxy": {"payload": {"request": dumped({"messages": CHAT})}, "meta": {"request_model": "m-1"}}
        },
    }
    got = fields(kong)
    assert (*got[:2], *got[3:6]) == ("k1", "anna", SYSTEM, USER, "m-1")
    assert metadata(got) == {"ip_prefix": "203.0.113", "user_agent": "sdk/1"}
    without = {**kong, "ai": None, "request": {**kong["request"], "body": dumped({"messages": CHAT})}}  # type: ignore[dict-item]
    assert fields(without).prompt == USER
    portkey = {
        "id": "p1",
        "created_at": TIME,
        "workspace_slug": "w1",
        "ai_org": "openai",
        "ai_model": "m-1",
        "request": {"url": "u", "body": {"messages": CHAT}},
        "metadata": {"_user": "anna"},
    }
    got = fields(portkey)
    assert (*got[:2], *got[3:6]) == ("p1", "anna", SYSTEM, USER, "m-1")
    assert fields({**portkey, "metadata": {}}).account_id == "w1"


@pytest.mark.parametrize("empty", ["{}", "[]", "", [], {}, None, "redacted-by-litellm"])
def test_litellm_spend_logs_without_messages_fall_back_on_the_request(empty: object) -> None:
    row = {
        "request_id": "r1",
        "call_type": "acompletion",
        "api_key": "h1",
        "startTime": "2026-03-02 10:00:00",
        "messages": empty,
    }
    body = {"messages": CHAT}
    for request in (body, dumped(body), dumped({"url": "u", "headers": {}, "body": body})):
        got = fields({**row, "proxy_server_request": request})
        assert (*got[:2], *got[3:5]) == ("r1", "h1", SYSTEM, USER)


def test_litellm_parameters_and_older_objects() -> None:
    payload = {
        "id": "x1",
        "call_type": "acompletion",
        "startTime": 1772445600.5,
        "metadata": {"user_api_key_hash": "h1", "requester_metadata": {"payment_hash": "p1"}},
        "messages": CHAT,
        "model_parameters": {
            "temperature": 0.5,
            "stream": True,
            "tools": [{"function": {"name": "look_up"}}],
        },
    }
    got = fields(payload)
    assert (got.system, metadata(got)) == (f"look_up\n{SYSTEM}", {"payment_hash": "p1"})
    assert (got.facts[1], got.facts[7]) == (0.5, True)
    older = {
        "request_kwargs": {"model": "m-1", "messages": CHAT, "optional_params": {"user": "u1"}},
        "response_obj": {"id": "x1"},
        "start_time": "2026-03-02 10:00:00",
        "spend_log_metadata": {"user_api_key": "h1"},
    }
    assert fields(older)[:2] == ("x1", "h1")


def test_an_agents_session_is_no_account() -> None:
    row = {"request_id": "r1", "timestamp": TIME, "messages": CHAT}
    named = {"user_id": "user_0a1b_account_77-88_session_5-6"}
    assert fields({**row, "metadata": named}).account_id == "user_0a1b_account_77-88"
    assert fields({**row, "metadata": {"user_id": "user_0a1b_account__session_5"}}).account_id == "user_0a1b"


def test_what_names_no_account_or_time_gets_it_from_whoever_reads(tmp_path: Path) -> None:
    line = {"custom_id": "one", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": CHAT}}
    batch = {"requests": [{"custom_id": "one", "params": {"messages": CHAT}}]}
    server = {"timestamp": TIME, "event": "request.received", "rid": "one", "obj": {"text": USER}}
    shared = {
        "id": "one",
        "conversations": [{"from": "human", "value": USER}, {"from": "gpt", "value": "no"}],
    }
    for name, value in (("a.jsonl", line), ("b.json", batch), ("c.jsonl", server), ("d.jsonl", shared)):
        path = tmp_path / name
        path.write_bytes(orjson.dumps(value))
        assert read(path)[1].accepted == 0
        (got,) = read(path, reading=Reading(account="anna", time=TIME))[0].to_pylist()
        assert (got["request_id"], got["account_id"], got["prompt"]) == ("one", "anna", USER)


def test_ids_of_batch_files_are_their_own(tmp_path: Path) -> None:
    for account in ("anna", "ben"):
        line = {"account_id": account, "timestamp": TIME, "custom_id": "one", "body": {"messages": CHAT}}
        (tmp_path / f"{account}.jsonl").write_bytes(orjson.dumps(line))
    table, report = read(tmp_path)
    assert (report.accepted, report.duplicates) == (2, 0)
    ids = table.column("request_id").to_pylist()
    assert ids == [f"{tmp_path}/anna.jsonl:one", f"{tmp_path}/ben.jsonl:one"]
    assert read(tmp_path / "anna.jsonl")[0].column("request_id").to_pylist() == ["one"]


def test_collections_of_conversations() -> None:
    row = {
        "conversation_hash": "h1",
        "timestamp": TIME,
        "hashed_ip": "i1",
        "conversation": [{"role": "user", "content": USER}, {"role": "assistant", "content": "no"}],
    }
    got = fields(row)
    assert (*got[:2], got.prompt) == ("h1", "i1", USER)
