from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.stored_nights import NEXT_ACTIVITY, dump, make_night, make_signature, save_first, save_next

from fingerprint.casework.actions import Actions
from fingerprint.domain.errors import Conflict, NotFound, StoreError, UsageError
from fingerprint.domain.rows import Event
from fingerprint.domain.schemas import SPREAD_SCHEMA
from fingerprint.domain.signature import Signature
from fingerprint.store.store import Store
from fingerprint.store.tables import audit

TOMORROW = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path, store_url: str | None) -> Iterator[Store]:
    with Store.open(tmp_path, store_url) as store:
        save_first(store)
        yield store


@pytest.fixture
def actions(store: Store) -> Actions:
    return Actions(store.database)


def matched(store: Store) -> dict[str, Signature]:
    return {s.family_id: s for s in store.signatures()}


def same(a: Signature, b: Signature) -> bool:
    return a.template == b.template and a.threshold == b.threshold and bool((a.grams == b.grams).all())


def everything(store: Store, tmp_path: Path, store_url: str | None) -> dict[str, list[str]]:
    """All that the database holds but what only grows: words said, actions, versions, the audit log."""
    grown = {"actions", "touched", "audit", "labels", "family_versions", "notes", "meta"}
    found = {name: rows for name, rows in dump(tmp_path, store_url).items() if name not in grown}
    # an edit that is taken back is a further version
    found["families"] = [row.replace("('version', 3)", "('version', 1)") for row in found["families"]]
    return found


def test_a_misspelt_label_is_refused_unless_it_is_meant(store: Store, actions: Actions) -> None:
    with pytest.raises(UsageError, match="label 'campain': did you mean 'campaign'"):
        actions.label({"f1": 0}, "campain", by="ann")
    with pytest.raises(UsageError, match="'benign'"):
        actions.set_label("f1", "Benign", by="ann")
    assert store.signature("f1").label is None
    actions.label({"f1": 0}, "campain", by="ann", as_written=True)
    actions.label({"f2": 0}, "our own benchmark", by="ann")
    assert [store.signature(f).label for f in ("f1", "f2")] == ["campain", "our own benchmark"]


def test_a_label_is_said_and_taken_back(store: Store, actions: Actions) -> None:
    said = actions.label({"f1": 0, "f2": 0}, "campaign", by="ann", campaign="c9", reason="graders")
    assert [store.signature(f).label for f in ("f1", "f2")] == ["campaign", "campaign"]
    assert store.signature("f2").campaign_id == "c9"
    undone = actions.undo(said.id, by="ann")
    assert [store.signature(f).label for f in ("f1", "f2")] == [None, None]
    assert store.signature("f2").campaign_id == "c1"
    actions.undo(undone.id, by="bob")
    assert store.signature("f1").label == "campaign"
    assert [word.by for word in store.labels("f1")] == ["ann", "ann", "bob"]


def test_an_undone_label_gives_the_one_before_back(store: Store, actions: Actions) -> None:
    actions.label({"f1": 0}, "benign", by="ann", reason="harness")
    actions.label({"f1": None}, "campaign", by="bob")
    actions.undo_last(by="bob")
    word = store.labels("f1")[-1]
    assert (word.label, word.reason, word.by) == ("benign", "harness", "bob")


def test_two_analysts_cannot_overwrite_each_other_silently(store: Store, actions: Actions) -> None:
    read = actions.revision("f1")
    actions.label({"f1": read}, "campaign", by="ann")
    with pytest.raises(
        Conflict, match=f"family f1: revision {read} expected, {actions.revision('f1')} found"
    ):
        actions.label({"f2": 0, "f1": read}, "benign", by="bob")
    assert store.signature("f1").label == "campaign"
    assert store.signature("f2").label is None


def test_a_label_from_elsewhere_is_seen_too(store: Store, actions: Actions) -> None:
    read = actions.revision("f1")
    Actions(store.database).set_label("f1", "benign", by="cli")
    with pytest.raises(Conflict):
        actions.label({"f1": read}, "campaign", by="ann")


def test_an_undo_does_not_cross_what_others_did_since(store: Store, actions: Actions) -> None:
    first = actions.label({"f1": 0}, "campaign", by="ann")
    later = actions.label({"f1": None}, "benign", by="bob")
    with pytest.raises(
        Conflict, match=r"“campaign: f1” cannot be undone: bob has changed the same since \(“benign: f1”\)"
    ):
        actions.undo(first.id, by="ann")
    actions.note("f1", "another side of it", by="bob")
    actions.undo(later.id, by="bob")
    actions.undo(first.id, by="ann")
    assert store.signature("f1").label is None
    with pytest.raises(Conflict, match="is already undone"):
        actions.undo(first.id, by="ann")


