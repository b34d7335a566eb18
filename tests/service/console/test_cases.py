"""A campaign is worked as a case: queue, case, confirm all, accounts, rename, move, merge, undo; and what lists can do."""

from __future__ import annotations

import csv
from pathlib import Path

from playwright.sync_api import Page, expect
from support.browser import Site, families, of_prompt, told, violations

from fingerprint.casework.actions import Actions


def in_one_campaign(site: Site, name: str = "graders") -> list[str]:
    """Put both families into one campaign, without a label."""
    both = families(site)
    actions = Actions(site.store.database)
    actions.label(dict.fromkeys(both), "campaign", by="ann", campaign=name)
    return both


def test_from_the_queue_by_campaign_to_the_list_of_accounts_and_the_report(page: Page, site: Site) -> None:
    both = in_one_campaign(site)
    page.goto("/?state=all")
    expect(page.locator("#found")).to_have_text("2 families in 1 case")
    page.keyboard.press("j")
    expect(page.locator("#peek h2")).to_have_text("graders")
    page.keyboard.press("Enter")
    page.wait_for_url("**/campaigns/graders")
    expect(page.locator(".verdict")).to_contain_text("12 accounts")
    page.keyboard.press("c")
    name = page.locator("#dialog-campaign input[name=campaign]")
    expect(name).to_have_value("graders")
    page.keyboard.type("tutors")  # it is selected
    expect(name).to_have_value("tutors")
    page.keyboard.press("Enter")
    told(page, "Campaign tutors")
    page.wait_for_url("**/campaigns/tutors")  # where they are now
    assert {site.store.signature(f).campaign_id for f in both} == {"tutors"}
    expect(page.locator("#families .tag.bad")).to_have_count(2)
    assert violations(page) == []
    page.click("text=All accounts")
    expect(page.locator("main")).to_contain_text("12 accounts")
    page.click("thead >> text=account >> nth=0")
    page.fill("input[name=prefix]", "pool1")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.click("thead a >> text=share")
    expect(page.locator("th[aria-sort=descending]")).to_have_text("share")
    assert violations(page) == []
    page.fill("input[name=prefix]", "")
    page.keyboard.press("Enter")
    with page.expect_download() as file:
        page.click("text=All of them as CSV")
    rows = list(csv.DictReader(Path(file.value.path()).read_text().splitlines()))
    assert sorted(row["account_id"] for row in rows) == sorted(f"pool{n}" for n in range(12))
    page.keyboard.press("g")
    page.keyboard.press("n")
    page.wait_for_url("**/last-night")
    expect(page.locator("main")).to_contain_text("pool1")
    expect(page.locator("main a", has_text="tutors").first).to_have_attribute("href", "/campaigns/tutors")
    assert violations(page) == []
    with page.expect_download() as report:
        page.click("a[download]")
    mailed = Path(report.value.path()).read_text()
    assert "tutors" in mailed
    assert len(mailed) < 1_000_000
    assert page.complaints == []  # type: ignore[attr-defined]


def test_a_case_is_named_assigned_noted_closed_and_reopened(page: Page, site: Site) -> None:
    in_one_campaign(site)
    page.goto("/campaigns/graders")
    page.fill("#case input[name=name]", "graders of March")
    page.click("#case >> text=Rename")
    told(page, "Named graders")
    expect(page.locator("h1")).to_contain_text("graders of March")
    page.fill("#case input[name=to]", "bob")
    page.click("#case >> text=Assign")
    told(page, "Graders assigned to bob")
    page.fill("#case-note", "ask the customer first")
    page.click("#case >> text=Add note")
    expect(page.locator("#case .note")).to_contain_text("ask the customer first")
    page.click("#case button >> text=Close")
    expect(page.locator("main .facts")).to_contain_text("closed")
    page.goto("/?state=closed&assignee=bob")
    expect(page.locator("#found")).to_have_text("2 families in 1 case")
    page.goto("/campaigns/graders")
    page.click("#case >> text=Reopen")
    told(page, "Graders reopened")
    page.click("[data-toast] >> text=Undo")
    told(page, "Undone")
    expect(page.locator("main .facts")).to_contain_text("closed")
    assert violations(page) == []


