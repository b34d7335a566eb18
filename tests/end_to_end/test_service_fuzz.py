"""The service against what it does not expect: its own OpenAPI document turned against it, and broken bodies."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance
from support.service_client import Running, running
from support.small_traffic import TEMPLATES

BODIES = int(os.environ.get("FINGERPRINT_FUZZ_BODIES", "1500"))
"""Fuzzed bodies; 10,000 take minutes."""

UNFIT = [
    ignored_auth,  # test_access asks without and with wrong keys; here every request has a right one
    positive_data_acceptance,  # no schema tells which page_token or If-Match was once given
]

EXAMPLES = int(os.environ.get("FINGERPRINT_FUZZ_EXAMPLES", "15"))
"""Requests that schemathesis makes up for each operation of the document."""

ROUTES = (
    "/v1/lookup",
    "/v1/lookup/batch",
    "/beta/litellm_basic_guardrail_api",
    "/v1/envoy/authz/v1/messages",
)
GATEWAYS = ROUTES[2:]


@pytest.fixture(scope="module")
def service(worked: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = Path(shutil.copytree(worked, tmp_path_factory.mktemp("fuzz") / "home"))
    with running(home, max_body=3_000_000, deadline_ms=60_000) as found:
        yield found


def test_answers_are_those_that_the_document_describes(service: Running) -> None:
    schema = schemathesis.openapi.from_asgi("/v1/openapi.json", service.client.app)
    headers = service.key("lookup", "read", "label", "admin", name="schema")
    headers = {**headers, "authorization": f"Bearer {headers['x-api-key']}"}
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 15
    for operation in operations:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            database=None,
        )
        @given(case=operation.as_strategy())
        def answered(case: schemathesis.Case) -> None:
            case.call_and_validate(headers=headers, excluded_checks=UNFIT)

        answered()


def broken(rng: random.Random) -> bytes:
    """Make one body that should not be, or only nearly."""
    text = TEMPLATES[0].format("river market engine") if rng.random() < 0.5 else "x" * rng.randrange(2000)
    good = rng.choice(
        [
            {"prompt": text, "system": "s", "account_id": "a"},
            {"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]},
            {"requests": [{"prompt": text}] * rng.randrange(4)},
            {
                "input_type": "request",
                "structured_messages": [{"role": "user", "content": text}],
                "texts": [text],
            },
        ]
    )
    raw = json.dumps(good).encode()
    kind = rng.randrange(9)
    if kind == 0:
        return raw[: rng.randrange(len(raw))]
    if kind == 1:
        at = rng.randrange(len(raw))
        return raw[:at] + bytes(rng.randrange(256) for _ in range(rng.randrange(1, 8))) + raw[at:]
    if kind == 2:
        return rng.choice([b"[", b'{"a":', b'{"prompt":[', b'{"messages":[{"content":[']) * rng.randrange(
            1, 20_000
        )
    if kind == 3:
        return raw.replace(b'"' + text[:5].encode(), b'"\xff\xfe\xed\xa0\x80' + text[:5].encode())
    if kind == 4:
        values = [None, 0, -1, 1e308, True, [], {}, "", [[]], {"role": 1}, "\0", "\ud800", 10**400]
        wrong = {
            key: rng.choice(values) for key in rng.sample([*good, "prompt", "messages", "account_id"], 2)
        }
        return json.dumps({**good, **wrong}).encode()
    if kind == 5:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(300)))
    if kind == 6:
        role = rng.choice(["user", "system", "tool", "", "\0", 7, None, ["user"]])
        return json.dumps({"messages": [{"role": role, "content": text}] * rng.randrange(50)}).encode()
    if kind == 7:
        odd = [{"type": rng.choice(["text", "image", 1, None]), "text": rng.choice([text, 5, None, [text]])}]
        return json.dumps({"messages": [{"role": "user", "content": odd}], "system": odd}).encode()
    letters = "".join(chr(rng.randrange(1, 0x3000)) for _ in range(rng.randrange(200)))
    return json.dumps({"prompt": letters + "\x1d\x1e" + letters, "explain": True}).encode()


def test_no_body_is_an_error_of_the_service(service: Running) -> None:
    rng = random.Random(7)
    keys = service.key("lookup", "read", name="fuzz")
    headers = {**keys, "x-fingerprint-key": keys["x-api-key"], "content-type": "application/json"}
    for number in range(BODIES):
        route = ROUTES[number % len(ROUTES)]
        body = broken(rng)
        got = service.client.post(route, content=body, headers=headers)
        expected = {200} if route in GATEWAYS else {200, 400, 413, 422}
        assert got.status_code in expected, (number, route, got.status_code, body[:200], got.text[:300])


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("letter", [b"x", b"word ", "é".encode(), b"\xff", b'"', b"["])
def test_five_megabytes(service: Running, route: str, letter: bytes) -> None:
    keys = service.key("lookup", "read", name="large")
    headers = {**keys, "x-fingerprint-key": keys["x-api-key"], "content-type": "application/json"}
    body = b'{"prompt": "' + letter * (5_000_000 // len(letter)) + b'"}'
    got = service.client.post(route, content=body, headers=headers)
    assert got.status_code == (200 if route in GATEWAYS else 413)
