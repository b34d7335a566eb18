from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from fingerprint.database import MIGRATIONS
from fingerprint.errors import HomeLocked, NotFound, StampMismatch, StoreError, UsageError
from fingerprint.records import (
    ACCOUNT_META_SCHEMA,
    ACTIVITY_SCHEMA,
    FEATURES_SCHEMA,
    SPREAD_SCHEMA,
    AccountRow,
    CampaignRow,
    DayCount,
    Event,
    IngestReport,
    NightReport,
    Reason,
    Segment,
    Signature,
    Slot,
    Spread,
    Stamp,
    Template,
)
from fingerprint.saving import FEATURE_NIGHTS
from fingerprint.store import HomeLock, Store
from fingerprint.tables import REVISION, metadata

STAMP = Stamp(normaliser="n1", shingle="s1", model="static", revision="ab12", dimension=4)
NOON = datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)
TODAY, TOMORROW = date(2026, 3, 2), date(2026, 3, 3)
HEAD = ScriptDirectory(str(MIGRATIONS)).get_current_head()
SPAWNED = multiprocessing.get_context("fork")


def make_signature(
    family_id: str, *, words: str = "Rate the answer", seed: int = 0, **changes: Any
) -> Signature:
    random = np.random.default_rng(seed)
    grams = np.unique(random.integers(0, 2**64, 20, dtype=np.uint64))
    signature = Signature(
        family_id=family_id,
        kind="template",
        template=Template((Segment(words, "user", 0.0, 1.0), Slot(9, 1, 20, "text"))),
        grams=grams,
        weights=random.random(len(grams), dtype=np.float32),
        prototypes=random.random((2, 4), dtype=np.float32),
        threshold=0.1 + 0.2,
        spread=Spread(accounts=0, requests=0, first_seen=NOON, last_seen=NOON, per_day={}),
        stamp=STAMP,
        score=0.7,
        flagged=True,
        reasons=(Reason("spread", 4.0, 0.7, "4 accounts sent it"),),
    )
    return replace(signature, **changes)


def make_night(batch_id: str, *, started: datetime = NOON) -> NightReport:
    ingest = IngestReport(10, 8, 1, 1, {"not JSON": 1}, "rejects/n.jsonl")
    return NightReport(batch_id, ingest, started, {"ingest": 0.25}, 7, 2, 1, 1, 5)


