"""A real service on a home, and a real Chromium that looks at it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from fingerprint.service.app import create_app
from fingerprint.service.http.config import Config
from fingerprint.service.serving.context import Service
from fingerprint.store.store import Store
from support.small_traffic import TEMPLATES
from support.until import WAIT_S, until

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
]
expect.set_options(
    timeout=1000 * WAIT_S
)  # a test that fails takes longer, one on a busy machine does not fail
PROMPT = TEMPLATES[0].format("some rivers and old bridges of the north")
AXE = Path(__file__).parent / "vendor" / "axe.min.js"


@dataclass
class Site:
    """A service that answers; `keys` by name, and the cookies of those who logged in once."""

    address: str
    home: Path
    service: Service
    keys: dict[str, str]
    sessions: dict[str, Any] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        return self.service.store()


@contextmanager
def serving(home: Path, *people: str, history: tuple[str, ...] = ()) -> Iterator[Site]:
    """Serve a home on a free port to people who may read and label, and to `reader`, who may read only."""
    with Store.open(home) as store:
        keys = {
            name: store.access.create_key(name, ["read"] + ["label"] * (name != "reader"), by="test")[1]
            for name in (*people, "reader")
        }
    listening = socket.create_server(("127.0.0.1", 0))
    app = create_app(Config(str(home), refresh_ms=100, history=history))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield Site(f"http://127.0.0.1:{listening.getsockname()[1]}", home, app.state.service, keys)
    finally:
        server.should_exit = True
        thread.join(timeout=WAIT_S)
        listening.close()


class Kept:
    """A site's SQLite database as it is now, to be put back while the service runs."""

    def __init__(self, site: Site, folder: Path) -> None:
        self._site, self._live, self._copy = site, site.home / "fingerprint.db", folder / "kept.db"
        site.service.refresh()
        _copied(self._live, self._copy)

    def put_back(self) -> None:
        """Undo all that was done since but log-ins, and let lookups know."""
        begun = self._site.store.sessions.in_force().values()
        _copied(self._copy, self._live)
        for session in begun:
            self._site.store.sessions.start(session, by="test")
        self._site.service.refresh()


def _copied(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target, timeout=30)) as new:
        old.backup(new)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser; where there is none, CI fails and others skip what needs it."""
    if CHROMIUM is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("a Chromium in PATH expected, none found")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def log_in(browser: Browser, site: Site, name: str, **context: Any) -> Page:
    """Log in, the first time by the form; what a page complains of fails the test that reads `complaints`."""
    known = site.sessions.get(name)
    opened: BrowserContext = browser.new_context(base_url=site.address, storage_state=known, **context)
    opened.set_default_timeout(1000 * WAIT_S)
    page = opened.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None,
    )
    page.complaints = complaints  # type: ignore[attr-defined]
    if known is None:
        page.goto("/login")
        page.fill("#key", site.keys[name])
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(site.address + "/")
        site.sessions[name] = opened.storage_state()
    else:
        page.goto("/")
    page.wait_for_selector("html[data-ready]")
    return page


def violations(page: Page, *rules: str) -> list[str]:
    """Run axe-core's rules, or all, on a page; returns what it calls serious or critical."""
    page.evaluate(AXE.read_text() + "; 0")
    options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
    found = page.evaluate("options => axe.run(document, options)", options)
    return [
        json.dumps({"rule": v["id"], "at": [n["html"][:160] for n in v["nodes"]][:3]})
        for v in found["violations"]
        if v["impact"] in ("serious", "critical")
    ]


def told(page: Page, words: str) -> None:
    """Wait for the page that tells what was done, and for its scripts."""
    expect(page.locator("[data-toast]")).to_contain_text(words)
    page.wait_for_selector("html[data-ready]")


def families(site: Site) -> list[str]:
    return [row.family_id for row in site.store.families()]


def of_prompt(site: Site) -> str:
    serving = site.service.live.serving
    assert serving is not None
    found = serving.matcher.one(PROMPT).family_id
    assert found is not None
    return found


def looked_up(site: Site, field: str, expected: object) -> None:
    """Wait until lookups answer so."""

    def answered() -> bool:
        serving = site.service.live.serving
        assert serving is not None
        return bool(getattr(serving.matcher.one(PROMPT), field) == expected)

    until(answered)
