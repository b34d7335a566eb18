"""Campaigns as cases: what is done to them as a whole, and that all of it can be undone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from support.stored_nights import NOON, dump, make_night, make_signature, table

from fingerprint.casework.actions import Actions
from fingerprint.casework.cases import Cases
from fingerprint.casework.queue import Queue
from fingerprint.domain.casework import CaseAction, QueueQuery
from fingerprint.domain.errors import Conflict, NotFound, UsageError
from fingerprint.domain.rows import CampaignRow
from fingerprint.domain.schemas import ACTIVITY_SCHEMA, SPREAD_SCHEMA
from fingerprint.store.store import Store

FAMILIES = ("f1", "f2", "f3", "f4")


def save(store: Store, batch: str, campaigns: dict[str, tuple[str, ...]], *families: str) -> None:
    day = date(2026, 3, 2)
    store.save_night(
        make_night(batch, started=NOON + timedelta(days=int(batch[1:]))),
        [make_signature(f, seed=n) for n, f in enumerate(families)],
        spread=table(SPREAD_SCHEMA, *((f, f"a{n % 3}", day, n + 1) for n, f in enumerate(families))),
        activity=table(ACTIVITY_SCHEMA, ("a0", day, 9)),
        campaigns=[CampaignRow(c, None, 0.8, True, members) for c, members in campaigns.items()],
    )


@pytest.fixture
def store(tmp_path: Path, store_url: str | None) -> Iterator[Store]:
    with Store.open(tmp_path, store_url) as store:
        save(store, "n1", {"c1": ("f1", "f2", "f3"), "c2": ("f4",)}, *FAMILIES, "f5")
        yield store


@pytest.fixture
def cases(store: Store) -> Cases:
    return Cases(store.database)


def members(store: Store, campaign: str) -> list[str]:
    return sorted(store.campaign(campaign).families)


ACTIONS = (
    CaseAction(do="confirm", reason="seen before"),
    CaseAction(do="benign", reason="our own benchmark"),
    CaseAction(do="rename", name="graders of March"),
    CaseAction(do="assign", to="bob"),
    CaseAction(do="note", text="ask the customer"),
    CaseAction(do="close", reason="suspended"),
    CaseAction(do="merge", into="c2"),
    CaseAction(do="split", families=("f2",), into="c9"),
    CaseAction(do="move", families=("f2", "f3"), into="c2"),
)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.do)
def test_an_action_changes_something_and_its_undo_leaves_nothing(
    store: Store, cases: Cases, tmp_path: Path, store_url: str | None, action: CaseAction
) -> None:
    # a campaign that an action made stays, without families; labels are only ever added
    left = {"actions", "touched", "audit", "labels", "campaigns", "cases", "case_notes"}
    whole = dump(tmp_path, store_url)
    before = {name: rows for name, rows in whole.items() if name not in left}
    seen, row = cases.case("c1"), store.campaign("c1")
    did = cases.do("c1", action, by="ann", expected=seen.revision)
    assert (did.by, did.stands) == ("ann", True)
    log = {"actions", "touched", "audit"}
    changed = {name for name, rows in dump(tmp_path, store_url).items() if rows != whole[name]}
    assert changed > log
    assert store.access.audit(limit=1)[0].actor == "ann"
    Actions(store.database).undo(did.id, by="ann")
    after = {name: rows for name, rows in dump(tmp_path, store_url).items() if name not in left}
    assert after == before
    again = cases.case("c1")
    assert (again.assignee, again.closed, again.reason, again.notes) == (None, None, None, ())
    assert store.campaign("c1") == row


def test_all_families_are_confirmed_or_benign(store: Store, cases: Cases) -> None:
    cases.do("c1", CaseAction(do="confirm", reason="seen"), by="ann")
    assert {store.labels(f)[-1].label for f in ("f1", "f2", "f3")} == {"campaign"}
    assert members(store, "c1") == ["f1", "f2", "f3"]
    with pytest.raises(UsageError, match="a reason expected"):
        cases.do("c1", CaseAction(do="benign"), by="ann")
    cases.do("c1", CaseAction(do="benign", reason="a course"), by="ann")
    assert {store.labels(f)[-1].reason for f in ("f1", "f2", "f3")} == {"a course"}
    with pytest.raises(NotFound, match="no campaign c1"):
        cases.do("c1", CaseAction(do="confirm"), by="ann")


def test_a_moved_family_stays_where_it_is_over_nights_and_leaves_the_rest_together(
    store: Store, cases: Cases
) -> None:
    cases.do("c1", CaseAction(do="move", families=("f2",), into="c2"), by="ann")
    assert (members(store, "c1"), members(store, "c2")) == (["f1", "f3"], ["f2", "f4"])
    save(store, "n2", {"c1": ("f1", "f2", "f3"), "c2": ("f4",)}, *FAMILIES)
    assert (members(store, "c1"), members(store, "c2")) == (["f1", "f3"], ["f2", "f4"])


def test_a_confirmed_family_keeps_its_label_when_it_moves(store: Store, cases: Cases) -> None:
    cases.do("c1", CaseAction(do="confirm", reason="seen"), by="ann")
    cases.do("c1", CaseAction(do="merge", into="c2"), by="ann")
    assert members(store, "c2") == ["f1", "f2", "f3", "f4"]
    word = store.labels("f1")[-1]
    assert (word.label, word.campaign_id, word.reason) == ("campaign", "c2", "seen")


def test_what_cannot_be_done_is_an_error(store: Store, cases: Cases) -> None:
    def refused(action: CaseAction, match: str) -> None:
        with pytest.raises(UsageError, match=match):
            cases.do("c1", action, by="ann")

    refused(CaseAction(do="split", families=("f4",)), "families of c1 expected, f4 found")
    refused(CaseAction(do="move", into="c2"), "families of c1 expected, none found")
    refused(CaseAction(do="split", families=("f1", "f2", "f3")), "one must stay")
    refused(CaseAction(do="merge", into="c1"), "another campaign")
    refused(CaseAction(do="rename", name=" "), "a name of 1 to 80")
    refused(CaseAction(do="note", text=""), "a note of 1 to")
    with pytest.raises(NotFound, match="no campaign nothing"):
        cases.do("c1", CaseAction(do="merge", into="nothing"), by="ann")
    revision = cases.case("c1").revision
    Actions(store.database).label({"f2": None}, "campaign", by="bob")
    with pytest.raises(Conflict, match="somebody else changed it"):
        cases.do("c1", CaseAction(do="confirm"), by="ann", expected=revision)


def test_the_queue_has_a_row_for_each_campaign(store: Store, cases: Cases) -> None:
    queue = Queue(store.database)
    page = queue.cases(QueueQuery())
    listed = {
        c.campaign.campaign_id if c.campaign else None: [r.family.family_id for r in c.rows]
        for c in page.cases
    }
    assert {name: sorted(rows) for name, rows in listed.items()} == {
        "c1": ["f1", "f2", "f3"],
        "c2": ["f4"],
        None: ["f5"],
    }
    assert (page.total, page.families, page.after) == (3, 5, None)
    priorities = [c.priority for c in page.cases]
    assert priorities == sorted(priorities, reverse=True)
    paged, after = [], None
    for _ in range(3):
        part = queue.cases(QueueQuery(), limit=1, after=after)
        paged += part.cases
        after = part.after
    assert (paged, after) == (list(page.cases), None)
    assert page.cases[0].campaign is None or page.cases[0].campaign.accounts > 0


def test_a_closed_case_is_out_of_the_queue_until_something_new_comes(store: Store, cases: Cases) -> None:
    queue = Queue(store.database)
    cases.do("c1", CaseAction(do="assign", to="bob"), by="ann")
    assert [len(c.rows) for c in queue.cases(QueueQuery(assignee="bob")).cases] == [3]
    cases.do("c1", CaseAction(do="close", reason="suspended"), by="ann")
    assert queue.cases(QueueQuery(assignee="bob")).cases == ()
    [closed] = queue.cases(QueueQuery(state="closed")).cases
    assert (closed.assignee, len(closed.rows)) == ("bob", 3)
    save(store, "n2", {"c1": ("f1", "f2", "f3", "f6")}, "f1", "f6")
    [again] = queue.cases(QueueQuery(assignee="bob")).cases
    assert [r.family.family_id for r in again.rows] == ["f6"]
    cases.do("c1", CaseAction(do="reopen"), by="ann")
    assert [len(c.rows) for c in queue.cases(QueueQuery(assignee="bob")).cases] == [4]


def test_a_merge_takes_notes_along_and_who_has_the_case(store: Store, cases: Cases) -> None:
    cases.do("c1", CaseAction(do="note", text="ask the customer"), by="bob")
    cases.do("c1", CaseAction(do="assign", to="bob"), by="ann")
    cases.do("c2", CaseAction(do="rename", name="graders of May"), by="ann")
    did = cases.do("c1", CaseAction(do="merge", into="Graders of May"), by="ann")
    assert did.words == "merged c1 into graders of May (c2)"
    merged = cases.case("c2")
    assert [note.text.partition("\n")[0] for note in merged.notes] == ["ask the customer"]
    assert "bob" in merged.notes[0].text
    assert merged.assignee == "bob"
    assert store.campaign("c2").name == "graders of May"
    # both have it in their history and the audit log, and either page can undo it
    actions = Actions(store.database)
    for campaign in ("c1", "c2"):
        assert actions.history(f"campaign/{campaign}", limit=1) == [did]
        written = store.access.audit(subject=f"campaign/{campaign}", limit=9)
        assert [a.detail for a in written if a.action == "desk.merge"] == [
            {"from": "c1", "into": "c2", "families": ["f1", "f2", "f3"]}
        ]
    undo = actions.undo(did.id, by="ann")
    assert (cases.case("c2").notes, cases.case("c2").assignee) == ((), None)
    assert [note.text for note in cases.case("c1").notes] == ["ask the customer"]
    # another one in between stands in the way of neither
    other = cases.do("c2", CaseAction(do="confirm"), by="ann")
    actions.undo(other.id, by="ann")
    actions.undo(undo.id, by="ann")
    assert members(store, "c2") == ["f1", "f2", "f3", "f4"]


def test_what_nobody_looked_at_opens_a_closed_case(store: Store, cases: Cases) -> None:
    cases.do("c2", CaseAction(do="close", reason="suspended"), by="ann")
    did = cases.do("c1", CaseAction(do="move", families=("f1",), into="c2"), by="ann")
    assert cases.case("c2").closed is None
    Actions(store.database).undo(did.id, by="ann")
    assert cases.case("c2").closed is not None
    cases.do("c1", CaseAction(do="confirm"), by="ann")
    cases.do("c1", CaseAction(do="merge", into="c2"), by="ann")
    assert cases.case("c2").closed is not None


def test_a_name_of_several_campaigns_is_none_of_them(store: Store, cases: Cases) -> None:
    save(store, "n2", {"c3": ("f5",)}, "f5")
    for campaign in ("c2", "c3"):
        cases.do(campaign, CaseAction(do="rename", name="graders"), by="ann")
    with pytest.raises(UsageError, match="the name of 2 campaigns: give one of c2, c3"):
        cases.do("c1", CaseAction(do="merge", into="graders"), by="ann")
    assert cases.id_of("nobody's") is None
