"""Ids by their first letters, on both databases."""

from __future__ import annotations

import pytest
from support.stored_nights import make_night, make_signature, table

from fingerprint.domain.errors import NotFound, UsageError
from fingerprint.domain.rows import AccountRow, CampaignRow
from fingerprint.domain.schemas import ACTIVITY_SCHEMA, SPREAD_SCHEMA
from fingerprint.store.store import Store


@pytest.fixture
def filled(store: Store) -> Store:
    names = ["f1", "f1a", "f2b", "F2b", "f_x", *(f"many{i:02}" for i in range(11))]
    store.save_night(
        make_night("n1"),
        [make_signature(name) for name in names],
        spread=table(SPREAD_SCHEMA),
        activity=table(ACTIVITY_SCHEMA),
        accounts=[AccountRow(name, 0.5, False, 1) for name in ("org-1", "org-12")],
        campaigns=[CampaignRow("c1", None, 0.5, True, ("f1",))],
    )
    return store


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("f1", "f1"), ("f1a", "f1a"), ("f2", "f2b"), ("F", "F2b"), ("f_", "f_x"), ("many07", "many07")],
)
def test_a_beginning_is_enough_and_the_whole_id_comes_first(filled: Store, typed: str, meant: str) -> None:
    assert filled.full_id("family", typed) == meant


def test_all_kinds_of_ids_have_their_own(filled: Store) -> None:
    row, _ = filled.access.create_key("ana", ["read"], by="ana")
    assert filled.full_id("campaign", "c") == "c1"
    assert filled.full_id("account", "org-12") == "org-12"
    assert filled.full_id("key", row.key_id[:4]) == row.key_id


def test_an_ambiguous_beginning_lists_what_it_may_be(filled: Store) -> None:
    with pytest.raises(UsageError, match=r"^f is the beginning of 4 families: f1, f1a, f2b, f_x$"):
        filled.full_id("family", "f")
    with pytest.raises(UsageError, match=r"11 families: many00, .*, many07 and 3 more$"):
        filled.full_id("family", "many")


@pytest.mark.parametrize("typed", ["f3", "%", "f%", "c1", "", "1"])
def test_what_no_id_begins_with_is_not_found(filled: Store, typed: str) -> None:
    with pytest.raises(NotFound, match=f"no family {typed}"):
        filled.full_id("family", typed)
