"""Each kind of step, its inverse, and what it says it touched, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.stored_nights import make_signature, save_first

from fingerprint.casework.actions import Actions
from fingerprint.casework.steps import Step, StepContext, apply, touched
from fingerprint.domain.errors import NotFound
from fingerprint.domain.signature_json import to_json
from fingerprint.store import tables
from fingerprint.store.store import Store

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
UNTIL = datetime(2026, 3, 9, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path, store_url: str | None) -> Iterator[Store]:
    with Store.open(tmp_path, store_url) as store:
        save_first(store)
        yield store


def applied(store: Store, *steps: Step) -> list[Step]:
    with store.database.writing(alone=True) as connection:
        context = StepContext(connection, "ann", NOW)
        return [apply(context, step) for step in steps]


def rows(store: Store, table: sa.Table) -> list[tuple[object, ...]]:
    with store.database.reading() as connection:
        return [tuple(row) for row in connection.execute(sa.select(table))]


def edited(**changes: object) -> dict[str, object]:
    return to_json(replace(make_signature("f1"), **changes))  # type: ignore[arg-type]


STEPS: dict[str, Step] = {
    "label": {"do": "label", "family": "f1", "label": "campaign", "campaign": "c9", "reason": "why"},
    "snooze": {"do": "snooze", "family": "f1", "until": UNTIL.isoformat()},
    "note": {"do": "note", "family": "f1", "text": "seen before"},
    "view": {"do": "view", "name": "mine", "query": "state=all"},
    "variant": {"do": "variant", "family": "f2", "variant_of": "f1", "pinned": ["variant_of"]},
    "signature": {
        "do": "signature",
        "family": "f1",
        "signature": edited(threshold=0.25),
        "pinned": ["threshold"],
    },
    "withdraw": {"do": "withdraw", "family": "f1", "withdrawn": True},
}


@pytest.mark.parametrize("kind", STEPS)
def test_a_step_and_its_inverse_leave_what_was_there(store: Store, kind: str) -> None:
    def state() -> object:
        families = {s.family_id: (s.label, s.threshold, s.variant_of) for s in store.signatures()}
        notes = Actions(store.database).notes("f1")
        return families, notes, rows(store, tables.snoozes), rows(store, tables.views)

    before = state()
    (inverse,) = applied(store, STEPS[kind])
    after = state()
    assert after != before
    (again,) = applied(store, inverse)
    assert state() == before
    applied(store, again)
    assert state() == after


@pytest.mark.parametrize("kind", STEPS)
def test_every_step_writes_the_audit_log(store: Store, kind: str) -> None:
    before = len(store.access.audit())
    applied(store, STEPS[kind])
    lines = store.access.audit()
    assert len(lines) > before
    assert {line.actor for line in lines[: len(lines) - before]} == {"ann"}


def test_a_new_signature_is_taken_back_by_withdrawing_it(store: Store) -> None:
    new = {
        "do": "signature",
        "family": "f9",
        "signature": to_json(make_signature("f9")),
        "pinned": ["template"],
    }
    (inverse,) = applied(store, new)
    assert inverse == {"do": "withdraw", "family": "f9", "withdrawn": True}
    assert "f9" in {s.family_id for s in store.signatures()}
    applied(store, inverse)
    assert "f9" not in {s.family_id for s in store.signatures()}


def test_an_edit_keeps_the_version_before_and_counts_up(store: Store) -> None:
    version = store.signature("f1").version
    (inverse,) = applied(store, STEPS["signature"])
    assert (store.signature("f1").version, store.signature("f1").threshold) == (version + 1, 0.25)
    assert [s.version for s in store.versions("f1")] == [version]
    applied(store, inverse)
    assert store.signature("f1").version == version + 2


def test_touched_names_subjects_and_aspects(store: Store) -> None:
    inverses = dict(zip(STEPS, applied(store, *STEPS.values()), strict=True))
    of = {kind: touched(step, inverses[kind]) for kind, step in STEPS.items()}
    assert of["label"] == {("f1", "label")}
    assert of["view"] == {("view/mine", "view")}
    assert of["note"] == {("f1", f"note/{inverses['note']['note']}")}
    assert of["variant"] == {("f2", "variant"), ("f1", "wording/f2")}
    assert of["signature"] == of["withdraw"] == {("f1", "signature")}


def test_a_family_that_is_not_stored_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound, match="no family f9"):
        applied(store, {"do": "variant", "family": "f9", "variant_of": "f1", "pinned": []})
