"""Three nights written by hand, and what their reports say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from support.stored_nights import NOON, TODAY, make_night, make_signature, table

from fingerprint.casework.actions import Actions
from fingerprint.casework.morning_report import MOST_ACCOUNTS, MOST_NAMED, morning_report
from fingerprint.domain.morning_report import MorningReport
from fingerprint.domain.rows import CampaignRow, Event
from fingerprint.domain.schemas import ACTIVITY_SCHEMA, SPREAD_SCHEMA
from fingerprint.domain.settings import Home
from fingerprint.domain.signature import Reason, Signature
from fingerprint.domain.vocabulary import INTENT
from fingerprint.domain.word_pairs import word_pair
from fingerprint.service.console.last_night import report_file
from fingerprint.store.store import Store

ASKS = Reason(INTENT, 0.8, 0.8, "asks for grades and preferences: likeness 0.71 to known wordings")
Sent = tuple[str, str, int]
"""Family, account, requests."""


def flagged(family_id: str, campaign: str | None = None, **other: object) -> Signature:
    made = replace(make_signature(family_id), score=0.99, flagged=True, reasons=(ASKS,))
    return replace(made, campaign_id=campaign, **other)  # type: ignore[arg-type]


def save(
    store: Store,
    number: int,
    sent: list[Sent],
    families: list[Signature],
    events: list[Event],
    *,
    rows: int = 1000,
) -> None:
    day = TODAY + timedelta(days=number)
    made = make_night(f"n{number}", started=NOON + timedelta(days=number))
    begin = NOON + timedelta(days=number - 1)
    made = replace(
        made,
        ingest=replace(made.ingest, rows_read=rows, accepted=rows, rejected=0, duplicates=0, reasons={}),
        first_request=begin,
        last_request=begin + timedelta(hours=20),
        accounts=50,
        newly_flagged=sum(e.kind == "flagged" for e in events),
        home_bytes=1000,
    )
    campaigns: dict[str, list[str]] = {}
    for signature in families:
        if signature.flagged and signature.campaign_id:
            campaigns.setdefault(signature.campaign_id, []).append(signature.family_id)
    totals: dict[str, int] = {}
    for _, account, requests in sent:
        totals[account] = totals.get(account, 10) + requests
    store.save_night(
        made,
        families,
        spread=table(SPREAD_SCHEMA, *((f, a, day, n) for f, a, n in sent)),
        activity=table(ACTIVITY_SCHEMA, *((a, day, n) for a, n in totals.items())),
        campaigns=[
            CampaignRow(c, None, 0.99, True, tuple(fs), name=f"name of {c}") for c, fs in campaigns.items()
        ],
        events=events,
    )


def pool(family: str, accounts: range, requests: int) -> list[Sent]:
    return [(family, f"a{n:02}", requests) for n in accounts]


OLD, CALM, GONE = flagged("f1", "c1"), flagged("f2", "c2"), flagged("f3", "c3")
NEW = flagged("f0123456789ab", "c1")


@pytest.fixture
def store(tmp_path: Path, store_url: str | None) -> Iterator[Store]:
    usual = [*pool("f1", range(5), 4), *pool("f2", range(5, 10), 20), *pool("f3", range(10, 15), 6)]
    with Store.open(tmp_path, store_url) as store:
        first = [Event(f, kind) for f in ("f1", "f2", "f3") for kind in ("born", "flagged")]  # type: ignore[arg-type]
        save(store, 0, usual, [OLD, CALM, GONE], first)
        save(store, 1, usual, [OLD, CALM, GONE], [])
        tonight = [
            *pool("f1", range(5), 40),
            *pool("f2", range(5, 10), 21),
            *pool(NEW.family_id, range(3, 8), 5),
        ]
        news = [
            Event(NEW.family_id, "born"),
            Event("f3", "pivoted", {"to": NEW.family_id}),
            Event(NEW.family_id, "flagged"),
        ]
        save(store, 2, tonight, [OLD, CALM, GONE, NEW], news)
        yield store


def report_of(store: Store, tmp_path: Path, night: str | None = None) -> MorningReport:
    return morning_report(store, Home(tmp_path), night)


def test_the_day_that_was_read_and_what_is_new_in_it(store: Store, tmp_path: Path) -> None:
    report = report_of(store, tmp_path)
    assert report.is_last
    assert report.night.first_request == NOON + timedelta(days=1)
    [family] = report.families.rows
    words = word_pair(NEW.family_id)
    assert (family.family_id, family.name) == (NEW.family_id, f"grades and preferences · {words}")
    assert (family.tonight, family.campaign_name) == (25, "name of c1")
    assert [(c.campaign_id, c.newly_flagged, c.families) for c in report.campaigns.rows] == [("c1", 1, 2)]
    assert [(p.family_id, p.to_family_id, p.flagged) for p in report.pivots.rows] == [
        ("f3", NEW.family_id, True)
    ]


def test_campaigns_that_grew_and_that_fell_silent(store: Store, tmp_path: Path) -> None:
    report = report_of(store, tmp_path)
    [grown] = report.grown.rows
    assert (grown.campaign_id, grown.tonight, grown.usual) == ("c1", 225, pytest.approx(20))
    assert grown.per_night == (20, 20, 225)
    assert grown.accounts_tonight == 8
    assert [(c.campaign_id, c.tonight) for c in report.quiet.rows] == [("c3", 0)]
    assert [c.campaign_id for c in report.active.rows] == ["c1", "c2"]
    before = report_of(store, tmp_path, "2")
    assert (before.grown.total, before.quiet.total, before.families.total) == (0, 0, 0)
    first = report_of(store, tmp_path, "1")
    assert (first.grown.total, first.quiet.total, first.families.total) == (0, 0, 3)


def test_accounts_to_act_on_are_counted_of_all_that_they_sent(store: Store, tmp_path: Path) -> None:
    report = report_of(store, tmp_path)
    assert (report.accounts.total, report.new_accounts, report.in_flagged) == (10, 0, 330)
    first = report.accounts.rows[0]
    assert (first.account_id, first.in_flagged, first.requests, first.families) == ("a03", 45, 55, 2)
    assert (first.share, first.newly, first.campaigns) == (pytest.approx(45 / 55), False, ("name of c1",))
    assert report_of(store, tmp_path, "1").new_accounts == 15
    assert [v.in_flagged for v in report.volumes] == [150, 150, 330]


def test_what_an_analyst_called_benign_is_nobodys_to_act_on(store: Store, tmp_path: Path) -> None:
    Actions(store.database).label({"f2": None}, "benign", by="ann")
    report = report_of(store, tmp_path)
    assert {a.account_id for a in report.accounts.rows} == {f"a{n:02}" for n in range(8)}
    assert [c.campaign_id for c in report.active.rows] == ["c1"]
    assert report.in_flagged == 225


def test_the_size_of_the_home_is_told_of_the_last_night(store: Store, tmp_path: Path) -> None:
    report = report_of(store, tmp_path)
    assert report.home_bytes["database"] > 10_000
    assert report.grown_bytes == sum(report.home_bytes.values()) - 1000
    assert report_of(store, tmp_path, "1").grown_bytes is None


def test_long_lists_are_cut_and_counted(tmp_path: Path) -> None:
    families = [flagged(f"f{n:012x}", f"c{n:010x}") for n in range(200)]
    sent = [(s.family_id, f"a{n % 700:03}", 1 + n % 7) for s in families for n in range(5, 30)]
    sent += [(families[0].family_id, f"b{n:04}", 1) for n in range(1000)]
    with Store.open(tmp_path) as store:
        save(store, 0, sent, families, [Event(s.family_id, "flagged") for s in families])
        report = report_of(store, tmp_path)
    assert (len(report.families.rows), report.families.more) == (MOST_NAMED, 200 - MOST_NAMED)
    assert (len(report.accounts.rows), report.accounts.total) == (MOST_ACCOUNTS, 1025)
    page = report_file(report)
    assert len(page.encode()) < 300_000
    assert "and 160 more" in page
    assert "and 975 more" in page


def test_a_file_needs_nothing_else_and_links_only_where_told(store: Store, tmp_path: Path) -> None:
    report = report_of(store, tmp_path)
    page = report_file(report)
    assert page.startswith("<!doctype html>")
    assert not {"<script", "<link", "src=", "href=", "url(", "@import"} & set(_found(page))
    assert 'href="https://console.example/campaigns/c1"' in report_file(report, "https://console.example")


def _found(page: str) -> list[str]:
    return [mark for mark in ("<script", "<link", "src=", "href=", "url(", "@import") if mark in page]


def test_names_of_accounts_are_not_markup(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        save(store, 0, [("f1", "<b>a</b>", 3)], [OLD], [Event("f1", "flagged")])
        page = report_file(report_of(store, tmp_path))
    assert "<b>a</b>" not in page
    assert "&lt;b&gt;a&lt;/b&gt;" in page
