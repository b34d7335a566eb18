"""The words of analysts outlive nights, and imports."""

from __future__ import annotations

from datetime import timedelta

from support.stored_nights import NOON, make_signature, save_first, save_next

from fingerprint.casework.actions import Actions
from fingerprint.domain.signature import DayCount, Spread
from fingerprint.store.store import Store


def test_labels_survive_the_next_nights(store: Store) -> None:
    save_first(store)
    Actions(store.database).set_label("f1", "campaign", by="ann", campaign="spring", reason="same pool")
    Actions(store.database).set_label("f2", "benign", by="bob")
    save_first(store)
    save_next(store)
    first, second = store.signatures()
    assert (first.label, first.campaign_id, second.label, second.campaign_id) == (
        "campaign",
        "spring",
        "benign",
        None,
    )
    (campaign,) = store.campaigns()
    assert (campaign.campaign_id, campaign.families, campaign.accounts) == ("spring", ("f1",), 3)


def test_what_a_relay_sends_is_of_no_campaign(store: Store) -> None:
    save_first(store)
    assert store.signature("f1").campaign_id == "c1"
    Actions(store.database).set_label("f1", "relay", by="ann", reason="sells access")
    assert (store.signature("f1").label, store.signature("f1").campaign_id) == ("relay", None)
    assert "f1" not in [name for campaign in store.campaigns() for name in campaign.families]


def test_labels_are_only_added(store: Store) -> None:
    save_first(store)
    words = [
        Actions(store.database).set_label("f1", "campaign", by="ann", campaign="spring"),
        Actions(store.database).set_label("f1", "benign", by="bob", reason="a benchmark"),
        Actions(store.database).set_label("f1", None, by="ann"),
    ]
    assert store.labels("f1") == words
    assert (store.signature("f1").label, store.signature("f1").campaign_id) == (None, "c1")


def test_import(store: Store) -> None:
    far = Spread(
        300, 9000, NOON - timedelta(days=30), NOON, {"2026-02-01": DayCount(requests=9000, accounts=300)}
    )
    foreign = make_signature("f1", spread=far, label="campaign", campaign_id="spring", version=7)
    assert store.import_signatures([foreign]).new == ["f1"]
    found = store.signature("f1")
    assert (found.spread, found.label, found.campaign_id, found.version) == (far, "campaign", "spring", 7)
    assert [(c.campaign_id, c.accounts) for c in store.campaigns()] == [("spring", 300)]

    save_first(store)  # the night counts it here
    Actions(store.database).set_label("f1", "benign", by="ann")
    assert store.import_signatures([foreign]).disputed == {"f1": ("benign", "campaign")}
    found = store.signature("f1")
    assert (found.spread.accounts, found.spread.requests, found.label) == (2, 7, "benign")
    assert [word.by for word in store.labels("f1")] == ["import", "ann"]
    Actions(store.database).set_label("f1", None, by="ann")
    assert store.signature("f1").campaign_id == "c1"
