"""A real LiteLLM proxy and a real Envoy ask the service, on loopback; no model and no network beyond."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import envoy
import httpx2
import pytest
from support.servers import answers, free_port
from support.small_traffic import TEMPLATES, done, start

LITELLM = Path(os.environ.get("FINGERPRINT_LITELLM_VENV", Path(__file__).parents[2] / ".venv-litellm"))
DEPLOY = Path(__file__).parents[2] / "deploy"
SENT = TEMPLATES[0].format("river market engine teacher window garden")
HONEST = "What is the capital of France, please?"
MASTER = "sk-0f4b1c7d2e9a4f6c8b3d5e7f"

POLICY = """
[[rule]]
name = "staff"
account = "staff-*"
decision = "mark"

[[rule]]
name = "what LiteLLM cannot slow down"
account = "slow-*"
gateway = "litellm"
decision = "block"
reason = "Too much of this."

[[rule]]
name = "slow"
account = "slow-*"
decision = "throttle"

[[rule]]
name = "known campaigns"
label = "campaign"
decision = "block"
reason = "Not permitted here."
"""


@contextmanager
def stopped_after(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def service(worked: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The URL of `fingerprint serve` over a home whose families are labelled campaigns, and a key for lookups."""
    folder = tmp_path_factory.mktemp("gateways")
    home = Path(shutil.copytree(worked, folder / "home"))
    for line in done("families", "--home", home, "--format", "jsonl").splitlines():
        done("label", json.loads(line)["family_id"], "campaign", "--home", home)
    key = done("keys", "create", "gateway", "--scope", "lookup", "--home", home).strip()
    (folder / "policy.toml").write_text(POLICY)
    port = free_port()
    process = start("serve", "--home", home, "--port", port, "--policy", folder / "policy.toml")
    with stopped_after(process):
        answers(f"http://127.0.0.1:{port}/readyz", process)
        yield f"http://127.0.0.1:{port}", key


