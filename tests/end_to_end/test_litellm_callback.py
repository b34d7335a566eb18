"""The callback in a real LiteLLM proxy, set up as deploy/litellm_lookups.py says, with a scripted service behind it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from support.scripted_service import ANSWER, Script, Step, scripted
from support.servers import answers, free_port

ROOT = Path(__file__).parents[2]
LITELLM = Path(os.environ.get("FINGERPRINT_LITELLM_VENV", ROOT / ".venv-litellm"))
MASTER = "sk-5d1e8a7b0c9f4e63a2b4d6f8"

WITNESS = """
from litellm.integrations.custom_logger import CustomLogger

class Witness(CustomLogger):
    async def async_pre_call_hook(self, user_api_key_dict, cache, data, call_type):
        kept = data.get("litellm_metadata") or data.get("metadata") or {}
        data["mock_response"] = f"decision {kept['fingerprint']['decision']}, family {kept['fingerprint']['family_id']}"
        return data

witness = Witness()
"""
CONFIG = """
model_list:
  - model_name: mock-model
    litellm_params: {model: openai/mock, api_key: sk-none, mock_response: "hello from the mock"}
litellm_settings:
  callbacks: [litellm_lookups.lookups, witness.witness]
general_settings:
  master_key: MASTER
"""


def by_text(body: Any) -> Step:
    words = json.dumps(body)
    if "no text here" in words:
        return 422, {}, {"detail": "no text"}
    if "break down" in words:
        return 401, {}, {"detail": "no such key"}
    return 200, {}, {**ANSWER, "decision": "block" if "forbidden" in words else "throttle"}


@pytest.fixture(scope="module")
def service() -> Iterator[Script]:
    with scripted(by_body=by_text) as script:
        yield script


@pytest.fixture(scope="module")
def proxy(service: Script, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a proxy whose lookups go to the script."""
    program = LITELLM / "bin" / "litellm"
    assert program.exists(), f"{program}: a LiteLLM proxy expected; `make litellm` installs it"
    folder = tmp_path_factory.mktemp("litellm")
    shutil.copy(ROOT / "deploy" / "litellm_lookups.py", folder)
    (folder / "witness.py").write_text(WITNESS)
    (folder / "config.yaml").write_text(CONFIG.replace("MASTER", MASTER))
    port = free_port()
    own = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "PYTHONPATH": str(ROOT),
        "FINGERPRINT_URL": service.address,
        "FINGERPRINT_KEY": "fpk_a_b",
        "FINGERPRINT_TIMEOUT_S": "10",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "--config", folder / "config.yaml", "--host", "127.0.0.1", "--port", str(port)],
            stdout=log,
            stderr=log,
            env={**os.environ, **own},
            cwd=folder,
        )
    try:
        answers(f"http://127.0.0.1:{port}/health/liveliness", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def ask(url: str, path: str, body: dict[str, Any], **headers: str) -> httpx2.Response:
    own = {"authorization": f"Bearer {MASTER}", **headers}
    return httpx2.post(f"{url}{path}", json={"model": "mock-model", **body}, headers=own, timeout=60)


def said(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def test_decisions_reach_litellm(proxy: str, service: Script) -> None:
    passed = ask(proxy, "/v1/chat/completions", said("Hello"), **{"x-account-id": "a-7"})
    assert passed.status_code == 200, passed.text
    assert "decision throttle, family f1" in passed.text
    assert service.asked[-1].body == {**said("Hello"), "account_id": "a-7"}
    assert service.asked[-1].headers["x-api-key"] == "fpk_a_b"

    blocked = ask(proxy, "/v1/chat/completions", said("forbidden"))
    assert blocked.status_code == 403, blocked.text
    assert "not permitted by the usage policy" in blocked.text
    assert service.asked[-1].body["account_id"] not in ("", MASTER)

    claude = {"max_tokens": 9, "system": [{"type": "text", "text": "Be short."}], **said("forbidden")}
    assert ask(proxy, "/v1/messages", claude).status_code == 403
    assert service.asked[-1].body["system"] == claude["system"]


@pytest.mark.parametrize("text", ["no text here", "break down"])
def test_what_cannot_be_looked_up_passes(proxy: str, text: str) -> None:
    passed = ask(proxy, "/v1/chat/completions", said(text))
    assert passed.status_code == 200, passed.text
    assert "decision observe, family None" in passed.text
