"""The service against what it does not expect: its own OpenAPI document turned against it, and broken bodies."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance
from support.routes import all_routes
from support.service_client import Running, running
from support.small_traffic import TEMPLATES

from fingerprint.service.serving.publisher import Publisher

BODIES = int(os.environ.get("FINGERPRINT_FUZZ_BODIES", "8000"))
"""Fuzzed requests; CI sends 20,000, which take 50 seconds of processor time."""

OTHERS = 20
"""One in so many is for a route that is no lookup: pages take more time than they have ways to go wrong."""

FIELDS = (
    *(
        "what",
        "family",
        "campaign",
        "text",
        "prompt",
        "threshold",
        "expected",
        "version",
        "name",
        "action",
        "label",
    ),
    *(
        "reason",
        "id",
        "account",
        "prefix",
        "after",
        "sort",
        "q",
        "by",
        "state",
        "night",
        "did",
        "only",
        "other",
        "key",
    ),
    *("next", "page_token", "page_size", "min_score", "flagged", "format", "days", "csrf_token", "subject"),
)

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
    with running(home, max_body=3_000_000) as found:
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


def form(rng: random.Random, family: str) -> bytes:
    """Make one form of the console, or what is nearly one."""
    values = [
        "",
        "x",
        family,
        "0",
        "-1",
        "9" * 30,
        "\0",
        "\U0001f600",
        "benign",
        "confirm",
        "%zz",
        "a" * 3000,
    ]
    fields = [(rng.choice(FIELDS), rng.choice(values)) for _ in range(rng.randrange(8))]
    raw = urlencode(fields).encode()
    if rng.random() < 0.2:
        at = rng.randrange(len(raw) + 1)
        raw = raw[:at] + bytes(rng.randrange(256) for _ in range(5)) + raw[at:]
    return raw


def filled(rng: random.Random, path: str, family: str) -> str:
    """Put something in the places of a path."""
    odd = [family, family, "x", "\0", ".", "\n", "\U0001f600", "a" * 3000, "-1", "9" * 30]
    return re.sub(r"\{[^}]*\}", lambda _: rng.choice(odd), path)


@dataclass
class Sender:
    """Sends requests to the application itself, without a client, which would take most of the time."""

    app: Any
    headers: dict[str, str]

    async def send(
        self, method: str, path: str, query: bytes, body: bytes, kind: str
    ) -> tuple[int, dict[str, str]]:
        """Send one; returns status and headers."""
        given, status, headers = False, 0, dict[str, str]()

        async def receive() -> dict[str, Any]:
            nonlocal given
            if given:
                await asyncio.sleep(3600)
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def answer(message: dict[str, Any]) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}

        raw = {
            **self.headers,
            "host": "127.0.0.1:8765",
            "content-type": kind,
            "content-length": str(len(body)),
        }
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": quote(path).encode(),
            "query_string": query,
            "root_path": "",
            "scheme": "http",
            "http_version": "1.1",
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8765),
            "headers": [(name.encode(), value.encode()) for name, value in raw.items()],
        }
        await self.app(scope, receive, answer)
        return status, headers


def test_no_body_is_an_error_of_the_service(
    service: Running, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Publisher, "look", lambda _self: None)
    keys = service.key("lookup", "read", "label", "admin", name="fuzz")
    sender = Sender(service.client.app, {**keys, "x-fingerprint-key": keys["x-api-key"], "if-match": "*"})
    app: Any = service.client.app
    others = [(method, path) for method, path in all_routes(app.routes) if method in ("GET", "POST")]
    assert len(others) >= 45
    rng = random.Random(7)
    memory: list[int] = []

    async def send_all() -> None:
        for number in range(BODIES):
            if number % (BODIES // 20) == 0:
                gc.collect()
                memory.append(psutil.Process().memory_info().rss)
            method, path, query, body, kind = (
                "POST",
                ROUTES[number % len(ROUTES)],
                b"",
                b"",
                "application/json",
            )
            if number % OTHERS == 0:
                method, path = others[number // OTHERS % len(others)]
                path, query = filled(rng, path, family), quote(form(rng, family), safe="&=%+").encode()
            if path.startswith("/v1") or path in GATEWAYS or rng.random() < 0.2:
                body = broken(rng)
            else:
                body, kind = form(rng, family), "application/x-www-form-urlencoded"
            status, headers = await sender.send(method, path, query, body, kind)
            wanted = path in GATEWAYS and number % OTHERS
            fine = status == 200 if wanted else 200 <= status < 500
            assert fine or (status == 503 and "retry-after" in headers), (
                number,
                method,
                path,
                status,
                body[:200],
            )

    service.client.portal.call(send_all)  # type: ignore[union-attr]
    # what is kept for good is filled early: texts' vectors, templates of pages, allocators' arenas
    assert max(memory[10:]) - max(memory[5:10]) < 100e6, memory


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("letter", [b"x", b"word ", "é".encode(), b"\xff", b'"', b"["])
def test_five_megabytes(service: Running, route: str, letter: bytes) -> None:
    keys = service.key("lookup", "read", name="large")
    headers = {**keys, "x-fingerprint-key": keys["x-api-key"], "content-type": "application/json"}
    body = b'{"prompt": "' + letter * (5_000_000 // len(letter)) + b'"}'
    got = service.client.post(route, content=body, headers=headers)
    assert got.status_code == (200 if route in GATEWAYS else 413)
