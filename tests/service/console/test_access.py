"""Who has no key sees nothing, who may only read changes nothing, and other sites can do neither."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, Page, expect
from support.browser import Site, families, log_in

from fingerprint.service.console.queue import local


def test_nobody_sees_anything_without_a_key(browser: Browser, site: Site) -> None:
    context = browser.new_context(base_url=site.address)
    page = context.new_page()
    for where in (
        "/",
        f"/families/{families(site)[0]}",
        "/campaigns",
        "/accounts",
        "/overview",
        "/last-night",
        "/last-night/file",
        "/try",
        "/log",
    ):
        page.goto(where)
        assert page.url.startswith(f"{site.address}/login")
    page.fill("#key", "fpk_aaaaaaaaaa_" + "0" * 64)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("[role=alert]")).to_have_text("This key is not valid, or may not read.")
    assert context.cookies() == []
    context.close()


def test_who_may_only_read_changes_nothing(browser: Browser, site: Site) -> None:
    page = log_in(browser, site, "reader")
    page.goto(f"/families/{families(site)[0]}")
    expect(page.get_by_role("button", name="Confirm")).to_have_count(0)
    token = page.get_attribute("body", "hx-headers")
    assert token is not None
    csrf = re.findall(r'"X-CSRF-Token":"(\w+)"', token)[0]
    answer = page.request.post(
        "/act", form={"csrf_token": csrf, "what": "benign", "family": families(site)[0]}
    )
    assert answer.status == 403
    page.context.close()


def test_a_form_of_another_site_is_refused(page: Page, site: Site) -> None:
    form = {"what": "benign", "family": families(site)[0]}
    assert page.request.post("/act", form=form).status == 403
    assert site.store.labels(families(site)[0]) == []


def test_addresses_of_other_sites_are_not_followed() -> None:
    for where in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", ""):
        assert local(where) == "/"
    assert local("/families/f1?did=3") == "/families/f1?did=3"