def table(schema: pa.Schema, *rows: tuple[object, ...]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    return pa.table([pa.array(c, type=f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


FIRST_SPREAD = table(SPREAD_SCHEMA, ("f1", "a", TODAY, 3), ("f1", "b", TODAY, 4), ("f2", "a", TODAY, 5))
FIRST_ACTIVITY = table(ACTIVITY_SCHEMA, ("a", TODAY, 10), ("b", TODAY, 4), ("c", TODAY, 1))
NEXT_SPREAD = table(SPREAD_SCHEMA, ("f1", "a", TOMORROW, 1), ("f1", "c", TOMORROW, 2), ("f1", "c", TODAY, 1))
NEXT_ACTIVITY = table(ACTIVITY_SCHEMA, ("a", TOMORROW, 2), ("c", TOMORROW, 2), ("c", TODAY, 1))


def save_first(store: Store, batch_id: str = "n1") -> None:
    store.save_night(
        make_night(batch_id),
        [make_signature("f1"), make_signature("f2", seed=2)],
        spread=FIRST_SPREAD,
        activity=FIRST_ACTIVITY,
        features=table(FEATURES_SCHEMA, ("a", 5, b"12"), ("b", 4, b"34")),
        account_meta=table(ACCOUNT_META_SCHEMA, ("a", "payment_hash", "p", NOON, NOON + timedelta(hours=1))),
        accounts=[AccountRow("a", 0.9, True, 10, ("f1", "f2"), (Reason("rare", 2.0, 1.5, "rare text"),))],
        campaigns=[CampaignRow("c1", "Graders", 0.8, True, ("f1", "f2"))],
        events=[Event("f1", "born"), Event("f2", "born", {"size": 5})],
    )


def save_next(store: Store, batch_id: str = "n2") -> None:
    later = Spread(0, 0, NOON + timedelta(days=1), NOON + timedelta(days=1), {})
    store.save_night(
        make_night(batch_id, started=NOON + timedelta(days=1)),
        [make_signature("f1", words="Rate this answer", spread=later)],
        spread=NEXT_SPREAD,
        activity=NEXT_ACTIVITY,
        account_meta=table(ACCOUNT_META_SCHEMA, ("a", "payment_hash", "p", NOON - timedelta(days=9), NOON)),
        features=table(FEATURES_SCHEMA, ("a", 6, b"56")),
        accounts=[AccountRow("c", 0.4, False, 3, ("f1",), (), 0.1, 0.02, 0.5)],
        events=[Event("f1", "pivoted")],
    )


@pytest.fixture
def store(tmp_path: Path, store_url: str | None) -> Iterator[Store]:
    with Store.open(tmp_path, store_url) as store:
        yield store


def engine_of(home: Path, url: str | None) -> sa.Engine:
    if url is None:
        return sa.create_engine(f"sqlite:///{home / 'fingerprint.db'}", poolclass=sa.NullPool)
    return sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.NullPool)


def dump(home: Path, url: str | None) -> dict[str, list[str]]:
    """All that the database holds, but the times of writing."""
    written = {"saved", "created", "updated", "replaced", "at"}
    with engine_of(home, url).connect() as connection:
        return {
            table.name: sorted(
                str([(c.name, row[c.name]) for c in table.c if c.name not in written])
                for row in connection.execute(sa.select(table)).mappings()
            )
            for table in metadata.sorted_tables
        }


def test_a_signature_comes_back_exactly(store: Store) -> None:
    template = Template((Segment("NUL \0, 中文, 😀", "system", 1 / 3, 0.9), Slot(1, 2, 3, "code")))
    signature = make_signature("f1", template=template, prototypes=np.zeros((0, 4), dtype=np.float32))
    nothing = table(ACTIVITY_SCHEMA)
    store.save_night(make_night("n1"), [signature], spread=table(SPREAD_SCHEMA), activity=nothing)
    found = store.signature("f1")
    for name in ("grams", "weights", "prototypes"):
        np.testing.assert_array_equal(getattr(found, name), getattr(signature, name), strict=True)
    arrays = {"grams": signature.grams, "weights": signature.weights, "prototypes": signature.prototypes}
    assert replace(found, **arrays) == signature
    assert found.spread.first_seen.utcoffset() == timedelta(0)


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
        {"family_id": f, "account_id": a, "requests": n, "first_day": low, "last_day": high}
        for f, a, n, low, high in [
            ("f1", "a", 4, TODAY, TOMORROW),
            ("f1", "b", 4, TODAY, TODAY),
            ("f1", "c", 3, TODAY, TOMORROW),
            ("f2", "a", 5, TODAY, TODAY),
        ]
    ]
    assert store.account_totals(but_batch="n1").to_pylist() == [
        {"account_id": "a", "requests": 2, "first_day": TOMORROW, "last_day": TOMORROW},
        {"account_id": "c", "requests": 3, "first_day": TODAY, "last_day": TOMORROW},
    ]
    assert store.family_days().to_pydict() == {
        "family_id": ["f1", "f1", "f2"],
        "day": [TODAY, TOMORROW, TODAY],
        "requests": [8, 3, 5],
        "accounts": [3, 2, 1],
    }
    seen = ("a", "payment_hash", "p", NOON - timedelta(days=9), NOON + timedelta(hours=1))
    assert store.account_meta() == table(ACCOUNT_META_SCHEMA, seen)
    assert store.family_accounts(but_batch="n1").schema == store.family_accounts().schema


def test_features_of_accounts_are_kept_for_some_nights_and_replaced_with_their_batch(store: Store) -> None:
    save_first(store)
    save_next(store)
    save_next(store)
    assert store.account_features() == table(
        FEATURES_SCHEMA, ("a", 5, b"12"), ("a", 6, b"56"), ("b", 4, b"34")
    )
    assert store.account_features(but_batch="n2").num_rows == 2
    for night in range(FEATURE_NIGHTS - 1):
        later = make_night(f"m{night}", started=NOON + timedelta(days=2 + night))
        store.save_night(later, [], spread=table(SPREAD_SCHEMA), activity=table(ACTIVITY_SCHEMA))
    assert store.account_features() == table(FEATURES_SCHEMA, ("a", 6, b"56"))


def test_accounts_in_no_family_are_listed_while_they_depart(store: Store) -> None:
    def night(batch_id: str, *accounts: AccountRow) -> None:
        store.save_night(
            make_night(batch_id),
            [],
            spread=table(SPREAD_SCHEMA),
            activity=table(ACTIVITY_SCHEMA),
            accounts=accounts,
        )

    away = AccountRow("d", 0.0, False, 9, (), (), 0.4, 1e-9, 0.001, departed=True)
    known = AccountRow("e", 0.3, False, 9, ("f1",), (), 0.3, 1e-9, 0.002, departed=True)
    night("n1", away, known)
    assert store.accounts(departed=True) == [known, away]
    night("n2", AccountRow("g", 0.5, True, 1))
    assert [a.account_id for a in store.accounts()] == ["g", "e"]


def test_history_of_nothing_has_its_columns(store: Store) -> None:
    assert store.family_accounts().num_rows == 0
    assert store.account_totals().column_names == ["account_id", "requests", "first_day", "last_day"]


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


def test_families_are_counted_without_a_new_signature(store: Store) -> None:
    save_first(store)
    store.save_night(make_night("n2"), [], spread=NEXT_SPREAD, activity=NEXT_ACTIVITY)
    assert {f.family_id: (f.accounts, f.requests) for f in store.families()} == {"f1": (3, 11), "f2": (1, 5)}


def test_retired_families_are_not_listed_until_seen_again(store: Store) -> None:
    save_first(store)
    nothing = {"spread": table(SPREAD_SCHEMA), "activity": table(ACTIVITY_SCHEMA)}
    store.save_night(make_night("n2"), [], **nothing, retired=["f1"])
    assert [s.family_id for s in store.signatures()] == [f.family_id for f in store.families()] == ["f2"]
    assert store.campaigns()[0].families == ("f2",)
    assert store.signature("f1").spread.requests == 7
    store.save_night(make_night("n3"), [make_signature("f1")], **nothing)
    assert [s.family_id for s in store.signatures()] == ["f1", "f2"]


def test_families_that_were_retired_long_ago_lose_their_vectors(store: Store) -> None:
    save_first(store)
    nothing = {"spread": table(SPREAD_SCHEMA), "activity": table(ACTIVITY_SCHEMA)}
    store.save_night(make_night("n2"), [], **nothing, retired=["f1"])
    store.save_night(make_night("n3"), [], **nothing, retention_days=7)
    assert len(store.signature("f1").prototypes)
    store.save_night(make_night("n4"), [], **nothing, retention_days=0)
    assert len(store.signature("f1").prototypes) == 0
    assert len(store.signature("f2").prototypes)
    store.save_night(make_night("n5"), [make_signature("f1")], **nothing, retention_days=0)
    assert len(store.signature("f1").prototypes)


def test_metadata_of_any_client_is_kept(store: Store) -> None:
    seen = [("a", "user_agent", agent, NOON, NOON) for agent in ("NUL \0", "long " * 1000, "long " * 999)]
    nothing = {"spread": table(SPREAD_SCHEMA), "activity": table(ACTIVITY_SCHEMA)}
    store.save_night(make_night("n1"), [], **nothing, account_meta=table(ACCOUNT_META_SCHEMA, *seen))
    values = store.account_meta()["value"].to_pylist()
    assert values[0] == "NUL \ufffd"
    assert [value[:7] for value in values[1:]] == ["sha256:", "sha256:"]


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


def test_lists_filter_and_rank(store: Store) -> None:
    scored = [make_signature(f"f{i}", score=i / 10, flagged=i > 5) for i in range(10)]
    store.save_night(
        make_night("n1"),
        scored,
        spread=table(SPREAD_SCHEMA),
        activity=table(ACTIVITY_SCHEMA),
        accounts=[AccountRow(f"a{i}", i / 10, i > 5, 1) for i in range(10)],
        campaigns=[CampaignRow(f"c{i}", None, i / 10, i > 5, (f"f{i}",)) for i in range(10)],
    )
    ids = [f.family_id for f in store.families(flagged=True, limit=2)]
    assert (ids, len(store.families(flagged=False, min_score=0.4))) == (["f9", "f8"], 2)
    assert [a.account_id for a in store.accounts(min_score=0.8)] == ["a9", "a8"]
    assert [c.campaign_id for c in store.campaigns(flagged=True, min_score=0.7, limit=2)] == ["c9", "c8"]
    assert store.account("a3").score == pytest.approx(0.3)


def test_unknown_ids_are_not_found(store: Store) -> None:
    with pytest.raises(NotFound, match="no family f9"):
        store.signature("f9")
    with pytest.raises(NotFound, match="no family f9"):
        store.set_label("f9", "benign", by="ann")
    with pytest.raises(NotFound, match="no assessed account a9"):
        store.account("a9")


def test_labels_survive_the_next_nights(store: Store) -> None:
    save_first(store)
    store.set_label("f1", "campaign", by="ann", campaign="spring", reason="same pool")
    store.set_label("f2", "benign", by="bob")
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


def test_labels_are_only_added(store: Store) -> None:
    save_first(store)
    words = [
        store.set_label("f1", "campaign", by="ann", campaign="spring"),
        store.set_label("f1", "benign", by="bob", reason="a benchmark"),
        store.set_label("f1", None, by="ann"),
    ]
    assert store.labels("f1") == words
    assert (store.signature("f1").label, store.signature("f1").campaign_id) == (None, "c1")


def test_campaigns_of_a_night(store: Store) -> None:
    save_first(store)
    assert store.campaigns() == [
        CampaignRow(
            campaign_id="c1",
            label="Graders",
            score=0.8,
            flagged=True,
            families=("f1", "f2"),
            accounts=2,
            requests=12,
            first_seen=NOON,
            last_seen=NOON,
            templates=("Rate the answer ⟨…⟩", "Rate the answer ⟨…⟩"),
        )
    ]
    save_next(store)  # assesses f1, names no campaign
    assert [(c.campaign_id, c.families) for c in store.campaigns()] == [("c1", ("f2",))]
    store.save_night(
        make_night("n3"),
        [],
        spread=table(SPREAD_SCHEMA),
        activity=table(ACTIVITY_SCHEMA),
        campaigns=[CampaignRow("c1", "Another name", 0.9, False, ("f1",))],
    )
    (campaign,) = store.campaigns()
    assert (campaign.label, campaign.score, campaign.flagged) == ("Graders", 0.9, False)
    assert campaign.families == ("f1", "f2")


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
    store.set_label("f1", "benign", by="ann")
    assert store.import_signatures([foreign]).disputed == {"f1": ("benign", "campaign")}
    found = store.signature("f1")
    assert (found.spread.accounts, found.spread.requests, found.label) == (2, 7, "benign")
    assert [word.by for word in store.labels("f1")] == ["import", "ann"]
    store.set_label("f1", None, by="ann")
    assert store.signature("f1").campaign_id == "c1"


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


def test_two_write_at_once(store: Store, tmp_path: Path, store_url: str | None) -> None:
    save_first(store)

    def label(by: str) -> None:
        with Store.open(tmp_path, store_url) as other:
            for _ in range(10):
                other.set_label("f1", "benign", by=by)

    threads = [threading.Thread(target=label, args=(by,)) for by in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for _ in range(5):
        save_next(store)
    for thread in threads:
        thread.join()
    assert len(store.labels("f1")) == 20


def test_killed_at_every_statement(tmp_path: Path, store_url: str | None) -> None:
    with Store.open(tmp_path, store_url) as store:
        save_first(store)
    before = dump(tmp_path, store_url)

    def save_and_die(statement: int) -> None:
        with Store.open(tmp_path, store_url) as store:
            left = iter(range(statement))

            def count(*_: object) -> None:
                if next(left, None) is None:
                    os.kill(os.getpid(), signal.SIGKILL)

            sa.event.listen(sa.Engine, "after_cursor_execute", count)
            save_next(store)

    killed = 0
    while True:
        process = SPAWNED.Process(target=save_and_die, args=(killed,))
        process.start()
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        assert dump(tmp_path, store_url) == before, f"after statement {killed}"
        killed += 1
    assert killed > 15
    with Store.open(tmp_path, store_url) as store:
        assert store.signature("f1").spread.requests == 11


def test_migrations_make_what_the_tables_say(store: Store, tmp_path: Path, store_url: str | None) -> None:
    with engine_of(tmp_path, store_url).connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "target_metadata": metadata}
        )
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD == REVISION


def test_opens_at_once_in_many_threads(tmp_path: Path, store_url: str | None) -> None:
    errors: list[Exception] = []

    def open_it() -> None:
        try:
            Store.open(tmp_path, store_url).close()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_other_schemas_are_refused(tmp_path: Path, store_url: str | None) -> None:
    with pytest.raises(StoreError, match=rf"nothing found|schema {HEAD} expected, an empty database found"):
        Store.open(tmp_path, store_url, read_only=True)
    Store.open(tmp_path, store_url).close()
    engine = engine_of(tmp_path, store_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    for read_only in (True, False):
        with pytest.raises(
            StoreError, match=f"schema {HEAD} expected, 9999 found: a newer fingerprint made it"
        ):
            Store.open(tmp_path, store_url, read_only=read_only)


def test_read_only_writes_nothing(store: Store, tmp_path: Path, store_url: str | None) -> None:
    save_first(store)
    with Store.open(tmp_path, store_url, read_only=True) as reader:
        assert len(reader.signatures()) == 2
        with pytest.raises(StoreError, match=r"read-?only"):
            reader.set_label("f1", "benign", by="ann")


@pytest.mark.parametrize("name", ["a b", "per%cent", "ques?tion#", "ünï"])
def test_homes_of_any_name(tmp_path: Path, name: str) -> None:
    with Store.open(tmp_path / name / "deep") as store:
        save_first(store)
    with Store.open(tmp_path / name / "deep", read_only=True) as store:
        assert len(store.families()) == 2
    assert (tmp_path / name / "deep" / "fingerprint.db").exists()


def test_not_a_database(tmp_path: Path) -> None:
    (tmp_path / "fingerprint.db").write_text("This is a letter to my grandmother. " * 100)
    with pytest.raises(StoreError, match=r"fingerprint\.db: file is not a database"):
        Store.open(tmp_path)


def test_a_file_where_the_home_should_be(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(StoreError, match=r"home.*File exists|home.*Not a directory"):
        Store.open(tmp_path / "home")
    with pytest.raises(StoreError, match=r"home/lock: a writable home expected"), HomeLock(tmp_path / "home"):
        pass


@pytest.fixture
def read_only_home() -> Iterator[Path]:
    """A home with a database that this process may not write; root may write anything, so it is nobody meanwhile."""
    home = Path(tempfile.mkdtemp(dir="/tmp"))  # pytest's own folder is closed to nobody
    with Store.open(home) as store:
        save_first(store)
    for path in home.iterdir():
        path.chmod(0o444)
    home.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield home
    os.seteuid(user)
    home.chmod(0o755)
    shutil.rmtree(home)


def test_read_only_home(read_only_home: Path) -> None:
    with pytest.raises(StoreError, match=r"fingerprint\.db: .*(readonly|unable to open)"):
        Store.open(read_only_home)
    with pytest.raises(StoreError, match="lock: a writable home expected: Permission denied"):
        HomeLock(read_only_home).__enter__()
    with pytest.raises(StoreError, match=r"Permission denied.*new"):
        Store.open(read_only_home / "new")


def save_much(store: Store) -> None:
    many = [(f"f{i}", f"a{j}", TODAY, 1) for i in (1, 2) for j in range(20_000)]
    signatures = [make_signature("f1"), make_signature("f2")]
    store.save_night(
        make_night("n9"), signatures, spread=table(SPREAD_SCHEMA, *many), activity=table(ACTIVITY_SCHEMA)
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A home on a disk of 1 MB; without the right to mount one, a limit of SQLite's own."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if shutil.which("mount") and subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        yield tmp_path
        subprocess.run(["umount", str(tmp_path)], check=True)
        return

    def limit(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA max_page_count = 64")

    sa.event.listen(sa.pool.Pool, "connect", limit)
    yield tmp_path
    sa.event.remove(sa.pool.Pool, "connect", limit)


def test_disk_full(small_disk: Path) -> None:
    with Store.open(small_disk) as store:
        save_first(store)
        before = dump(small_disk, None)
        with pytest.raises(StoreError, match=r"fingerprint\.db: database or disk is full"):
            save_much(store)
        assert dump(small_disk, None) == before
        store.set_label("f1", "benign", by="ann")


def test_passwords_stay_hidden(tmp_path: Path) -> None:
    for url in (
        "postgresql://me:s3cret@127.0.0.1:1/db?connect_timeout=2",
        "postgresql://me@127.0.0.1:1/db?password=s3cret",
    ):
        with pytest.raises(StoreError, match=r"127\.0\.0\.1:1/db.*[Cc]onnection") as caught:
            Store.open(tmp_path, url)
        assert "s3cret" not in str(caught.value)
    with pytest.raises(
        UsageError, match="postgresql:// or sqlite:// URL expected, mysql:// found"
    ) as refused:
        Store.open(tmp_path, "mysql://me:s3cret@host/db")
    assert "s3cret" not in str(refused.value)
    with pytest.raises(UsageError, match="a file in the sqlite:// URL expected, :memory: found"):
        Store.open(tmp_path, "sqlite:///:memory:")
    with pytest.raises(UsageError, match="no URL found") as refused:
        Store.open(tmp_path, "me:s3cret@host/db")
    assert "s3cret" not in str(refused.value)


def test_spread_of_an_unsaved_family_is_refused(store: Store, tmp_path: Path, store_url: str | None) -> None:
    before = dump(tmp_path, store_url)
    with pytest.raises(StoreError, match=r"(?i)foreign key"):
        store.save_night(make_night("n1"), [], spread=FIRST_SPREAD, activity=FIRST_ACTIVITY)
    assert dump(tmp_path, store_url) == before


def test_commits_are_durable(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    with contextlib.closing(sqlite3.connect(tmp_path / "fingerprint.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_home_lock(tmp_path: Path) -> None:
    held, free = SPAWNED.Event(), SPAWNED.Event()

    def hold() -> None:
        with HomeLock(tmp_path):
            held.set()
            free.wait()

    process = SPAWNED.Process(target=hold)
    process.start()
    assert held.wait(10)
    with pytest.raises(HomeLocked, match=rf"another job works on this home \(process {process.pid}\)"):
        HomeLock(tmp_path).__enter__()
    process.kill()
    process.join()
    with HomeLock(tmp_path), pytest.raises(HomeLocked, match=f"process {os.getpid()}"), HomeLock(tmp_path):
        pass
    with HomeLock(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


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
