"""/docs shows the whole OpenAPI document, and loads nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from support.browser import AXE, Site
from support.service_client import running

from fingerprint.service.console.api_page import _type
from fingerprint.service.http.headers import POLICY


def test_every_operation_and_schema_is_there(worked: Path) -> None:
    with running(worked) as service:
        document = service.client.get("/v1/openapi.json").json()
        page = service.client.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-security-policy"] == POLICY
    for path, methods in document["paths"].items():
        assert f"<code>{path}</code>" in page.text
        for method in methods:
            assert f'<span class="method">{method.upper()}</span>' in page.text
    targets = set(re.findall(r'id="schema-(\w+)"', page.text))
    assert targets == set(document["components"]["schemas"])
    assert set(re.findall(r'href="#schema-(\w+)"', page.text)) <= targets
    assert re.findall(r'(?:src|href)="(?![/#])', page.text) == []
    assert "<script>" not in page.text
    assert "style=" not in page.text


def test_types_are_said_in_words() -> None:
    schema = {
        "anyOf": [{"type": "array", "items": {"$ref": "#/components/schemas/Answer"}}, {"type": "null"}]
    }
    assert list(_type(schema)) == [("list of ", None), ("Answer", "Answer"), (" or ", None), ("null", None)]
    assert list(_type({"enum": ["a", "b"]})) == [("a, b", None)]
    assert list(_type({})) == [("any", None)]


@pytest.mark.parametrize("width", [1440, 390])
def test_a_browser_finds_nothing_wrong(browser: Browser, site: Site, width: int) -> None:
    page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
    asked: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: wrong.append(message.text))
    page.goto(f"{site.address}/docs")
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run()")["violations"]
    assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert all(url.startswith(site.address) for url in asked)
    assert wrong == []
    page.context.close()
