from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from support.stored_nights import (
    NOON,
    TODAY,
    TOMORROW,
    make_night,
    make_signature,
    save_first,
    save_next,
    table,
)

from fingerprint.casework.actions import Actions
from fingerprint.casework.queries import MOST_STEPS, PageQueries
from fingerprint.domain.casework import grams_digest
from fingerprint.domain.schemas import (
    ACCOUNT_HOURS_SCHEMA,
    ACTIVITY_SCHEMA,
    FAMILY_HOURS_SCHEMA,
    PATTERNS_SCHEMA,
    SPREAD_SCHEMA,
    Rhythm,
)
from fingerprint.store.store import Store

EIGHT = datetime(2026, 3, 2, 8, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path, store_url: str | None) -> Iterator[Store]:
    with Store.open(tmp_path, store_url) as store:
        save_first(store)
        save_next(store)
        yield store


@pytest.fixture
def queries(store: Store) -> PageQueries:
    return PageQueries(store.database)


def save_hours(store: Store, hours: list[int], batch: str = "n3") -> None:
    at = [EIGHT + timedelta(hours=h) for h in hours]
    rhythm = Rhythm(
        table(FAMILY_HOURS_SCHEMA, *(("f1", t, 4, 2) for t in at)),
        table(ACCOUNT_HOURS_SCHEMA, *(("f1", "ab"[n % 2], t, 4) for n, t in enumerate(at))),
        PATTERNS_SCHEMA.empty_table(),
    )
    store.save_night(
        make_night(batch),
        [],
        spread=SPREAD_SCHEMA.empty_table(),
        activity=ACTIVITY_SCHEMA.empty_table(),
        rhythm=rhythm,
    )


def test_a_timeline_by_day_counts_distinct_accounts(queries: PageQueries) -> None:
    line = queries.timeline(["f1"])
    assert (line.step, [t.date() for t in line.starts]) == (24, [TODAY, TOMORROW])
    assert (list(line.requests), list(line.accounts)) == ([8, 3], [3, 2])


def test_a_timeline_of_several_families_counts_accounts_once(queries: PageQueries) -> None:
    line = queries.timeline(["f1", "f2"])
    assert (list(line.requests), list(line.accounts)) == ([13, 3], [3, 2])
    assert list(queries.timelines(["f1", "f2"])["f2"].requests) == [5]


def test_a_timeline_by_hour_has_no_gaps(store: Store, queries: PageQueries) -> None:
    save_hours(store, [0, 3])
    line = queries.timeline(["f1"])
    assert (line.step, list(line.requests), list(line.accounts)) == (1, [4, 0, 0, 4], [2, 0, 0, 2])
    assert line.starts[0] == EIGHT
    save_hours(store, [0, 24 * 30], "n4")
    assert queries.timeline(["f1"]).step == 24


def test_a_batch_saved_again_replaces_its_hours(store: Store, queries: PageQueries) -> None:
    save_hours(store, [0, 3])
    save_hours(store, [0])
    assert list(queries.timeline(["f1"]).requests) == [4]


def test_heat_is_by_account_in_order_of_their_beginning(store: Store, queries: PageQueries) -> None:
    save_hours(store, [0, 1, 5])
    heat = queries.heat(["f1"])
    assert (heat.accounts, heat.step, heat.of) == (("a", "b"), 1, 3)
    assert heat.requests.tolist() == [[4, 0, 0, 0, 0, 4], [0, 4, 0, 0, 0, 0]]
    assert queries.heat(["f1"], most=1).accounts == ("a",)


def test_heat_of_a_long_time_has_coarser_steps(store: Store, queries: PageQueries) -> None:
    save_hours(store, [0, 24 * 20])
    heat = queries.heat(["f1"])
    assert heat.step == 6
    assert heat.requests.shape[1] <= MOST_STEPS
    assert heat.requests.sum() == 8
    save_hours(store, [0, 24 * 2000], "n4")
    assert queries.heat(["f1"]).requests.shape[1] <= MOST_STEPS


def test_heat_without_hours_is_by_day(queries: PageQueries) -> None:
    heat = queries.heat(["f1"])
    assert (heat.accounts, heat.step, heat.starts[0].date()) == (("a", "b", "c"), 24, TODAY)
    assert heat.requests.tolist() == [[3, 1], [4, 0], [1, 2]]


def test_pools_tell_what_families_share(queries: PageQueries) -> None:
    pools = queries.pools(["f1", "f2"])
    assert pools.shared.tolist() == [[3, 1], [1, 1]]
    assert [(g.families, g.accounts, g.requests, g.examples) for g in pools.groups] == [
        ((0,), 2, 7, ("b", "c")),
        ((0, 1), 1, 9, ("a",)),
    ]


def test_merged_families_are_read_as_one(store: Store, queries: PageQueries) -> None:
    Actions(store.database).merge("f1", {"f2": 0}, by="ann")
    assert list(queries.timeline(["f1"]).requests) == [13, 3]
    assert queries.pools(["f1"]).shared.tolist() == [[3]]
    assert [s.family_id for s in queries.wordings("f1")] == ["f2"]
    assert (queries.wording_of("f2"), queries.wording_of("f1")) == ("f1", None)
    assert queries.pinned("f2") == {"variant_of"}


def test_account_days_are_by_family_and_in_all(queries: PageQueries) -> None:
    days = queries.account_days("a")
    assert (days.families, days.days) == (("f2", "f1"), (TODAY, TOMORROW))
    assert days.requests.tolist() == [[5, 0], [3, 1]]
    assert days.total.tolist() == [10, 2]
    assert queries.account_days("nobody").days == ()


def test_patterns_come_back_as_they_were(store: Store, queries: PageQueries) -> None:
    grams = make_signature("f1").grams
    held = np.arange(len(grams)) % 3 == 0
    row = ("f1", np.packbits(held).tobytes(), True, grams_digest(grams), 7, 3)
    nothing = FAMILY_HOURS_SCHEMA.empty_table(), ACCOUNT_HOURS_SCHEMA.empty_table()
    store.save_night(
        make_night("n3"),
        [],
        spread=SPREAD_SCHEMA.empty_table(),
        activity=ACTIVITY_SCHEMA.empty_table(),
        rhythm=Rhythm(*nothing, table(PATTERNS_SCHEMA, row)),
    )
    found = queries.patterns("f1")[0]
    assert found.held[: len(grams)].tolist() == held.tolist()
    assert (found.night, found.member, found.requests, found.accounts) == (NOON, True, 7, 3)


def test_the_overview_counts_what_is_open(store: Store, queries: PageQueries) -> None:
    Actions(store.database).label({"f2": 0}, "benign", by="ann")
    seen = queries.overview(nights=1)
    assert [n.batch_id for n in seen.nights] == ["n2"]
    assert (seen.labels, seen.open, seen.flagged) == ({"benign": 1}, 1, 1)
    assert (seen.campaigns, seen.accounts, seen.flagged_accounts) == (0, 2, 1)


def test_an_empty_home_has_an_overview(tmp_path: Path) -> None:
    with Store.open(tmp_path / "new") as store:
        seen = PageQueries(store.database).overview()
        assert (seen.nights, seen.open, seen.accounts) == ((), 0, 0)
        assert PageQueries(store.database).heat(["f1"]).accounts == ()
