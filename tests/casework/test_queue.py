from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from support.stored_nights import NOON, make_night, make_signature, save_first, table

from fingerprint.casework.actions import Actions
from fingerprint.casework.queue import Queue
from fingerprint.domain.casework import QueueQuery
from fingerprint.domain.errors import UsageError
from fingerprint.domain.schemas import ACTIVITY_SCHEMA, SPREAD_SCHEMA
from fingerprint.domain.signature import Segment, Spread, Template
from fingerprint.store.store import Store

DAY = timedelta(days=1)
TEXTS = ("Rate the ANSWER of the tutor", "Rate the Straße, the answer", "100% of РАССКАЖИ подробно_")


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("homes")


@pytest.fixture
def store(tmp_path: Path, store_url: str | None) -> Iterator[Store]:
    with Store.open(tmp_path, store_url) as store:
        seen = Spread(0, 0, NOON, NOON, {})
        templates = [Template((Segment(text, "user", 0.0, 1.0),)) for text in TEXTS]
        signatures = [
            make_signature(f"f{n}", seed=n, template=t, score=0.9 - 0.1 * n, flagged=n < 2, spread=seen)
            for n, t in enumerate(templates)
        ]
        spread = table(
            SPREAD_SCHEMA,
            *[("f0", f"a{n}", date(2026, 3, 2), 10) for n in range(5)],
            *[("f1", f"a{n}", date(2026, 3, 2), 10) for n in range(50)],
            ("f2", "z", date(2026, 3, 2), 2),
        )
        activity = table(ACTIVITY_SCHEMA, ("z", date(2026, 3, 2), 2))
        store.save_night(make_night("n1"), signatures, spread=spread, activity=activity)
        yield store


@pytest.fixture
def queue(store: Store) -> Queue:
    return Queue(store.database)


def found(queue: Queue, **query: object) -> list[str]:
    page = queue.page(QueueQuery(**query))  # type: ignore[arg-type]
    assert page.total == len(page.rows)
    return [row.family.family_id for row in page.rows]


def test_priority_is_score_by_novelty_by_size(queue: Queue) -> None:
    rows = queue.page(QueueQuery()).rows
    assert [r.family.family_id for r in rows] == ["f1", "f0", "f2"]
    for row in rows:
        assert row.priority == pytest.approx(row.family.score * row.novelty * row.size)
        assert row.novelty == 1.0
        assert 0 < row.size < 1
        assert row.per_day[-1] == row.family.requests


def test_older_families_are_less_novel(store: Store, queue: Queue) -> None:
    later = Spread(0, 0, NOON + 14 * DAY, NOON + 14 * DAY, {})
    new = make_signature("f9", spread=later)
    spread = table(SPREAD_SCHEMA, ("f9", "a", date(2026, 3, 16), 1))
    activity = table(ACTIVITY_SCHEMA, ("a", date(2026, 3, 16), 1))
    store.save_night(make_night("n2", started=NOON + 14 * DAY), [new], spread=spread, activity=activity)
    novelty = {r.family.family_id: r.novelty for r in queue.page(QueueQuery()).rows}
    assert novelty == pytest.approx({"f9": 1.0, "f0": 0.5, "f1": 0.5, "f2": 0.5}, abs=1e-6)


def test_pages_follow_each_other(queue: Queue) -> None:
    first = queue.page(QueueQuery(), limit=2)
    second = queue.page(QueueQuery(), limit=2, after=first.after)
    assert [r.family.family_id for r in (*first.rows, *second.rows)] == ["f1", "f0", "f2"]
    assert (first.total, second.after) == (3, None)
    with pytest.raises(UsageError, match="a cursor of an earlier page expected, 'nonsense' found"):
        queue.page(QueueQuery(), after="nonsense")