@pytest.fixture(scope="module")
def litellm(service: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a LiteLLM proxy that asks the service before each call of a made-up model."""
    program = LITELLM / "bin" / "litellm"
    assert program.exists(), f"{program}: a LiteLLM proxy expected; `make litellm` installs it"
    url, key = service
    config = tmp_path_factory.mktemp("litellm") / "litellm.yaml"
    text = (DEPLOY / "litellm.yaml").read_text().replace("http://127.0.0.1:8765", url)
    text = text.replace("timeout: 1.0", "timeout: 10.0")  # CI's machine may be slow
    config.write_text(text.replace("fpk_ID_SECRET", key).replace("sk-MASTER", MASTER))
    port = free_port()
    with (config.parent / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "--config", config, "--host", "127.0.0.1", "--port", str(port)],
            stdout=log,
            stderr=log,
            env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        )
    with stopped_after(process):
        answers(f"http://127.0.0.1:{port}/health/liveliness", process)
        yield f"http://127.0.0.1:{port}"


def chat(url: str, prompt: str, **headers: str) -> httpx2.Response:
    body = {"model": "mock-model", "messages": [{"role": "user", "content": prompt}]}
    return httpx2.post(
        f"{url}/v1/chat/completions",
        json=body,
        headers={"authorization": f"Bearer {MASTER}", **headers},
        timeout=30,
    )


def test_litellm_blocks_a_campaign_and_lets_others_pass(litellm: str) -> None:
    passed = chat(litellm, HONEST)
    assert passed.status_code == 200, passed.text
    assert "hello from the mock" in passed.text
    blocked = chat(litellm, SENT)
    assert blocked.status_code == 400
    assert "Not permitted here." in blocked.text
    assert chat(litellm, SENT, **{"x-account-id": "staff-1"}).status_code == 200
    slowed = chat(litellm, SENT, **{"x-account-id": "slow-1"})
    assert slowed.status_code == 400
    assert "Too much of this." in slowed.text
    anthropic = {"model": "mock-model", "max_tokens": 9, "messages": [{"role": "user", "content": SENT}]}
    got = httpx2.post(
        f"{litellm}/v1/messages", json=anthropic, headers={"authorization": f"Bearer {MASTER}"}, timeout=30
    )
    assert got.status_code == 400
    assert "Not permitted here." in got.text


class Upstream(BaseHTTPRequestHandler):
    """What stands behind Envoy: answers with the headers and the length of the body that reached it."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        answer = json.dumps({**{k.lower(): v for k, v in self.headers.items()}, "body": len(body)}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PUT = do_POST  # noqa: N815

    def log_message(self, *_words: object) -> None: ...


@pytest.fixture(scope="module")
def envoy_url(service: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an Envoy, set up as deploy/envoy.yaml says, that asks the service about every request."""
    url, key = service
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    port, admin = free_port(), free_port()
    text = (DEPLOY / "envoy.yaml").read_text()
    for shipped, ours in {
        "port_value: 10000": f"port_value: {port}",
        "port_value: 9901": f"port_value: {admin}",
        "port_value: 8080": f"port_value: {upstream.server_port}",
        "port_value: 8765": f"port_value: {url.rpartition(':')[2]}",
        "timeout: 0.8s": "timeout: 20s",  # CI's machine may be slow
        "request_headers_to_remove: [x-account-id]": "request_headers_to_remove: []",
        "fpk_ID_SECRET": key,
    }.items():
        assert text.count(shipped) == 1
        text = text.replace(shipped, ours)
    folder = tmp_path_factory.mktemp("envoy")
    (folder / "envoy.yaml").write_text(text)
    command = [
        Path(envoy.__file__).parent / "_bin" / "envoy",
        *(
            "-c",
            folder / "envoy.yaml",
            "--use-dynamic-base-id",
            "--log-level",
            "warning",
            "--concurrency",
            "1",
        ),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    with stopped_after(process):
        answers(f"http://127.0.0.1:{admin}/ready", process)
        yield f"http://127.0.0.1:{port}"
    upstream.shutdown()


def through(url: str, prompt: str, **headers: str) -> httpx2.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": prompt}]}
    own = {"authorization": "Bearer sk-of-the-client", **headers}
    return httpx2.post(f"{url}/v1/chat/completions", json=body, headers=own, timeout=30)


def test_envoy_denies_a_campaign_and_tells_the_upstream_of_others(envoy_url: str) -> None:
    passed = through(envoy_url, HONEST)
    assert passed.status_code == 200
    assert passed.json()["x-fp-decision"] == "observe"
    assert passed.json()["authorization"] == "Bearer sk-of-the-client"
    denied = through(envoy_url, SENT)
    assert denied.status_code == 403
    assert denied.headers["content-type"] == "application/json"
    assert denied.json()["error"]["message"] == "Not permitted here."
    marked = through(envoy_url, SENT, **{"x-account-id": "staff-7"}).json()
    assert marked["x-fp-decision"] == "mark"
    slowed = through(envoy_url, SENT, **{"x-account-id": "slow-7"})
    assert (slowed.status_code, slowed.json()["x-fp-decision"]) == (200, "throttle")
    assert marked["x-fp-signature"].startswith("f")
    assert float(marked["x-fp-score"]) > 0.5


def test_envoy_sends_long_bodies_whole_and_cuts_the_longest(envoy_url: str) -> None:
    whole = through(envoy_url, f"{'é' * 3_500_000} {SENT}")
    assert whole.status_code == 403, whole.text[:600]
    assert "x-fp-partial" not in through(envoy_url, f"{'é' * 3_500_000} {HONEST}").json()
    cut = through(envoy_url, f"{SENT} {'é' * 6_000_000}")
    assert cut.status_code == 403
    honest = through(envoy_url, f"{HONEST} {'é' * 6_000_000}").json()
    assert (honest["x-fp-partial"], honest["x-fp-decision"]) == ("true", "observe")
    assert honest["body"] > 12_000_000
    # what tells nothing of the text arrived first
    padded = {"model": "m", "user": "x" * 9_000_000, "messages": [{"role": "user", "content": SENT}]}
    own = {"authorization": "Bearer sk-of-the-client"}
    got = httpx2.post(f"{envoy_url}/v1/chat/completions", json=padded, headers=own, timeout=30).json()
    assert (got["x-fp-partial"], got["x-fp-unparsed"], got["x-fp-decision"]) == ("true", "no_text", "mark")


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
def test_envoy_lets_through_what_holds_no_prompt(envoy_url: str, method: str) -> None:
    got = httpx2.request(method, f"{envoy_url}/any/path?x=1", content=b"" if method == "GET" else b"\xff{")
    assert got.status_code == 200
    expected = ("no_body", "observe") if method == "GET" else ("not_json", "mark")
    assert (got.json()["x-fp-unparsed"], got.json()["x-fp-decision"]) == expected


def test_a_service_that_is_away_lets_envoy_pass(service: tuple[str, str], envoy_url: str) -> None:
    """A key that is not valid is a 503 here: failure_mode_allow decides, no client sees a 401."""
    url, _ = service
    got = httpx2.post(
        f"{url}/v1/envoy/authz/v1/x", json={"prompt": SENT}, headers={"x-fingerprint-key": "fpk_x"}
    )
    assert got.status_code == 503
    own = httpx2.post(
        f"{url}/v1/envoy/authz/v1/x", json={"prompt": SENT}, headers={"authorization": "Bearer y"}
    )
    assert own.status_code == 503
