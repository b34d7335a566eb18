"""What becomes of signatures that come from elsewhere: new, another wording, the same, updated, kept or disputed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from support.stored_nights import NOON, make_night, make_signature, save_first, table

from fingerprint.casework.actions import Actions
from fingerprint.domain.errors import InputError
from fingerprint.domain.profile import Profile, Share
from fingerprint.domain.schemas import ACTIVITY_SCHEMA, SPREAD_SCHEMA
from fingerprint.domain.signature import DayCount, Signature, Spread
from fingerprint.store.signature_import import SAME_TEMPLATE, ImportOutcome, ImportPolicy
from fingerprint.store.store import Store

ELSEWHERE = Spread(40, 900, NOON - timedelta(days=3), NOON, {"2026-02-27": DayCount(900, 40)})


def shared(family_id: str, seed: int = 9, **changes: object) -> Signature:
    return make_signature(family_id, seed=seed, spread=ELSEWHERE, **changes)


def with_grams_of(signature: Signature, other: Signature, common: int) -> Signature:
    """Give a signature so many grams of another one, and else its own."""
    grams = np.sort(np.concatenate([other.grams[:common], signature.grams[common:]]))
    return replace(signature, grams=grams)


def test_a_new_family_keeps_the_numbers_it_came_with_and_its_campaign(store: Store) -> None:
    given = [
        shared("x1", campaign_id="spring", score=0.4, flagged=False),
        shared("x2", seed=8, campaign_id="spring"),
    ]
    assert store.import_signatures(given) == ImportOutcome(new=["x1", "x2"])
    assert store.signature("x1").spread == ELSEWHERE
    campaign = store.campaign("spring")
    assert (set(campaign.families), campaign.score, campaign.flagged) == ({"x1", "x2"}, 0.7, True)


def test_the_same_again_changes_nothing(store: Store) -> None:
    store.import_signatures([shared("x1")])
    before = store.last_changes()
    assert store.import_signatures([shared("x1")]) == ImportOutcome(same=["x1"])
    assert store.last_changes() == before


def test_a_later_import_updates_and_keeps_the_version_before(store: Store) -> None:
    store.import_signatures([shared("x1", words="Rate it")])
    assert store.import_signatures([shared("x1", words="Rate this")]) == ImportOutcome(updated=["x1"])
    assert (str(store.signature("x1").template), store.signature("x1").version) == ("Rate this ⟨…⟩", 2)
    assert [str(old.template) for old in store.versions("x1")] == ["Rate it ⟨…⟩"]


def test_what_a_night_knew_beside_the_text_stays(store: Store) -> None:
    profile = Profile(4, models=(Share("m", 1.0),))
    known = make_signature("f1", profile=profile)
    nothing = {"spread": table(SPREAD_SCHEMA), "activity": table(ACTIVITY_SCHEMA)}
    store.save_night(make_night("n1"), [known], **nothing)
    store.import_signatures(
        [replace(known, threshold=0.9, version=9, profile=None)], ImportPolicy(overwrite=True)
    )
    assert store.signature("f1").threshold == 0.9
    assert store.signature("f1").profile == profile


def test_what_nights_counted_stays_unless_overwritten_and_its_numbers_always(store: Store) -> None:
    save_first(store)
    theirs = replace(make_signature("f1", words="Grade the reply"), spread=ELSEWHERE)
    assert store.import_signatures([theirs]) == ImportOutcome(kept=["f1"])
    assert str(store.signature("f1").template) == "Rate the answer ⟨…⟩"
    assert store.import_signatures([theirs], ImportPolicy(overwrite=True)) == ImportOutcome(updated=["f1"])
    found = store.signature("f1")
    assert (str(found.template), found.spread.requests, found.campaign_id) == ("Grade the reply ⟨…⟩", 7, "c1")


def test_a_family_of_nearly_the_same_grams_becomes_another_wording(store: Store) -> None:
    save_first(store)
    ours = store.signature("f1")
    n = len(ours.grams)
    # common / (2 n - common) is the Jaccard index of two sets of n
    least = next(c for c in range(n + 1) if c / (2 * n - c) >= SAME_TEMPLATE)
    near = with_grams_of(shared("x1"), ours, least)
    far = with_grams_of(shared("x2", seed=8), ours, least - 1)
    assert store.import_signatures([near, far]) == ImportOutcome(new=["x2"], joined={"x1": "f1"})
    assert store.signature("x1").variant_of == "f1"
    assert [row.family_id for row in store.families()] == ["f1", "f2", "x2"]
    # known as a wording from now on, although it does not say so itself
    assert store.import_signatures([near]) == ImportOutcome(same=["x1"])


def test_a_wording_joins_the_family_it_names_where_that_is_listed(store: Store) -> None:
    save_first(store)
    given = [shared("x1", variant_of="f2"), shared("x2", seed=8, variant_of="nowhere")]
    assert store.import_signatures(given) == ImportOutcome(new=["x2"], joined={"x1": "f2"})
    assert store.signature("x1").variant_of == "f2"


def test_a_wording_of_a_wording_joins_its_family_and_one_of_nothing_is_its_own(store: Store) -> None:
    save_first(store)
    store.import_signatures([shared("x1", variant_of="f2")])
    given = [
        shared("x2", seed=8, variant_of="x3"),
        shared("x3", seed=7, variant_of="x1"),
        shared("x4", seed=6, variant_of="gone"),
    ]
    store.import_signatures(given)
    assert [store.signature(name).variant_of for name in ("x2", "x3", "x4")] == ["f2", "f2", None]
    assert "x4" in [row.family_id for row in store.families()]


def test_a_family_does_not_become_a_wording_of_its_own_wording(store: Store) -> None:
    save_first(store)
    store.import_signatures([shared("x1"), shared("x2", seed=8, variant_of="x1")])
    store.import_signatures([shared("x1", words="Other", variant_of="x2")])
    assert [store.signature(name).variant_of for name in ("x1", "x2")] == [None, "x1"]
    given = [shared("x5", seed=5, variant_of="x6"), shared("x6", seed=4, variant_of="x5")]
    with pytest.raises(InputError, match="x5 → x6 → x5"):
        store.import_signatures(given)
    assert {row.family_id for row in store.families()} == {"f1", "f2", "x1"}


def test_labels_come_along_with_their_source_unless_left_out(store: Store) -> None:
    labelled = shared("x1", label="campaign", campaign_id="spring")
    store.import_signatures([labelled], ImportPolicy(labels=False))
    assert store.labels("x1") == []
    store.import_signatures([labelled], ImportPolicy(source="from theirs.json"))
    (row,) = store.labels("x1")
    assert (row.label, row.campaign_id, row.by, row.reason) == (
        "campaign",
        "spring",
        "import",
        "from theirs.json",
    )
    store.import_signatures([labelled])
    assert store.labels("x1") == [row]


def test_an_analysts_word_here_is_never_overruled(store: Store) -> None:
    store.import_signatures([shared("x1", label="campaign")])
    Actions(store.database).set_label("x1", None, by="ann")
    outcome = store.import_signatures([shared("x1", label="benign")])
    assert outcome.disputed == {"x1": ("none", "benign")}
    assert store.signature("x1").label is None


def test_a_wordings_label_is_said_of_its_family(store: Store) -> None:
    store.import_signatures([shared("x1")])
    store.import_signatures([shared("x2", seed=8, variant_of="x1", label="benign")])
    assert (store.signature("x1").label, store.labels("x2")) == ("benign", [])


def test_a_label_is_the_last_change_of_a_family(store: Store) -> None:
    store.import_signatures([shared("x1"), shared("x2", seed=8)])
    before = store.last_changes()
    Actions(store.database).set_label("x1", "benign", by="ann")
    after = store.last_changes()
    assert after["x1"] > before["x1"]
    assert after["x2"] == before["x2"]