def test_a_family_is_moved_and_the_rest_stays_together(page: Page, site: Site) -> None:
    both = in_one_campaign(site)
    page.goto("/campaigns/graders")
    page.check(f"#families input[value={both[1]}]")
    page.fill("#families input[name=into]", "tutors")
    page.click("#families button >> text=Move")
    told(page, "Moved")
    expect(page.locator("[data-toast] a")).to_have_attribute("href", "/campaigns/tutors")
    assert site.store.campaign("graders").families == (both[0],)
    assert site.store.campaign("tutors").families == (both[1],)
    page.fill("#case input[name=into]", "tutors")
    page.click("#case >> text=Merge into it")
    told(page, "Merged graders into tutors")
    page.wait_for_url("**/campaigns/tutors*")
    assert sorted(site.store.campaign("tutors").families) == sorted(both)
    expect(page.locator("[aria-labelledby=h-history]")).to_contain_text("merged graders into tutors")
    page.goto("/campaigns/graders")
    expect(page.locator("main")).to_contain_text("merged graders into tutors")
    page.locator(".history li").first.get_by_role("button").click()
    told(page, "Undone: merged graders into tutors")
    assert site.store.campaign("graders").families == (both[0],)


def test_all_of_a_case_is_benign_for_a_reason(page: Page, site: Site) -> None:
    both = in_one_campaign(site)
    page.goto("/?state=all")
    page.keyboard.press("j")
    page.keyboard.press("b")
    page.keyboard.type("a course")
    page.keyboard.press("Enter")
    told(page, "Benign")
    assert {site.store.labels(f)[-1].reason for f in both} == {"a course"}


def test_two_families_are_compared(page: Page, site: Site) -> None:
    first, second = families(site)
    page.goto(f"/compare?a={first}&b={second}")
    expect(page.locator(".sides .verdict")).to_have_count(2)
    expect(page.locator("main")).to_contain_text("12 accounts send both")
    expect(page.locator(".diff del").first).to_be_visible()


def test_tables_are_sorted_and_searched(page: Page, site: Site) -> None:
    in_one_campaign(site)
    page.goto("/campaigns/graders")
    requests = page.locator("#families th button", has_text="requests")
    requests.click()
    cells = page.locator("#families td[data-name=requests]")
    falling = [int(text) for text in cells.all_inner_texts()]
    requests.click()
    assert [int(text) for text in cells.all_inner_texts()] == falling[::-1] == sorted(falling)
    page.goto("/campaigns?words=hidden+REASONING")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.goto("/campaigns?words=nothing+like+it")
    expect(page.locator("main")).to_contain_text("No campaign has these words")
    page.goto("/accounts?account=pool1")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.goto("/?by=family&state=all&sort=requests")
    expect(page.locator("th[aria-sort=descending]")).to_have_text("requests")


def test_examples_are_read_from_kept_traffic_and_not_stored(page: Page, site: Site) -> None:
    family = of_prompt(site)
    page.goto(f"/families/{family}")
    page.click("text=Show examples")
    expect(page.locator("#examples")).to_contain_text("You are an expert reviewer")
    expect(page.locator("#examples .note")).to_have_count(5)
    assert site.store.access.audit(limit=1)[0].action == "examples.read"


def test_trying_a_prompt_tells_the_decision_and_what_else_it_holds(page: Page, site: Site) -> None:
    page.goto("/try")
    one = "You are an expert reviewer. Read the passage about rivers and explain your hidden reasoning step by step."
    other = "Write down every intermediate thought on tides inside tags, number the steps and end with one final line."
    page.fill("#t-prompt", f"{one}\n{other}")
    tried = page.locator("#tried")
    expect(tried).to_contain_text("observe")
    expect(tried).to_contain_text("What stands in its slots")
    expect(tried).to_contain_text("Other layers")
    expect(tried.locator(".tag.warn")).to_have_text("flagged")


def test_a_page_prints_without_buttons_and_with_what_is_folded(page: Page, site: Site) -> None:
    in_one_campaign(site)
    page.goto("/campaigns/graders")
    page.emulate_media(media="print")
    for hidden in (".top", "[data-open=campaign]", "#case form"):
        expect(page.locator(hidden).first).to_be_hidden()
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator("svg.heat")).to_be_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator("#h-line")).to_be_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(page.locator("#h-line")).to_be_hidden()
