"""Campaigns are named once, by the night that first stores them, and then only by people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.stored_nights import make_night, save_first, table

from fingerprint.casework.actions import Actions
from fingerprint.domain.errors import NotFound, UsageError
from fingerprint.domain.rows import CampaignRow
from fingerprint.domain.schemas import ACTIVITY_SCHEMA, SPREAD_SCHEMA
from fingerprint.store.store import Store


@pytest.fixture
def store(tmp_path: Path, store_url: str | None) -> Iterator[Store]:
    with Store.open(tmp_path, store_url) as store:
        save_first(store)
        yield store


def named_by_a_night(store: Store, name: str) -> str:
    store.save_night(
        make_night("n9"),
        [],
        spread=table(SPREAD_SCHEMA),
        activity=table(ACTIVITY_SCHEMA),
        campaigns=[CampaignRow("c1", None, 0.9, True, ("f1", "f2"), name=name)],
    )
    return store.campaign("c1").name


def test_a_name_that_a_campaign_has_stays(store: Store) -> None:
    assert store.campaign("c1").name == "c1"
    assert named_by_a_night(store, "grades · amber otter") == "grades · amber otter"
    assert named_by_a_night(store, "traces · amber otter") == "grades · amber otter"


def test_an_analyst_names_a_campaign_and_takes_it_back(store: Store) -> None:
    actions = Actions(store.database)
    named_by_a_night(store, "grades · amber otter")
    action = actions.rename_campaign("c1", " graders\tof March ", by="ann")
    assert (action.kind, action.words) == ("rename", "named c1 graders of March")
    assert named_by_a_night(store, "traces · amber otter") == "graders of March"
    actions.rename_campaign("c1", "graders", by="bob")
    actions.undo_last(by="bob")
    actions.undo(action.id, by="ann")
    assert store.campaign("c1").name == "grades · amber otter"
    assert [row.subject for row in store.access.audit(subject="campaign/c1")] == ["campaign/c1"] * 4


def test_names_are_refused_that_say_nothing_or_too_much(store: Store) -> None:
    actions = Actions(store.database)
    for name, length in ((" \n", 0), ("x" * 81, 81)):
        with pytest.raises(UsageError, match=f"a name of 1 to 80 characters expected, {length} found"):
            actions.rename_campaign("c1", name, by="ann")
    with pytest.raises(NotFound, match="no campaign c7"):
        actions.rename_campaign("c7", "graders", by="ann")
