"""Long lists a page at a time: a page begins after the last row of the one before, whatever came in between."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from fingerprint.domain.rows import FamilyRow
from fingerprint.domain.vocabulary import NO_LABEL
from fingerprint.store.database import Database
from fingerprint.store.rows import CAMPAIGN, LABEL, select_families, to_listed
from fingerprint.store.tables import families, nights


class After(NamedTuple):
    """The last row of a page, by which the next one begins: highest scores first, then by id."""

    score: float
    id: str


class Pages:
    """Pages of one database; every method is one transaction and raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def families(
        self,
        size: int,
        after: After | None = None,
        *,
        flagged: bool | None = None,
        min_score: float | None = None,
        label: str | None = None,
        campaign: str | None = None,
    ) -> list[FamilyRow]:
        """List up to `size` families but retired ones and variants, highest score first; label "none": those without."""
        t = families
        listed = (c for c in t.c if not isinstance(c.type, sa.LargeBinary | sa.JSON))
        chosen = select_families(*listed).where(t.c.retired_in.is_(None), t.c.variant_of.is_(None))
        if flagged is not None:
            chosen = chosen.where(t.c.flagged == flagged)
        if min_score is not None:
            chosen = chosen.where(t.c.score >= min_score)
        if label is not None:
            chosen = chosen.where(LABEL.is_(None) if label == NO_LABEL else LABEL.in_([label]))
        if campaign is not None:
            chosen = chosen.where(CAMPAIGN.in_([campaign]))
        if after is not None:
            lower = t.c.score < after.score
            chosen = chosen.where(sa.or_(lower, sa.and_(t.c.score == after.score, t.c.family_id > after.id)))
        ordered = chosen.order_by(t.c.score.desc(), t.c.family_id).limit(size)
        with self._database.reading() as connection:
            return [to_listed(row) for row in connection.execute(ordered)]

    def last_night(self) -> str | None:
        """Return the batch of the latest saved night; None before the first."""
        newest = sa.select(nights.c.batch_id).order_by(nights.c.started.desc(), nights.c.batch_id.desc())
        with self._database.reading() as connection:
            return connection.scalar(newest.limit(1))
