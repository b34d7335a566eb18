"""What people say of families, inside the store's transactions: labels, their audit, and what lookups need of them."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import datetime

import sqlalchemy as sa

from fingerprint.domain.rows import FamilyFacts, LabelRow
from fingerprint.domain.signature import Signature
from fingerprint.store import access, tables
from fingerprint.store.rows import select_families
from fingerprint.store.sql import upsert

CHANGES = "family."
"""Actions in the audit log that begin so change what lookups answer."""


def add_campaign(
    connection: sa.Connection, campaign_id: str, score: float, now: datetime, *, flagged: bool
) -> None:
    """Make a campaign if there is none of that id; score and flag are its families' until a night assesses it."""
    row = {"campaign_id": campaign_id, "label": None, "score": score, "flagged": flagged, "created": now}
    upsert(connection, tables.campaigns, [row], keep=row)


def add_label(connection: sa.Connection, word: LabelRow) -> None:
    """Add an analyst's label and its line in the audit log; a campaign that it names is made when new."""
    if word.campaign_id is not None:
        t = tables.families
        family = connection.execute(
            sa.select(t.c.score, t.c.flagged).where(t.c.family_id == word.family_id)
        ).one()
        add_campaign(connection, word.campaign_id, family.score, word.at, flagged=family.flagged)
    connection.execute(sa.insert(tables.labels), asdict(word))
    detail = {"label": word.label, "campaign": word.campaign_id, "reason": word.reason}
    access.record(connection, word.by, f"{CHANGES}label", word.family_id, detail, word.at)


def record_import(connection: sa.Connection, signature: Signature, by: str, now: datetime) -> None:
    """Write down that a signature came from elsewhere."""
    detail = {"version": signature.version}
    access.record(connection, by, f"{CHANGES}import", signature.family_id, detail, now)


def labels_of(connection: sa.Connection, family_id: str) -> list[LabelRow]:
    """List what analysts said of a family, oldest first."""
    table = tables.labels
    columns = [table.c[field.name] for field in fields(LabelRow)]
    chosen = sa.select(*columns).where(table.c.family_id == family_id).order_by(table.c.id)
    return [LabelRow(*row) for row in connection.execute(chosen)]


def revision(connection: sa.Connection) -> int:
    """Return the number of the latest change that people made to any family, 0 for none."""
    log = tables.audit
    return int(
        connection.scalar(sa.select(sa.func.max(log.c.id)).where(log.c.action.startswith(CHANGES))) or 0
    )


def facts_of(connection: sa.Connection, chosen: sa.ColumnElement[bool]) -> list[FamilyFacts]:
    """Read what lookups tell of the chosen families."""
    t = tables.families
    rows = connection.execute(
        select_families(t.c.family_id, t.c.variant_of, t.c.score, t.c.flagged, t.c.threshold).where(chosen)
    )
    return [
        FamilyFacts(r.family_id, r.variant_of, r.label, r.campaign, r.score, r.flagged, r.threshold)
        for r in rows
    ]
