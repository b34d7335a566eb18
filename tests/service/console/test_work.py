"""What analysts do in the console is stored, reaches lookups, and can be undone."""

from __future__ import annotations

from pathlib import Path

import httpx2
from playwright.sync_api import Browser, Page, expect
from support.browser import PROMPT, Site, families, log_in, looked_up, of_prompt, told, violations
from support.small_traffic import done

from fingerprint.casework.actions import Actions
from fingerprint.domain.vocabulary import EXPORT_FORMATS
from fingerprint.service.console.queue import query_of, values_of


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
    looked_up(site, "label", "campaign")
    looked_up(site, "campaign_id", "graders")
    page.fill("#try-prompt", PROMPT)
    expect(page.locator("#tried .verdict")).to_contain_text("this family campaign")
    page.click("[data-toast] >> text=Undo")
    told(page, "Undone")
    looked_up(site, "label", None)
    assert site.store.labels(family)[-1].by == "ann"
    assert page.complaints == []  # type: ignore[attr-defined]


def test_the_queue_is_worked_by_keys_alone(page: Page, site: Site) -> None:
    first = page.get_attribute(".row", "data-family")
    page.keyboard.press("j")
    page.keyboard.press("b")
    page.keyboard.press("Enter")  # a reason is asked for
    expect(page.locator("#dialog-benign")).to_be_visible()
    page.keyboard.type("benchmark")
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
    page.keyboard.press("r")
    page.keyboard.press("Enter")
    told(page, "Relay")
    assert site.store.labels(first)[-1].label == "relay"
    page.keyboard.press("u")
    told(page, "Undone")
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
    looked_up(site, "family_id", merged[0])
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
    looked_up(site, "family_id", None)
    expect(page.locator("main")).to_contain_text("An analyst set the threshold")
    page.click("[data-toast] >> text=Undo")
    looked_up(site, "family_id", family)


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
    bob.keyboard.type("a course")
    bob.keyboard.press("Enter")
    told(bob, "Benign")
    page.keyboard.press("c")
    with page.expect_response("**/act") as answer:
        page.keyboard.press("Enter")
    assert answer.value.status == 412
    expect(page.locator("main")).to_contain_text("Somebody else changed this")
    expect(page.locator(".history")).to_contain_text("bob label: label benign")
    assert violations(page) == []
    assert site.store.signature(family).label == "benign"
    page.click("text=Apply mine anyway")
    told(page, "Campaign")
    assert [word.label for word in site.store.labels(family)] == ["benign", "campaign"]
    bob.click("[data-toast] >> text=Undo")
    expect(bob.locator("[role=alert]")).to_contain_text("cannot be undone: ann has changed the same since")
    bob.context.close()


def test_a_query_is_read_from_an_address_and_written_back() -> None:
    asked = {"words": "a b", "state": "all", "flagged": "1", "min_score": "0.5", "days": "7"}
    assert values_of(query_of(asked)) == asked
    nonsense = {"state": "x", "min_score": "nan?", "min_accounts": "1e999", "days": "-3", "flagged": "maybe"}
    assert values_of(query_of(nonsense)) == {}


def test_a_campaign_is_exported_in_every_format(site: Site, tmp_path: Path) -> None:
    actions, family = Actions(site.store.database), of_prompt(site)
    actions.label({family: 0}, "campaign", by="ann", campaign="graders")
    with httpx2.Client(base_url=site.address, headers={"x-api-key": site.keys["reader"]}) as client:
        made = {f: client.get(f"/campaigns/graders/export?format={f}") for f in EXPORT_FORMATS}
        assert client.get("/campaigns/graders/export?format=doc").status_code == 422
    assert {f: answer.status_code for f, answer in made.items()} == dict.fromkeys(EXPORT_FORMATS, 200)
    assert all(family.encode() in answer.content for answer in made.values())
    assert made["nova"].headers["content-disposition"] == 'attachment; filename="graders.nov"'
    file = tmp_path / "graders.jsonl"
    file.write_bytes(made["json"].content)
    assert "1 new" in done("import", file, "--home", tmp_path / "other")


def test_kept_traffic_is_searched_for_an_edit(page: Page, site: Site) -> None:
    page.goto(f"/families/{of_prompt(site)}")
    page.get_by_role("button", name="Search kept traffic", exact=True).click()
    expect(page.locator("#hunted")).to_contain_text(
        "120 of 840 requests read match by text, from 12 accounts"
    )
    page.fill("#edit input[name=threshold]", "1")
    expect(page.locator("#preview")).to_contain_text("It would have matched")  # it moves the button
    page.get_by_role("button", name="Search kept traffic with this edit").click()
    expect(page.locator("#edit-hunted .lost")).to_have_text("−120 lost")


def test_a_word_said_elsewhere_is_undone_here(page: Page, site: Site) -> None:
    family = of_prompt(site)
    before = site.store.signature(family).campaign_id
    done("label", family, "campaign", "--campaign", "graders", "--by", "cli", "--home", site.home)
    looked_up(site, "campaign_id", "graders")
    page.goto("/log")
    row = page.locator("tr", has_text=family)
    expect(row).to_contain_text("cli")
    row.get_by_role("button", name="Undo").click()
    told(page, "Undone")
    looked_up(site, "campaign_id", before)
    assert site.store.signature(family).label is None
