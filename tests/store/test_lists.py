"""What the store lists, and in what order: families, accounts and campaigns."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.stored_nights import (
    NOON,
    TODAY,
    make_night,
    make_signature,
    save_first,
    save_first_without_f1,
    save_next,
    table,
)

from fingerprint.casework.actions import Actions
from fingerprint.casework.cases import Cases
from fingerprint.domain.casework import CaseAction
from fingerprint.domain.errors import NotFound
from fingerprint.domain.expected_precision import expected_precision
from fingerprint.domain.rows import AccountRow, CampaignRow
from fingerprint.domain.schemas import ACTIVITY_SCHEMA, SPREAD_SCHEMA
from fingerprint.store import sql
from fingerprint.store.cursors import Cursor
from fingerprint.store.lists import list_campaigns
from fingerprint.store.store import Store


def test_accounts_in_no_family_are_listed_while_they_are_tested(store: Store) -> None:
    def night(batch_id: str, *accounts: AccountRow) -> None:
        store.save_night(
            make_night(batch_id),
            [],
            spread=table(SPREAD_SCHEMA),
            activity=table(ACTIVITY_SCHEMA),
            accounts=accounts,
        )

    away = AccountRow("d", 0.0, False, 9, (), (), 0.4, 1e-9, 0.001, departed=True)
    known = AccountRow("e", 0.3, False, 9, ("f1",), (), 0.3, 1e-9, 0.002, departed=True)
    usual = AccountRow("u", 0.0, False, 9, (), (), 0.001, 0.9, 0.5, departed=False)
    night("n1", away, known, usual)
    assert store.accounts(departed=True) == [known, away]
    assert store.account("u") == usual
    night("n2", AccountRow("g", 0.5, True, 1))
    assert [a.account_id for a in store.accounts()] == ["g", "e"]


def test_retired_families_are_not_listed_until_seen_again(store: Store) -> None:
    save_first(store)
    save_first_without_f1(store)
    assert [s.family_id for s in store.signatures()] == [f.family_id for f in store.families()] == ["f2"]
    assert store.signature("f1").spread.requests == 0
    nothing = {"spread": table(SPREAD_SCHEMA), "activity": table(ACTIVITY_SCHEMA)}
    store.save_night(make_night("n3"), [make_signature("f1")], **nothing)
    assert [s.family_id for s in store.signatures()] == ["f1", "f2"]


def test_lists_filter_and_rank(store: Store) -> None:
    scored = [make_signature(f"f{i}", score=i / 10, flagged=i > 5) for i in range(10)]
    store.save_night(
        make_night("n1"),
        scored,
        spread=table(SPREAD_SCHEMA),
        activity=table(ACTIVITY_SCHEMA),
        accounts=[AccountRow(f"a{i}", i / 10, i > 5, 1) for i in range(10)],
        campaigns=[CampaignRow(f"c{i}", None, i / 10, i > 5, (f"f{i}",)) for i in range(10)],
    )
    ids = [f.family_id for f in store.families(flagged=True, limit=2)]
    assert (ids, len(store.families(flagged=False, min_score=0.4))) == (["f9", "f8"], 2)
    assert [a.account_id for a in store.accounts(min_score=0.8)] == ["a9", "a8"]
    assert [c.campaign_id for c in store.campaigns(flagged=True, min_score=0.7, limit=2)] == ["c9", "c8"]
    assert store.account("a3").score == pytest.approx(0.3)


def test_families_sort_and_page(store: Store) -> None:
    sent = [(f"f{i}", f"a{n}", NOON.date(), 1) for i in range(6) for n in range(6 - i)]
    scored = [make_signature(f"f{i}", score=(i // 2) / 10) for i in range(6)]
    store.save_night(
        make_night("n1"),
        scored,
        spread=table(SPREAD_SCHEMA, *sent),
        activity=table(ACTIVITY_SCHEMA),
    )
    Actions(store.database).set_label("f3", "benign", by="ann")

    def ids(**choice: object) -> list[str]:
        return [f.family_id for f in store.families(**choice)]  # type: ignore[arg-type]

    assert ids() == ["f4", "f5", "f2", "f3", "f0", "f1"]
    assert ids(sort="accounts") == ids(sort="requests") == ["f0", "f1", "f2", "f3", "f4", "f5"]
    assert ids(sort="accounts", min_score=0.1, limit=2) == ["f2", "f3"]
    assert (ids(label="benign"), len(ids(label="none")), ids(label="other")) == (["f3"], 5, [])
    assert ids(after=Cursor(0.1, "f2"), limit=2) == ["f3", "f0"]
    assert ids(after=Cursor(0.0, "f1")) == []


def test_one_campaign_and_pages_of_campaigns(store: Store) -> None:
    save_first(store)
    assert store.campaign("c1") == store.campaigns()[0]
    assert store.campaigns(after=Cursor(0.8, "c1")) == []
    assert store.campaigns(after=Cursor(0.8, "c0"), limit=1) == store.campaigns()
    with pytest.raises(NotFound, match="no campaign c9"):
        store.campaign("c9")


def test_unknown_ids_are_not_found(store: Store) -> None:
    with pytest.raises(NotFound, match="no family f9"):
        store.signature("f9")
    with pytest.raises(NotFound, match="no family f9"):
        Actions(store.database).set_label("f9", "benign", by="ann")
    with pytest.raises(NotFound, match="no assessed account a9"):
        store.account("a9")


def test_campaigns_of_a_night(store: Store) -> None:
    save_first(store)
    assert store.campaigns() == [
        CampaignRow(
            campaign_id="c1",
            label="Graders",
            score=0.8,
            flagged=True,
            families=("f1", "f2"),
            accounts=2,
            requests=12,
            first_seen=NOON,
            last_seen=NOON,
            templates=("Rate the answer ⟨…⟩", "Rate the answer ⟨…⟩"),
            conversations=12,
            name="c1",
            precision=expected_precision(0.8),
        )
    ]
    save_next(store)  # assesses f1, names no campaign
    assert [(c.campaign_id, c.families) for c in store.campaigns()] == [("c1", ("f2",))]
    store.save_night(
        make_night("n3"),
        [],
        spread=table(SPREAD_SCHEMA),
        activity=table(ACTIVITY_SCHEMA),
        campaigns=[CampaignRow("c1", "Another name", 0.9, False, ("f1",))],
    )
    (campaign,) = store.campaigns()
    assert (campaign.label, campaign.score, campaign.flagged) == ("Graders", 0.9, False)
    assert campaign.families == ("f1", "f2")


def test_accounts_are_found_by_their_beginning_sorted_and_paged(store: Store) -> None:
    rows = [AccountRow(f"org-{n}", 0.1 * n, False, 10 - n, ("f1",)) for n in range(4)]
    store.save_night(
        make_night("n1"),
        [make_signature("f1")],
        spread=table(SPREAD_SCHEMA),
        activity=table(ACTIVITY_SCHEMA),
        accounts=[*rows, AccountRow("other", 0.9, False, 1, ("f1",))],
    )
    assert store.accounts(prefix="org-") == rows[::-1]
    assert store.accounts(prefix="org-", sort="requests") == rows
    first = store.accounts(prefix="org-", sort="requests", limit=2)
    rest = store.accounts(
        prefix="org-", sort="requests", after=Cursor(first[-1].requests, first[-1].account_id)
    )
    assert [*first, *rest] == rows
    assert store.accounts(prefix="ORG") == store.accounts(prefix="%") == []


def test_campaigns_are_found_by_words(store: Store) -> None:
    save_first(store)
    Actions(store.database).rename_campaign("c1", "Graders of March", by="ann")
    for words in ("c1", "graders OF", "rate the", "f2"):
        assert [row.campaign_id for row in store.campaigns(words=words)] == ["c1"], words
    for words in ("nothing", "%", "_"):
        assert store.campaigns(words=words) == [], words


def test_a_campaign_counts_each_account_once_also_of_wordings_and_moved_families(store: Store) -> None:
    save_first(store)
    more = table(
        SPREAD_SCHEMA,
        ("f3", "b", TODAY, 1),
        ("f3", "d", TODAY, 1),
        ("w1", "e", TODAY, 2),
        ("h", "z", TODAY, 9),
    )
    signatures = [make_signature(name) for name in ("f3", "h")]
    store.save_night(
        make_night("n3"),
        [*signatures, make_signature("w1", variant_of="f1")],
        spread=more,
        activity=table(ACTIVITY_SCHEMA),
        campaigns=[CampaignRow("c2", "Others", 0.9, True, ("f3",))],
    )
    assert {c.campaign_id: c.accounts for c in store.campaigns()} == {"c2": 2, "c1": 3}
    cases = Cases(store.database)
    cases.do("c2", CaseAction(do="merge", into="c1"), by="ann")
    assert {c.campaign_id: c.accounts for c in store.campaigns()} == {"c1": len("abde")}


def test_more_families_of_a_campaign_than_a_statement_takes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_first(store)
    counted = store.campaigns()
    monkeypatch.setattr(sql, "_CHUNK", 1)
    assert store.campaigns() == counted
    assert counted[0].accounts == 2


def test_accounts_of_campaigns_are_counted_by_an_index(tmp_path: Path) -> None:
    """A table that is read to its end takes ten seconds in a home of a million requests."""
    with Store.open(tmp_path) as store:
        save_first(store)
        plans: list[str] = []
        with store.database.reading() as connection:

            def explain(
                _: object, cursor: sqlite3.Cursor, statement: str, values: Any, *rest: object
            ) -> None:
                other = connection.connection.cursor()
                plans.extend(str(row[3]) for row in other.execute(f"EXPLAIN QUERY PLAN {statement}", values))

            sa.event.listen(connection, "before_cursor_execute", explain)
            assert list_campaigns(connection)
    assert [plan for plan in plans if "spread" in plan and "family_id=?" not in plan] == []
    assert [plan for plan in plans if "spread" in plan]
