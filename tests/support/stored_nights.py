"""Two nights made by hand, how they are stored, and all that the database then holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from fingerprint.domain.results import IngestReport, NightReport
from fingerprint.domain.rows import AccountRow, CampaignRow, Event
from fingerprint.domain.schemas import (
    ACTIVITY_SCHEMA,
    RANDOM_FEATURES_SCHEMA,
    SPREAD_SCHEMA,
)
from fingerprint.domain.signature import Reason, Segment, Signature, Slot, Spread, Stamp, Template
from fingerprint.store.store import Store
from fingerprint.store.tables import metadata

STAMP = Stamp(normaliser="n1", shingle="s1", model="static", revision="ab12", dimension=4)
NOON = datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)
TODAY, TOMORROW = date(2026, 3, 2), date(2026, 3, 3)


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
    return NightReport(batch_id, ingest, started, {"ingest": 0.25}, 7, 2, 1, 1, 5, 6)


def table(schema: pa.Schema, *rows: tuple[object, ...]) -> pa.Table:
    """Make a table; rows without conversations have as many as requests, which stand last."""
    if "conversations" in schema.names and rows and len(rows[0]) < len(schema):
        rows = tuple((*row, row[-1]) for row in rows)
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
        features=table(RANDOM_FEATURES_SCHEMA, ("a", 5, b"12"), ("b", 4, b"34")),
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
        features=table(RANDOM_FEATURES_SCHEMA, ("a", 6, b"56")),
        accounts=[AccountRow("c", 0.4, False, 3, ("f1",), (), 0.1, 0.02, 0.5)],
        events=[Event("f1", "pivoted")],
    )


def save_first_without_f1(store: Store) -> None:
    """Run the first night again and find no f1 this time; no other night counted it, so it is retired."""
    spread = table(SPREAD_SCHEMA, ("f2", "a", TODAY, 5))
    store.save_night(make_night("n1"), [make_signature("f2", seed=2)], spread=spread, activity=FIRST_ACTIVITY)


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