def test_equals_are_neither_lost_nor_shown_twice(store: Store, queue: Queue) -> None:
    spread = table(SPREAD_SCHEMA, *[(f"g{n}", "a", date(2026, 3, 2), 1) for n in range(7)])
    activity = table(ACTIVITY_SCHEMA, ("a", date(2026, 3, 2), 7))
    alike = [make_signature(f"g{n}", seed=n) for n in range(7)]
    store.save_night(make_night("n2"), alike, spread=spread, activity=activity)
    names, after = [], None
    for _ in range(5):
        page = queue.page(QueueQuery(), limit=2, after=after)
        names += [r.family.family_id for r in page.rows]
        after = page.after
    assert sorted(names) == sorted([f"f{n}" for n in range(3)] + [f"g{n}" for n in range(7)])
    assert after is None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("answer rate", ["f1", "f0"]),
        ('"the answer"', ["f1", "f0"]),
        ('"answer of"', ["f0"]),
        ("rate -tutor", ["f1"]),
        ('rate -"of the tutor"', ["f1"]),
        ("STRASSE", ["f1"]),
        ("расскажи", ["f2"]),
        ("100%", ["f2"]),
        ("d_", []),
        ("f0", ["f0"]),
        ("nothing", []),
    ],
)
def test_words_are_searched(queue: Queue, words: str, expected: list[str]) -> None:
    assert found(queue, words=words) == expected


def test_filters(store: Store, queue: Queue) -> None:
    actions = Actions(store.database)
    assert found(queue, flagged=True) == ["f1", "f0"]
    assert found(queue, min_score=0.85) == ["f0"]
    assert found(queue, min_accounts=5) == ["f1", "f0"]
    assert found(queue, account="z") == ["f2"]
    assert found(queue, kind="topical") == []
    assert found(queue, days=1) == ["f1", "f0", "f2"]
    actions.label({"f1": 0}, "campaign", by="ann", campaign="c1")
    actions.label({"f0": 0}, "benign", by="ann")
    assert found(queue) == ["f2"]
    assert found(queue, state="labelled") == ["f1", "f0"]
    assert found(queue, state="all", label="benign") == ["f0"]
    assert found(queue, state="all", campaign="c1") == ["f1"]
    assert list(queue.campaigns()) == ["c1"]


def test_the_snoozed_sleep_until_their_time(store: Store, queue: Queue) -> None:
    actions = Actions(store.database)
    actions.snooze(["f1"], datetime.now(UTC) + DAY, by="ann")
    actions.snooze(["f0"], datetime.now(UTC) - DAY, by="ann")
    assert found(queue) == ["f0", "f2"]
    assert found(queue, state="snoozed") == ["f1"]


def test_rows_tell_revision_notes_and_snooze(store: Store, queue: Queue) -> None:
    actions = Actions(store.database)
    actions.note("f1", "a note", by="ann")
    actions.label({"f1": 0}, "benign", by="ann")
    row = queue.families(["nowhere", "f1"])[0]
    assert (row.revision, row.notes, row.family.label) == (actions.revision("f1"), 1, "benign")


def test_wordings_and_retired_families_are_not_in_the_queue(store: Store, queue: Queue) -> None:
    Actions(store.database).merge("f1", {"f0": 0}, by="ann")
    # the night again, in which f2 is not found: no other one counted it, so it is retired
    spread = table(SPREAD_SCHEMA, *((f, "a0", date(2026, 3, 2), 10) for f in ("f0", "f1")))
    again = [make_signature(f, seed=n) for n, f in enumerate(("f0", "f1"))]
    store.save_night(make_night("n1"), again, spread=spread, activity=ACTIVITY_SCHEMA.empty_table())
    assert found(queue) == ["f1"]


def test_an_empty_home_has_an_empty_queue(tmp_path: Path) -> None:
    with Store.open(tmp_path / "new") as store:
        page = Queue(store.database).page(QueueQuery())
    assert (page.rows, page.total, page.after) == ((), 0, None)


def test_a_home_of_before_is_searched_too(tmp_path: Path) -> None:
    """Columns that a migration added are filled for families that were stored before it."""
    from fingerprint.store.database import Database

    with Store.open(tmp_path) as store:
        save_first(store)
        with store.database.writing() as connection:
            connection.exec_driver_sql("UPDATE families SET search = ''")
    database = Database(tmp_path, None)
    with database.writing() as connection:
        import importlib

        from alembic.migration import MigrationContext
        from alembic.operations import Operations

        module = importlib.import_module("fingerprint.store.migrations.versions.0004_casework")
        with Operations.context(MigrationContext.configure(connection)):
            module._fill_search()
    assert replace(Queue(database).page(QueueQuery(words="RATE")), after=None).total == 2
    database.close()
