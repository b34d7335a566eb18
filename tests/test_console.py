from __future__ import annotations

import hashlib
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from browser import Kept, Site, chromium, log_in, serving, violations
from playwright.sync_api import Browser, Page, expect
from small_traffic import TEMPLATES, done

from fingerprint.desk import Desk
from fingerprint.exports import FORMATS
from fingerprint.service.console.page import HERE
from fingerprint.service.console.queue import local, query_of, values_of
from fingerprint.service.publisher import Publisher

PROMPT = TEMPLATES[0].format("some rivers and old bridges of the north")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def served(
    worked: Path, traffic: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, Kept]]:
    """One service for all tests, and its database as it was before the first."""
    folder = tmp_path_factory.mktemp("console")
    home = Path(shutil.copytree(worked, folder / "home"))
    with pytest.MonkeyPatch.context() as patch:
        # lookups follow without a snapshot; here none is made beside them
        patch.setattr(Publisher, "look", lambda self: None)
        with serving(home, "ann", "bob", history=(str(traffic[0]), str(traffic[1]))) as site:
            yield site, Kept(site, folder)


@pytest.fixture
def site(served: tuple[Site, Kept]) -> Iterator[Site]:
    """The service as it was before the first test."""
    site, kept = served
    yield site
    kept.put_back()


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    page = log_in(browser, site, "ann")
    yield page
    page.context.close()


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


def looked_up(site: Site, field: str, expected: object) -> float:
    """Wait until lookups answer so; returns the seconds it took."""
    begin = time.monotonic()
    while time.monotonic() - begin < 5:
        serving = site.service.live.serving
        assert serving is not None
        if getattr(serving.matcher.one(PROMPT), field) == expected:
            return time.monotonic() - begin
        time.sleep(0.02)
    raise AssertionError(f"{field} {expected} expected, {serving.matcher.one(PROMPT)} found")


def test_from_the_queue_to_a_label_that_lookups_see_and_back(page: Page, site: Site) -> None:
    family = of_prompt(site)
    page.keyboard.press("j")
    while page.get_attribute(".row.chosen", "data-family") != family:
        page.keyboard.press("j")
    expect(page.locator("#peek h2")).to_have_text(family)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/families/{family}")
    page.keyboard.press("c")
    page.fill("#dialog-campaign input[name=campaign]", "graders")
    page.keyboard.press("Enter")
    told(page, f"Campaign graders: {family}")
    assert looked_up(site, "label", "campaign") < 2
    assert looked_up(site, "campaign_id", "graders") < 2
    page.fill("#try-prompt", PROMPT)
    expect(page.locator("#tried .verdict")).to_contain_text("this family campaign")
    page.click("[data-toast] >> text=Undo")
    told(page, "Undone")
    assert looked_up(site, "label", None) < 2
    assert site.store.labels(family)[-1].by == "ann"
    assert page.complaints == []  # type: ignore[attr-defined]


def test_the_queue_is_worked_by_keys_alone(page: Page, site: Site) -> None:
    first = page.get_attribute(".row", "data-family")
    page.keyboard.press("j")
    page.keyboard.press("b")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    told(page, "Benign")
    assert first is not None
    word = site.store.labels(first)[-1]
    assert (word.label, word.reason, word.by) == ("benign", "benchmark", "ann")
    expect(page.locator(f".row[data-family={first}]")).to_have_count(0)
    page.keyboard.press("u")
    told(page, "Undone")
    expect(page.locator(f".row[data-family={first}]")).to_have_count(1)
    page.keyboard.press("j")
    page.keyboard.press("s")
    page.keyboard.press("Enter")
    told(page, "Snoozed until")
    page.select_option("select[name=state]", "snoozed")
    expect(page.locator("#found")).to_have_text("1 family")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()


