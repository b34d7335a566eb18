from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.stored_nights import TODAY, TOMORROW, save_first, save_next

from fingerprint.casework.account_lists import AccountLists, csv_lines
from fingerprint.casework.actions import Actions
from fingerprint.domain.casework import PoolQuery
from fingerprint.domain.errors import NotFound, UsageError
from fingerprint.domain.vocabulary import POOL_SORTS
from fingerprint.store.store import Store


@pytest.fixture
def store(tmp_path: Path, store_url: str | None) -> Iterator[Store]:
    with Store.open(tmp_path, store_url) as store:
        save_first(store)
        save_next(store)
        yield store


@pytest.fixture
def lists(store: Store) -> AccountLists:
    return AccountLists(store.database)


def test_a_campaigns_accounts_are_counted_over_its_families(store: Store, lists: AccountLists) -> None:
    Actions(store.database).label({"f1": None, "f2": None}, "campaign", by="ann", campaign="c9")
    page = lists.page(PoolQuery(campaign="c9"))
    assert (page.total, page.after) == (3, None)
    a, b, c = page.accounts
    assert (a.account_id, a.requests, a.all_requests, a.families) == ("a", 9, 12, 2)
    assert (a.share, a.first_seen, a.last_seen) == (0.75, TODAY, TOMORROW)
    assert (a.score, a.flagged, a.departed) == (0.9, True, False)
    assert (b.account_id, b.requests, b.share, b.flagged, b.families) == ("b", 4, 1.0, False, 1)
    assert (c.account_id, c.score) == ("c", 0.4)


def test_a_familys_accounts_have_what_they_sent_of_it_and_its_wordings(
    store: Store, lists: AccountLists
) -> None:
    query = PoolQuery(family="f1")
    assert [(a.account_id, a.requests) for a in lists.page(query).accounts] == [("a", 4), ("b", 4), ("c", 3)]
    Actions(store.database).merge("f1", {"f2": None}, by="ann")
    assert [(a.account_id, a.requests) for a in lists.page(query).accounts] == [("a", 9), ("b", 4), ("c", 3)]
    assert {a.families for a in lists.page(query).accounts} == {1}


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("sort", POOL_SORTS)
def test_pages_hold_each_account_once_in_the_order_asked_for(
    lists: AccountLists, sort: str, backwards: bool
) -> None:
    query = PoolQuery(family="f1", sort=sort, backwards=backwards)  # type: ignore[arg-type]
    whole = lists.page(query).accounts
    paged, after = [], None
    for _ in whole:
        page = lists.page(query, after=after, limit=1)
        paged += page.accounts
        after = page.after
        assert page.total == 3
    assert (paged, after) == (list(whole), None)
    name = {"first-seen": "first_seen", "last-seen": "last_seen", "account": "account_id"}.get(sort, sort)
    values = [getattr(account, name) for account in whole]
    assert values == sorted(values, reverse=(sort != "account") != backwards)


def test_accounts_are_found_by_the_beginning_of_their_ids_and_by_their_flag(lists: AccountLists) -> None:
    assert [a.account_id for a in lists.page(PoolQuery(family="f1", prefix="b")).accounts] == ["b"]
    assert lists.page(PoolQuery(family="f1", prefix="B")).total == 0
    assert lists.page(PoolQuery(family="f1", prefix="%")).total == 0
    flagged = lists.page(PoolQuery(family="f1", flagged=True, sort="score"))
    assert ([a.account_id for a in flagged.accounts], flagged.total) == (["a"], 1)


def test_the_whole_list_is_streamed_as_csv(lists: AccountLists) -> None:
    with lists.stream(PoolQuery(family="f1", sort="account")) as accounts:
        lines = list(csv_lines(accounts))
    rows = list(csv.DictReader(lines))
    assert [row["account_id"] for row in rows] == ["a", "b", "c"]
    first = "a 4 4 12 0.333333 1 2026-03-02 2026-03-03 0.9 True False"
    assert list(rows[0].values()) == first.split()


def test_what_is_not_there_or_not_asked_for_is_an_error(lists: AccountLists) -> None:
    with pytest.raises(NotFound, match="no family f9"):
        lists.page(PoolQuery(family="f9"))
    with pytest.raises(NotFound, match="no campaign c9"), lists.stream(PoolQuery(campaign="c9")):
        pass
    with pytest.raises(UsageError, match="either a family or a campaign"):
        lists.page(PoolQuery())
    with pytest.raises(UsageError, match="a cursor of an earlier page"):
        lists.page(PoolQuery(family="f1"), after="x")
