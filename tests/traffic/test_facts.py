"""What a request asks for beside its text is read under every provider's names, and nothing else is taken for it."""

from typing import Any

import pytest
from support.ingest_rows import lines, read, row
from support.logged_rows import GATEWAY, fields, metadata

from fingerprint.domain.reading import Reading
from fingerprint.domain.schemas import FACT_FIELDS
from fingerprint.traffic.facts import NO_FACTS
from fingerprint.traffic.requests import extract
from fingerprint.traffic.row_reading import RowReading

CHAT = [{"role": "user", "content": "hello"}]
TOOLS = [{"name": "f"}, {"name": "g"}]


def facts(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in zip(FACT_FIELDS, fields({**GATEWAY, **row}).facts, strict=True) if v is not None}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"max_tokens": 9, "temperature": 0.5, "top_p": 1, "n": 2},
            {"max_tokens": 9, "temperature": 0.5, "top_p": 1.0, "n": 2},
        ),
        ({"max_completion_tokens": 9, "stream": False}, {"max_tokens": 9, "stream": False}),
        (
            {"generationConfig": {"maxOutputTokens": 9, "topP": 0.1, "candidateCount": 3}},
            {"max_tokens": 9, "top_p": 0.1, "n": 3},
        ),
        ({"inferenceConfig": {"maxTokens": 9}}, {"max_tokens": 9}),
        ({"logprobs": True}, {"logprobs": 1}),
        ({"logprobs": True, "top_logprobs": 5}, {"logprobs": 5}),
        ({"logprobs": False}, {"logprobs": 0}),
        ({"temperature": "0.25"}, {"temperature": 0.25}),
        ({"temperature": "warm", "max_tokens": [9], "n": 10**30, "stream": "yes"}, {}),
        ({"max_tokens": True, "top_p": 10**400}, {}),
        ({"tools": [], "stop": None, "response_format": {}}, {}),
    ],
)
def test_each_under_its_names(body: dict[str, Any], expected: dict[str, Any]) -> None:
    assert facts({"messages": CHAT, **body}) == expected
    assert facts({"body": {"messages": CHAT, **body}}) == expected


def test_what_is_text_is_a_hash_and_tools_are_a_set() -> None:
    one = facts(
        {"messages": CHAT, "stop": ["END"], "response_format": {"type": "json_object"}, "tools": TOOLS}
    )
    assert set(one) == {"stop", "response_format", "tools"}
    assert all(type(value) is int and 0 <= value < 2**64 for value in one.values())
    other = facts({"messages": CHAT, "stop": ["FIN"], "tools": TOOLS[::-1]})
    assert other["tools"] == one["tools"]
    assert other["stop"] != one["stop"]
    assert facts({"messages": CHAT, "tools": TOOLS[:1]})["tools"] != one["tools"]


def test_a_plain_row_may_state_facts_and_one_that_does_not_has_none(tmp_path: Any) -> None:
    path = tmp_path / "n.jsonl"
    path.write_bytes(lines([row(0), row(1, max_tokens=9), row(2, temperature=0.5), row(3, cost=0.5)]))
    stated = read(path)[0].column("facts").to_pylist()
    assert stated[0] is None
    assert stated[3] is None
    assert stated[1] == {**dict.fromkeys(FACT_FIELDS), "max_tokens": 9}
    assert stated[2] == {**dict.fromkeys(FACT_FIELDS), "temperature": 0.5}
    assert fields({**GATEWAY, "messages": CHAT}).facts is NO_FACTS


def test_infrastructure_is_read_in_the_row_and_its_metadata(tmp_path: Any) -> None:
    named = {"asn": 64500, "ja4": "t13d", "country": "BE"}
    assert metadata(fields({**GATEWAY, "messages": CHAT, **named})) == {**named, "asn": "64500"}
    assert metadata(fields({**GATEWAY, "messages": CHAT, "metadata": named})) == {**named, "asn": "64500"}
    plain = {**GATEWAY, "prompt": "hello", "metadata": {"plan": "free", "country": "NL"}, **named}
    assert metadata(fields(plain)) == {"plan": "free", "country": "NL", "asn": "64500", "ja4": "t13d"}
    row = {**GATEWAY, "messages": CHAT, "metadata": {"reseller": "r1"}, "tls_id": "x"}
    assert metadata(fields(row)) is None
    shared = RowReading.of(Reading(shared=("reseller", "tls_id")))
    assert metadata(extract(row, shared)) == {"reseller": "r1", "tls_id": "x"}