def test_words_filters_and_views(page: Page, site: Site) -> None:
    page.fill("#words", '"hidden reasoning"')
    expect(page.locator("#found")).to_have_text("1 family")
    page.wait_for_url("**words=*")
    page.fill(".save input[name=name]", "reasoning")
    page.click(".save >> text=Save")
    expect(page.locator(".view a")).to_have_text("reasoning")
    page.wait_for_selector("html[data-ready]")
    page.fill("#words", "nothing like it")
    expect(page.locator("#list")).to_contain_text("Nothing here")
    page.click(".view a")
    expect(page.locator("#found")).to_have_text("1 family")
    page.click("[aria-label='Remove the view reasoning']")
    expect(page.locator(".views")).to_contain_text("none saved")


def test_families_are_merged_and_parted_again(page: Page, site: Site) -> None:
    both = families(site)
    for box in page.locator("#rows input[name=family]").all():
        box.check()
    page.keyboard.press("m")
    page.click("#dialog-merge >> text=Merge >> nth=-1")
    told(page, "Merged")
    expect(page.locator("#rows .row")).to_have_count(1)
    merged = families(site)
    assert len(merged) == len(both) - 1
    assert looked_up(site, "family_id", merged[0]) < 2
    page.click("#rows a.open")
    page.check("#split input[name=wording]")
    page.click("text=Split them off")
    told(page, "Split")
    assert sorted(families(site)) == sorted(both)


def test_a_family_is_split_by_its_text(page: Page, site: Site) -> None:
    family, before = of_prompt(site), families(site)
    page.goto(f"/families/{family}")
    page.locator("#split input[name=cut_off]").last.check()
    page.click("text=Split them off")
    told(page, f"off {family}")
    (child,) = set(families(site)) - set(before)
    assert page.url.startswith(f"{site.address}/families/{child}")
    page.click("[data-toast] >> text=Undo")
    expect(page.locator("main")).to_contain_text("no family")
    assert families(site) == before


def test_an_edited_threshold_shows_what_it_loses_and_reaches_lookups(page: Page, site: Site) -> None:
    family = of_prompt(site)
    page.goto(f"/families/{family}")
    page.fill("#edit input[name=threshold]", "0.999999999")
    expect(page.locator("#preview .lost").first).to_contain_text("−")
    page.click("text=Save as a new version")
    told(page, "threshold 0.")
    assert looked_up(site, "family_id", None) < 2
    expect(page.locator("main")).to_contain_text("An analyst set the threshold")
    page.click("[data-toast] >> text=Undo")
    assert looked_up(site, "family_id", family) < 2


def test_an_edited_template_is_a_version(page: Page, site: Site) -> None:
    family = of_prompt(site)
    page.goto(f"/families/{family}")
    page.locator("#edit input[name=drop]").last.check()
    expect(page.locator("#preview")).to_contain_text("It would have matched")
    page.fill("#edit textarea >> nth=0", "Some quite different words that nobody ever sent before")
    expect(page.locator("#preview")).to_contain_text("of its text is new")
    page.click("text=Save as a new version")
    expect(page.locator("main")).to_contain_text("1 earlier version")
    assert len(site.store.signature(family).template.segments) == 1


def test_two_analysts_meet_and_choose(browser: Browser, site: Site, page: Page) -> None:
    family = of_prompt(site)
    page.goto(f"/families/{family}")
    bob = log_in(browser, site, "bob")
    bob.goto(f"/families/{family}")
    bob.keyboard.press("b")
    bob.keyboard.press("Enter")
    told(bob, "Benign")
    page.keyboard.press("c")
    with page.expect_response("**/act") as answer:
        page.keyboard.press("Enter")
    assert answer.value.status == 412
    expect(page.locator("main")).to_contain_text("Somebody was faster")
    expect(page.locator(".history")).to_contain_text("bob label: label benign")
    assert violations(page) == []
    assert site.store.signature(family).label == "benign"
    page.click("text=Do mine on top of it")
    told(page, "Campaign")
    assert [word.label for word in site.store.labels(family)] == ["benign", "campaign"]
    bob.click("[data-toast] >> text=Undo")
    expect(bob.locator("[role=alert]")).to_contain_text("cannot be undone: ann has since")
    bob.context.close()


