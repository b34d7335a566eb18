"""Nights come back as they were stored, add up, and count once; what they add to families stays."""

from __future__ import annotations

import gc
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from support.stored_nights import (
    FIRST_ACTIVITY,
    FIRST_SPREAD,
    NEXT_ACTIVITY,
    NEXT_SPREAD,
    NOON,
    STAMP,
    TODAY,
    TOMORROW,
    dump,
    make_night,
    make_signature,
    save_first,
    save_first_without_f1,
    save_next,
    table,
)

from fingerprint.domain.errors import StampMismatch, StoreError
from fingerprint.domain.profile import Profile, Share
from fingerprint.domain.rows import AccountRow, Event
from fingerprint.domain.schemas import (
    ACTIVITY_SCHEMA,
    RANDOM_FEATURES_SCHEMA,
    SPREAD_SCHEMA,
)
from fingerprint.domain.signature import DayCount, Reason, Segment, Slot, Spread, Template
from fingerprint.store.night_writer import FEATURE_NIGHTS
from fingerprint.store.store import Store


def test_a_signature_comes_back_exactly(store: Store) -> None:
    template = Template((Segment("NUL \0, 中文, 😀", "system", 1 / 3, 0.9), Slot(1, 2, 3, "code")))
    profile = Profile(4, models=(Share("m", 1.0),), tools=(Share("none", 1.0),), tool_sets=1)
    signature = make_signature(
        "f1", template=template, prototypes=np.zeros((0, 4), dtype=np.float32), profile=profile
    )
    nothing = table(ACTIVITY_SCHEMA)
    store.save_night(make_night("n1"), [signature], spread=table(SPREAD_SCHEMA), activity=nothing)
    found = store.signature("f1")
    for name in ("grams", "weights", "prototypes"):
        np.testing.assert_array_equal(getattr(found, name), getattr(signature, name), strict=True)
    arrays = {"grams": signature.grams, "weights": signature.weights, "prototypes": signature.prototypes}
    assert replace(found, **arrays) == signature
    assert found.spread.first_seen.utcoffset() == timedelta(0)
    assert [row.profile for row in store.families()] == [profile]


def test_nights_add_up(store: Store) -> None:
    save_first(store)
    save_next(store)
    first, second = store.signatures()
    assert first.spread == Spread(
        accounts=3,
        requests=11,
        first_seen=NOON,
        last_seen=NOON + timedelta(days=1),
        per_day={
            "2026-03-02": DayCount(requests=8, accounts=3),
            "2026-03-03": DayCount(requests=3, accounts=2),
        },
    )
    assert (second.family_id, second.spread.accounts, second.spread.requests) == ("f2", 1, 5)
    assert store.nights() == [make_night("n1"), make_night("n2", started=NOON + timedelta(days=1))]
    assert store.accounts() == [
        AccountRow("a", 0.9, True, 10, ("f1", "f2"), (Reason("rare", 2.0, 1.5, "rare text"),)),
        AccountRow("c", 0.4, False, 3, ("f1",), (), 0.1, 0.02, 0.5),
    ]
    assert store.events("f1") == [("n1", Event("f1", "born")), ("n2", Event("f1", "pivoted"))]


def test_history_as_arrow(store: Store) -> None:
    save_first(store)
    save_next(store)
    assert store.family_accounts().to_pylist() == [
        {
            "family_id": f,
            "account_id": a,
            "requests": n,
            "conversations": n,
            "first_day": low,
            "last_day": high,
        }
        for f, a, n, low, high in [
            ("f1", "a", 4, TODAY, TOMORROW),
            ("f1", "b", 4, TODAY, TODAY),
            ("f1", "c", 3, TODAY, TOMORROW),
            ("f2", "a", 5, TODAY, TODAY),
        ]
    ]
    assert store.account_totals(but_batch="n1").to_pylist() == [
        {"account_id": "a", "requests": 2, "conversations": 2, "first_day": TOMORROW, "last_day": TOMORROW},
        {"account_id": "c", "requests": 3, "conversations": 3, "first_day": TODAY, "last_day": TOMORROW},
    ]
    assert store.family_accounts(but_batch="n1").schema == store.family_accounts().schema