def test_a_snooze_ends_and_is_undone(store: Store, actions: Actions) -> None:
    first = actions.snooze(["f1", "f2"], TOMORROW, by="ann")
    assert first.families == ("f1", "f2")
    actions.snooze(["f1"], None, by="ann")
    actions.undo_last(by="ann")
    actions.undo_last(by="ann")
    with pytest.raises(NotFound, match="nothing to undo: ann has no action that can be undone"):
        actions.undo_last(by="ann")


def test_notes_are_kept_and_undone(actions: Actions) -> None:
    actions.note("f1", "  looks like grading\0 ", by="ann")
    note = actions.notes("f1")[0]
    assert (note.text, note.by) == ("looks like grading\N{REPLACEMENT CHARACTER}", "ann")
    actions.undo_last(by="ann")
    assert actions.notes("f1") == []
    with pytest.raises(UsageError, match="1 to 10,000 characters expected, 0 found"):
        actions.note("f1", " ", by="ann")


def test_merged_families_count_and_match_as_one(
    store: Store, actions: Actions, tmp_path: Path, store_url: str | None
) -> None:
    before = everything(store, tmp_path, store_url)
    actions.label({"f2": 0}, "campaign", by="ann", campaign="c9")
    merged = actions.merge("f1", {"f2": None}, by="ann")
    whole = store.signature("f1")
    assert (whole.spread.requests, whole.spread.accounts) == (12, 2)
    assert (whole.label, whole.campaign_id) == ("campaign", "c9")
    assert matched(store)["f2"].variant_of == "f1"
    assert [row.family_id for row in store.families()] == ["f1"]
    assert store.family_accounts()["family_id"].unique().to_pylist() == ["f1"]
    assert merged in actions.history("f1")
    actions.undo(merged.id, by="ann")
    actions.undo_last(by="ann")
    assert store.signature("f1").label is None
    after = everything(store, tmp_path, store_url)
    after["campaigns"] = [row for row in after["campaigns"] if "c9" not in row]
    assert after == before


def test_a_night_leaves_a_merge_and_counts_for_it(store: Store, actions: Actions) -> None:
    actions.merge("f1", {"f2": 0}, by="ann")
    empty = SPREAD_SCHEMA.empty_table()
    # a night that began before the merge still thinks f2 is one of its own
    store.save_night(make_night("n2"), [make_signature("f2", seed=2)], spread=empty, activity=NEXT_ACTIVITY)
    assert matched(store)["f2"].variant_of == "f1"
    save_next(store, "n3")
    assert store.signature("f1").spread.requests == 16


def test_merging_needs_two_of_their_own(actions: Actions) -> None:
    with pytest.raises(UsageError, match="at least two families to merge expected, one found"):
        actions.merge("f1", {"f1": 0}, by="ann")
    actions.merge("f1", {"f2": 0}, by="ann")
    with pytest.raises(UsageError, match="f2 is a wording of f1"):
        actions.merge("f2", {"f1": None}, by="ann")
    with pytest.raises(NotFound, match="no family nowhere"):
        actions.merge("f1", {"nowhere": None}, by="ann")


def test_wordings_are_split_off(store: Store, actions: Actions) -> None:
    store.save_night(
        make_night("n2"),
        [make_signature("f3", seed=3, variant_of="f1"), make_signature("f4", seed=4, variant_of="f1")],
        spread=SPREAD_SCHEMA.empty_table(),
        activity=NEXT_ACTIVITY,
    )
    actions.split_wordings("f1", ["f3", "f4"], by="ann", expected=0)
    assert [matched(store)[f].variant_of for f in ("f3", "f4")] == [None, "f3"]
    actions.undo_last(by="ann")
    assert [matched(store)[f].variant_of for f in ("f3", "f4")] == ["f1", "f1"]
    with pytest.raises(UsageError, match="wordings of f1 expected, f2 found"):
        actions.split_wordings("f1", ["f2"], by="ann")


def test_an_edit_is_a_version_that_nights_leave(
    store: Store, actions: Actions, tmp_path: Path, store_url: str | None
) -> None:
    before, old = everything(store, tmp_path, store_url), store.signature("f1")
    changed = make_signature("f1", words="Rate every answer", seed=7, threshold=0.8)
    actions.edit(changed, ["template"], by="ann", expected=0)
    assert same(store.signature("f1"), changed)
    assert store.signature("f1").version == 2
    assert same(store.versions("f1")[0], old)
    actions.undo_last(by="ann")
    assert same(store.signature("f1"), old)
    assert everything(store, tmp_path, store_url) == before
    actions.edit(changed, ["template"], by="ann")
    save_next(store)
    assert same(store.signature("f1"), changed)
    assert store.signature("f1").spread.requests == 11