def test_nobody_sees_anything_without_a_key(browser: Browser, site: Site) -> None:
    context = browser.new_context(base_url=site.address)
    page = context.new_page()
    for where in (
        "/",
        f"/families/{families(site)[0]}",
        "/campaigns",
        "/accounts",
        "/overview",
        "/try",
        "/log",
    ):
        page.goto(where)
        assert page.url.startswith(f"{site.address}/login")
    page.fill("#key", "fpk_aaaaaaaaaa_" + "0" * 64)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("[role=alert]")).to_have_text("This key is not in force, or may not read.")
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


def pages_of(site: Site, family: str) -> tuple[str, ...]:
    """Label a family as a campaign's, write a note on it, and name every page there is then."""
    desk = Desk(site.store.database)
    desk.label({family: 0}, "campaign", by="ann", campaign="graders")
    desk.note(family, "a note", by="ann")
    account = site.store.accounts()[0].account_id
    return (
        f"/families/{family}",
        "/campaigns",
        "/campaigns/graders",
        "/accounts",
        f"/accounts/{account}",
        "/overview",
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


def test_addresses_of_other_sites_are_not_followed() -> None:
    for where in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", ""):
        assert local(where) == "/"
    assert local("/families/f1?did=3") == "/families/f1?did=3"


def test_a_query_is_read_from_an_address_and_written_back() -> None:
    asked = {"words": "a b", "state": "all", "flagged": "1", "min_score": "0.5", "days": "7"}
    assert values_of(query_of(asked)) == asked
    nonsense = {"state": "x", "min_score": "nan?", "min_accounts": "1e999", "days": "-3", "flagged": "maybe"}
    assert values_of(query_of(nonsense)) == {}


def test_a_campaign_is_exported_in_every_format(site: Site, tmp_path: Path) -> None:
    desk, family = Desk(site.store.database), of_prompt(site)
    desk.label({family: 0}, "campaign", by="ann", campaign="graders")
    with httpx2.Client(base_url=site.address, headers={"x-api-key": site.keys["reader"]}) as client:
        made = {f: client.get(f"/campaigns/graders/export?format={f}") for f in FORMATS}
        assert client.get("/campaigns/graders/export?format=doc").status_code == 422
    assert {f: answer.status_code for f, answer in made.items()} == dict.fromkeys(FORMATS, 200)
    assert all(family.encode() in answer.content for answer in made.values())
    assert made["nova"].headers["content-disposition"] == 'attachment; filename="graders.nov"'
    file = tmp_path / "graders.jsonl"
    file.write_bytes(made["json"].content)
    assert "1 new" in done("import", file, "--home", tmp_path / "other")


def test_kept_traffic_is_searched_for_an_edit(page: Page, site: Site) -> None:
    page.goto(f"/families/{of_prompt(site)}")
    page.get_by_role("button", name="Search kept traffic", exact=True).click()
    expect(page.locator("#hunted")).to_contain_text(
        "120 of 840 requests read match by text, from 12 accounts", timeout=30_000
    )
    page.fill("#edit input[name=threshold]", "1")
    expect(page.locator("#preview")).to_contain_text("It would have matched")  # it moves the button
    page.get_by_role("button", name="Search kept traffic with this edit").click()
    expect(page.locator("#edit-hunted .lost")).to_have_text("−120 lost", timeout=30_000)


def test_a_word_said_elsewhere_is_undone_here(page: Page, site: Site) -> None:
    family = of_prompt(site)
    before = site.store.signature(family).campaign_id
    done("label", family, "campaign", "--campaign", "graders", "--by", "cli", "--home", site.home)
    assert looked_up(site, "campaign_id", "graders") < 2
    page.goto("/log")
    row = page.locator("tr", has_text=family)
    expect(row).to_contain_text("cli")
    row.get_by_role("button", name="Undo").click()
    told(page, "Undone")
    assert looked_up(site, "campaign_id", before) < 2
    assert site.store.signature(family).label is None