def test_features_of_accounts_are_kept_for_some_nights_and_replaced_with_their_batch(store: Store) -> None:
    save_first(store)
    save_next(store)
    save_next(store)
    assert store.account_features() == table(
        RANDOM_FEATURES_SCHEMA, ("a", 5, b"12"), ("a", 6, b"56"), ("b", 4, b"34")
    )
    assert store.account_features(but_batch="n2").num_rows == 2
    for night in range(FEATURE_NIGHTS - 1):
        later = make_night(f"m{night}", started=NOON + timedelta(days=2 + night))
        store.save_night(later, [], spread=table(SPREAD_SCHEMA), activity=table(ACTIVITY_SCHEMA))
    assert store.account_features() == table(RANDOM_FEATURES_SCHEMA, ("a", 6, b"56"))


def test_history_of_nothing_has_its_columns(store: Store) -> None:
    assert store.family_accounts().num_rows == 0
    names = ["account_id", "requests", "conversations", "first_day", "last_day"]
    assert store.account_totals().column_names == names


def test_a_batch_again_counts_once(store: Store, tmp_path: Path, store_url: str | None) -> None:
    save_first(store)
    save_next(store)
    before = dump(tmp_path, store_url)
    save_next(store)
    after = dump(tmp_path, store_url)
    events = [name.pop("events") for name in (before, after)]
    assert before == after
    assert [len(rows) for rows in events] == [3, 3]


def test_a_batch_again_with_other_traffic_replaces_it(store: Store) -> None:
    save_first(store)
    store.save_night(make_night("n1"), [make_signature("f1")], spread=NEXT_SPREAD, activity=NEXT_ACTIVITY)
    assert {f.family_id: (f.accounts, f.requests) for f in store.families()} == {"f1": (2, 4)}
    assert store.signature("f2").spread.requests == 0
    assert store.account_totals().num_rows == 2
    save_first(store)
    assert {f.family_id: (f.accounts, f.requests) for f in store.families()} == {"f1": (2, 7), "f2": (1, 5)}


def test_conversations_are_added_up_beside_requests(store: Store) -> None:
    save_first(store)
    spread = table(SPREAD_SCHEMA, ("f1", "a", TOMORROW, 9, 2), ("f1", "b", TOMORROW, 3, 0))
    activity = table(ACTIVITY_SCHEMA, ("a", TOMORROW, 12, 4), ("b", TOMORROW, 3, 0))
    store.save_night(make_night("n2"), [], spread=spread, activity=activity)
    first = store.signature("f1").spread
    assert (first.requests, first.conversations) == (19, 9)
    assert {f.family_id: f.conversations for f in store.families()} == {"f1": 9, "f2": 5}
    sent = store.family_accounts(but_batch="n1").select(["requests", "conversations"])
    assert sent.to_pydict() == {"requests": [9, 3], "conversations": [2, 0]}
    assert store.account_totals()["conversations"].to_pylist() == [14, 4, 1]
    (campaign,) = store.campaigns()
    assert (campaign.requests, campaign.conversations) == (24, 14)


def test_families_are_counted_without_a_new_signature(store: Store) -> None:
    save_first(store)
    store.save_night(make_night("n2"), [], spread=NEXT_SPREAD, activity=NEXT_ACTIVITY)
    assert {f.family_id: (f.accounts, f.requests) for f in store.families()} == {"f1": (3, 11), "f2": (1, 5)}


def test_families_that_were_retired_long_ago_lose_their_vectors(store: Store) -> None:
    save_first(store)
    save_first_without_f1(store)
    nothing = {"spread": table(SPREAD_SCHEMA), "activity": table(ACTIVITY_SCHEMA)}
    store.save_night(make_night("n3"), [], **nothing, retention_days=7)
    assert len(store.signature("f1").prototypes)
    store.save_night(make_night("n4"), [], **nothing, retention_days=0)
    assert len(store.signature("f1").prototypes) == 0
    assert len(store.signature("f2").prototypes)
    store.save_night(make_night("n5"), [make_signature("f1")], **nothing, retention_days=0)
    assert len(store.signature("f1").prototypes)