def test_a_threshold_alone_lets_nights_change_the_template(store: Store, actions: Actions) -> None:
    actions.edit(replace(store.signature("f1"), threshold=0.9), ["threshold"], by="ann")
    save_next(store)
    found = store.signature("f1")
    assert found.threshold == 0.9
    assert str(found.template).startswith("Rate this answer")


def test_a_cut_makes_a_family_and_its_undo_takes_it_out(store: Store, actions: Actions) -> None:
    child = make_signature("f9", seed=9)
    actions.split_text(make_signature("f1", seed=8), child, by="ann", expected=0)
    assert same(matched(store)["f9"], child)
    actions.undo_last(by="ann")
    assert "f9" not in matched(store)
    assert same(store.signature("f1"), make_signature("f1"))
    # a night that finds such a family finds it
    store.save_night(make_night("n2"), [child], spread=SPREAD_SCHEMA.empty_table(), activity=NEXT_ACTIVITY)
    assert "f9" in matched(store)


def test_views_are_saved_replaced_and_undone(actions: Actions) -> None:
    actions.save_view("mine", "state=all", by="ann")
    actions.save_view("mine", "state=open", by="ann")
    actions.undo_last(by="ann")
    assert [(v.name, v.query) for v in actions.views()] == [("mine", "state=all")]
    actions.save_view("mine", None, by="ann")
    assert actions.views() == []
    with pytest.raises(UsageError, match="a name of 1 to 80 characters expected, 0 found"):
        actions.save_view(" ", "", by="ann")


def test_every_action_stands_in_the_audit_log(store: Store, actions: Actions) -> None:
    actions.label({"f1": 0}, "benign", by="ann", reason="harness")
    actions.snooze(["f1"], TOMORROW, by="ann")
    actions.note("f1", "a note", by="ann")
    actions.merge("f1", {"f2": None}, by="ann")
    actions.edit(make_signature("f1", seed=7), ["template"], by="ann")
    actions.save_view("mine", "state=all", by="ann")
    actions.undo_last(by="ann")
    found = [(row.action, row.subject) for row in reversed(store.access.audit())]
    assert found == [
        ("family.label", "f1"),
        ("desk.snooze", "f1/desk"),
        ("desk.note", "f1/desk"),
        ("family.variant", "f1"),
        ("family.variant", "f2"),
        ("family.edit", "f1"),
        ("desk.view", "view/mine"),
        ("desk.view", "view/mine"),
    ]


def test_notes_and_snoozes_are_no_conflict(actions: Actions) -> None:
    read = actions.revision("f1")
    actions.note("f1", "only a note", by="bob")
    actions.snooze(["f1"], TOMORROW, by="bob")
    assert actions.revision("f1") == read
    actions.label({"f1": read}, "campaign", by="ann")
    assert actions.revision("f1") > read


def test_what_fails_leaves_nothing(
    store: Store, actions: Actions, tmp_path: Path, store_url: str | None
) -> None:
    before = dump(tmp_path, store_url)
    with pytest.raises(NotFound, match="no family nowhere"):
        actions.label({"f1": 0, "nowhere": 0}, "benign", by="ann")
    with pytest.raises(NotFound, match="no action 7"):
        actions.undo(7, by="ann")
    assert dump(tmp_path, store_url) == before


def test_actions_are_listed_newest_first(actions: Actions) -> None:
    actions.label({"f1": 0}, "benign", by="ann")
    actions.note("f2", "a note", by="bob")
    actions.undo_last(by="ann")
    assert [a.words for a in actions.history()] == ["undone: benign: f1", "note on f2", "benign: f1"]
    assert [a.words for a in actions.history("f2")] == ["note on f2"]
    assert [a.stands for a in actions.history(by="ann")] == [True, False]


def test_the_audit_log_cannot_be_rewritten(store: Store, actions: Actions) -> None:
    actions.label({"f1": 0}, "benign", by="ann")
    with pytest.raises(StoreError, match="append-only"), store.database.writing() as connection:
        connection.execute(sa.update(audit).values(actor="bob"))


def test_events_of_the_night_are_untouched(store: Store, actions: Actions) -> None:
    actions.merge("f1", {"f2": 0}, by="ann")
    assert store.events("f2") == [("n1", Event("f2", "born", {"size": 5}))]


def test_a_word_from_the_command_line_or_the_api_is_undone_like_any_other(
    store: Store, actions: Actions
) -> None:
    before = store.families()[0]
    Actions(store.database).set_label(
        before.family_id, "campaign", by="cli", campaign="graders", reason="seen before"
    )
    (action,) = actions.history(before.family_id)
    assert (action.kind, action.by, action.stands) == ("label", "cli", True)
    (made,) = [row for row in store.campaigns() if row.campaign_id == "graders"]
    assert (made.score, made.flagged) == (before.score, before.flagged)
    actions.undo(action.id, by="ann")
    assert store.families()[0] == before
