"""Every page is accessible and fits, on a phone too, and is made of nothing from elsewhere."""

from __future__ import annotations

import hashlib
import re

import pytest
from playwright.sync_api import Browser, expect
from support.browser import Site, families, log_in, of_prompt, violations

from fingerprint.casework.actions import Actions
from fingerprint.service.console.base import HERE


def pages_of(site: Site, family: str) -> tuple[str, ...]:
    """Label a family as a campaign's, write a note on it, and name every page there is then."""
    actions = Actions(site.store.database)
    actions.label({family: 0}, "campaign", by="ann", campaign="graders")
    actions.note(family, "a note", by="ann")
    account = site.store.accounts()[0].account_id
    other = next(name for name in families(site) if name != family)
    return (
        f"/families/{family}",
        "/campaigns",
        "/campaigns/graders",
        "/campaigns/graders/accounts",
        f"/families/{family}/accounts",
        f"/compare?a={family}&b={other}",
        "/accounts",
        f"/account?id={account}",
        "/overview",
        "/last-night",
        "/try",
        "/log",
        "/families/nowhere",
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible_and_fits(browser: Browser, site: Site, theme: str) -> None:
    # a theme changes colours only
    rules = ("color-contrast",) if theme == "dark" else ()
    pages = pages_of(site, of_prompt(site))
    page = log_in(browser, site, "ann", color_scheme=theme, viewport={"width": 1280, "height": 800})
    page.goto("/?state=all")
    page.keyboard.press("j")
    expect(page.locator("#peek h2")).to_be_visible()
    assert violations(page, *rules) == []
    for where in pages:
        page.goto(where)
        assert violations(page, *rules) == [], where
    errors = [c for c in page.complaints if "404" not in c]  # type: ignore[attr-defined]
    assert errors == []
    page.context.close()
    anyone = browser.new_context(base_url=site.address, color_scheme=theme).new_page()
    anyone.goto("/login")
    assert violations(anyone, *rules) == []
    anyone.context.close()


TOO_WIDE = """() => [...document.querySelectorAll("body *")]
    .filter(e => !e.closest(".scroll, .sr, .skip, .tip, svg, .plot, dialog, [hidden]"))
    .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
    .map(e => e.outerHTML.slice(0, 120))"""
"""What reaches over the right edge, but for what can be scrolled there."""


def test_every_page_fits_a_phone(browser: Browser, site: Site) -> None:
    family = of_prompt(site)
    pages = pages_of(site, family)
    page = log_in(browser, site, "ann", viewport={"width": 390, "height": 844})
    for where in ("/?state=all", *pages):
        page.goto(where)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide == 0, where
        assert page.evaluate(TOO_WIDE) == [], where
    page.goto(f"/families/{family}")
    page.fill("#edit input[name=threshold]", "0.99")
    expect(page.locator("#preview")).to_contain_text("It would have matched")
    assert page.evaluate(TOO_WIDE) == []
    page.context.close()


def test_pages_ask_for_nothing_elsewhere_and_hold_nothing_inline() -> None:
    for template in HERE.glob("templates/**/*.html"):
        text = template.read_text()
        assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", text), template
        assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)", text), template


def test_vendored_libraries_are_those_that_their_list_says() -> None:
    vendored = HERE / "static" / "vendor"
    listed = dict(line.split(maxsplit=1)[::-1] for line in (vendored / "SHA256SUMS").read_text().splitlines())
    found = {
        p.name: hashlib.sha256(p.read_bytes()).hexdigest()
        for p in vendored.iterdir()
        if p.suffix in (".js", ".css")
    }
    assert listed == found