def test_a_changed_template_is_a_new_version_and_the_old_one_is_kept(store: Store) -> None:
    save_first(store)
    save_first(store, "n1b")
    moved = Template((Segment("Rate the answer", "user", 0.1, 0.9), Slot(99, 1, 20, "text")))
    store.save_night(
        make_night("n1c"),
        [make_signature("f1", template=moved)],
        spread=FIRST_SPREAD,
        activity=FIRST_ACTIVITY,
    )
    assert (store.signature("f1").version, store.signature("f1").template, store.versions("f1")) == (
        1,
        moved,
        [],
    )
    save_next(store)
    assert (store.signature("f1").version, str(store.signature("f1").template)) == (2, "Rate this answer ⟨…⟩")
    (old,) = store.versions("f1")
    assert (old.version, old.template) == (1, moved)


def test_another_model_is_refused(store: Store, tmp_path: Path, store_url: str | None) -> None:
    assert store.stamp() is None
    store.check_stamp(STAMP)
    save_first(store)
    assert store.stamp() == STAMP
    store.check_stamp(STAMP)
    other = replace(STAMP, model="minilm", revision="cd34")
    before = dump(tmp_path, store_url)
    expected = r"made by model static, revision ab12 expected, model minilm, revision cd34 found.*--home"
    with pytest.raises(StampMismatch, match=expected):
        store.check_stamp(other)
    with pytest.raises(StampMismatch, match=expected):
        store.import_signatures([make_signature("f9", stamp=other)])
    mixed = [make_signature("f8"), make_signature("f9", stamp=other)]
    with pytest.raises(StampMismatch, match=expected):
        store.save_night(make_night("n2"), mixed, spread=FIRST_SPREAD, activity=FIRST_ACTIVITY)
    assert dump(tmp_path, store_url) == before


def test_spread_of_an_unsaved_family_is_refused(store: Store, tmp_path: Path, store_url: str | None) -> None:
    before = dump(tmp_path, store_url)
    with pytest.raises(StoreError, match=r"(?i)foreign key"):
        store.save_night(make_night("n1"), [], spread=FIRST_SPREAD, activity=FIRST_ACTIVITY)
    assert dump(tmp_path, store_url) == before


def test_a_large_night_is_saved_soon(tmp_path: Path) -> None:
    def seconds(name: str, count: int) -> float:
        signatures = [make_signature(f"f{i:04}", seed=i) for i in range(count)]
        rows = [(f"f{i % count:04}", f"a{i // 7:05}", TODAY, 1) for i in range(25 * count)]
        spread, activity = table(SPREAD_SCHEMA, *rows), table(ACTIVITY_SCHEMA)
        with Store.open(tmp_path / name) as store:
            gc.collect()  # not what earlier tests left behind
            start = time.process_time()
            store.save_night(make_night("n1"), signatures, spread=spread, activity=activity)
            taken = time.process_time() - start
            assert store.family_accounts().num_rows == 25 * count
        return taken

    large = seconds("large", 2_000)
    assert large < 2
    assert large < 8 * min(seconds(f"small{k}", 500) for k in range(2)), (
        "four times as much, twice what that takes"
    )


def test_a_night_that_is_worked_again_asks_what_was_flagged_before_it(store: Store) -> None:
    save_first(store)
    assert store.flagged_before("n2") == {"f1", "f2"}
    store.save_night(
        make_night("n2"),
        [replace(make_signature("f1"), flagged=False), make_signature("f3")],
        spread=NEXT_SPREAD,
        activity=NEXT_ACTIVITY,
        events=[Event("f1", "cleared"), Event("f3", "flagged")],
    )
    assert store.flagged_before("n2") == {"f1", "f2"}
    assert store.flagged_before("n3") == {"f2", "f3"}
