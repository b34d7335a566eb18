"""What one night writes; every function works inside the caller's transaction and is safe to run again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fingerprint.domain import profile, signature_json
from fingerprint.domain.errors import StampMismatch
from fingerprint.domain.results import NightReport
from fingerprint.domain.rows import AccountRow, CampaignRow, Event
from fingerprint.domain.schemas import (
    ACCOUNT_HOURS_SCHEMA,
    FAMILY_HOURS_SCHEMA,
    PATTERNS_SCHEMA,
    Rhythm,
)
from fingerprint.domain.signature import DayCount, Segment, Signature, Stamp
from fingerprint.domain.vocabulary import MODELS
from fingerprint.store.rows import OWNER, signatures_of, to_row
from fingerprint.store.sql import Row, chunks, insert_arrow, upsert
from fingerprint.store.tables import (
    account_features,
    account_hours,
    accounts,
    activity,
    campaigns,
    events,
    families,
    family_hours,
    family_versions,
    meta,
    nights,
    patterns,
    spread,
)

PINNED = {
    "template": (
        *("kind", "text", "search", "template", "grams", "weights", "prototypes"),
        *("similarity", "usual", "words", "threshold"),
    ),
    "threshold": ("threshold",),
    "variant_of": ("variant_of",),
    "campaign": ("campaign_id",),
}
"""What an analyst sets, by the columns that nights then leave."""

FEATURE_NIGHTS = 14
"""Accounts' features are kept of so many nights."""


def stored_stamp(connection: sa.Connection) -> Stamp | None:
    """Read what made this home's signatures; None before the first ones."""
    value = connection.scalar(sa.select(meta.c.value).where(meta.c.name == "stamp"))
    return None if value is None else signature_json.stamp_from_json(value)


def require_stamp(connection: sa.Connection, stamp: Stamp, where: str) -> None:
    """Raise StampMismatch unless this home is empty or `stamp` made its signatures."""
    stored = stored_stamp(connection)
    if stored is None or stored == stamp:
        return
    expected, actual = signature_json.stamp_to_json(stored), signature_json.stamp_to_json(stamp)
    differing = [name for name in expected if expected[name] != actual[name]]
    keyword = next((keyword for keyword, name in MODELS.items() if name == stored.model), None)
    same = (
        "use the same model and version" if keyword is None else f"use --model {keyword} and the same version"
    )
    raise StampMismatch(
        f"{where}: signatures made by {_words(expected, differing)} expected, {_words(actual, differing)} found; "
        f"{same}, or another home (--home DIR)"
    )


def _words(stamp: Row, names: Iterable[str]) -> str:
    return ", ".join(f"{name} {stamp[name]}" for name in names)


def save_night_row(connection: sa.Connection, night: NightReport, now: datetime) -> list[str]:
    """Write the night, take away what an earlier run of the same batch left, and name the families that run counted."""
    ingest = night.ingest
    row = {
        "batch_id": night.batch_id,
        "started": night.started,
        "saved": now,
        "rows_read": ingest.rows_read,
        "accepted": ingest.accepted,
        "rejected": ingest.rejected,
        "duplicates": ingest.duplicates,
        "reject_reasons": ingest.reasons,
        "rejects_path": ingest.rejects_path,
        "seconds": night.seconds,
        "distinct_prompts": night.distinct_prompts,
        "families": night.families,
        "new_families": night.new_families,
        "flagged": night.flagged,
        "assigned": night.assigned,
        "conversations": night.conversations,
        "expected_false_flags": night.expected_false_flags,
        "first_request": night.first_request,
        "last_request": night.last_request,
        "accounts": night.accounts,
        "newly_flagged": night.newly_flagged,
        "left_out": ingest.left_out,
        "warnings": [asdict(warning) for warning in ingest.warnings],
        "cpu_seconds": night.cpu_seconds,
        "peak_memory": night.peak_memory,
        "home_bytes": night.home_bytes,
    }
    upsert(connection, nights, [row])
    counted = sa.select(spread.c.family_id).distinct().where(spread.c.batch_id == night.batch_id)
    family_ids = list(connection.scalars(counted))
    for table in (spread, activity, account_features, events):
        connection.execute(sa.delete(table).where(table.c.batch_id == night.batch_id))
    connection.execute(
        sa.update(families).where(families.c.retired_in == night.batch_id).values(retired_in=None)
    )
    return family_ids


def save_families(
    connection: sa.Connection,
    signatures: Sequence[Signature],
    now: datetime,
    *,
    campaign_of: Mapping[str, str],
) -> None:
    """Write signatures; a family whose template changed gets its next version, the old one is kept aside.

    Raises StampMismatch on signatures that another model or normaliser made.
    """
    for stamp in {signature.stamp for signature in signatures}:
        require_stamp(connection, stamp, "this home")
        upsert(connection, meta, [{"name": "stamp", "value": signature_json.stamp_to_json(stamp)}])
    stored = {s.family_id: s for s in signatures_of(connection, [s.family_id for s in signatures])}
    pins = _pins(connection, list(stored))
    rows, replaced = [], []
    for signature in signatures:
        row = to_row(signature) | {
            "campaign_id": campaign_of.get(signature.family_id),
            "retired_in": None,
            "withdrawn": False,
            "created": now,
            "updated": now,
        }
        old, mine = stored.get(signature.family_id), pins.get(signature.family_id, {})
        row |= mine
        if old is not None:
            row["version"] = old.version
            row["profile"] = row["profile"] or profile.to_json(old.profile)  # imported ones have none
            if "template" not in mine and _wording(old) != _wording(signature):
                row["version"] += 1
                replaced.append(old)
        rows.append(row)
    upsert(connection, families, rows, keep=["created"], widen=["first_seen", "last_seen"])
    keep_version(connection, replaced, now)


def keep_version(connection: sa.Connection, signatures: Sequence[Signature], now: datetime) -> None:
    """Keep signatures aside that are about to be replaced."""
    upsert(
        connection,
        family_versions,
        [
            {
                "family_id": s.family_id,
                "version": s.version,
                "replaced": now,
                "signature": signature_json.to_json(s),
            }
            for s in signatures
        ],
    )


def _pins(connection: sa.Connection, family_ids: Sequence[str]) -> dict[str, Row]:
    """Read what analysts set in these families: the columns that a night must leave, with their values."""
    out: dict[str, Row] = {}
    for chunk in chunks(family_ids):
        pinned = sa.select(families.c.family_id, families.c.pinned).where(families.c.family_id.in_(chunk))
        pinned_of = {r.family_id: r.pinned for r in connection.execute(pinned) if r.pinned}
        for row in connection.execute(sa.select(families).where(families.c.family_id.in_(list(pinned_of)))):
            names = {name for pin in pinned_of[row.family_id] for name in PINNED[pin]}
            out[row.family_id] = {name: getattr(row, name) for name in names}
    return out


def _wording(signature: Signature) -> tuple[object, ...]:
    """Tell one template from another; slot statistics and mean positions move every night."""
    parts = ((p.text, p.place) if isinstance(p, Segment) else None for p in signature.template.parts)
    return (*parts, signature.grams.tobytes())


def save_campaigns(connection: sa.Connection, rows: Sequence[CampaignRow], now: datetime) -> None:
    """Write campaigns' own columns; the label and the name that one has stay."""
    upsert(
        connection,
        campaigns,
        [
            {
                "campaign_id": row.campaign_id,
                "label": row.label,
                "score": float(row.score),
                "flagged": bool(row.flagged),
                "created": now,
            }
            for row in rows
        ],
        keep=["created", "label"],
    )
    named = [row for row in rows if row.name]
    if named:
        nameless = sa.and_(campaigns.c.campaign_id == sa.bindparam("of"), campaigns.c.name.is_(None))
        connection.execute(
            sa.update(campaigns).where(nameless).values(name=sa.bindparam("new_name")),
            [{"of": row.campaign_id, "new_name": row.name} for row in named],
        )


def update_totals(
    connection: sa.Connection, family_ids: Iterable[str], *, counted_before: Iterable[str] = ()
) -> list[str]:
    """Count families' accounts, requests, conversations and days again over all batches, and name those left without any.

    What wordings of a family were counted for counts for the family. One that was never counted keeps the numbers it
    came with, for it was imported.
    """
    totals: dict[str, Row] = {
        f: dict.fromkeys(("accounts", "requests", "conversations"), 0) | {"per_day": {}}
        for f in counted_before
    }
    accounts_seen = sa.func.count(spread.c.account_id.distinct()).label("accounts")
    sums = (
        sa.cast(sa.func.sum(spread.c[name]), sa.BigInteger).label(name)
        for name in ("requests", "conversations")
    )
    owner = OWNER.label("owner")
    for chunk in chunks(_owners(connection, sorted({*family_ids, *totals}))):
        mine = sa.or_(families.c.variant_of.in_(chunk), families.c.family_id.in_(chunk))
        every = (
            sa.select(owner, accounts_seen, *sums)
            .join_from(families, spread, families.c.family_id == spread.c.family_id)
            .where(mine)
        )
        for row in connection.execute(every.group_by(owner)):
            totals[row.owner] = {
                "accounts": row.accounts,
                "requests": row.requests,
                "conversations": row.conversations,
                "per_day": {},
            }
        daily = every.add_columns(spread.c.day).group_by(owner, spread.c.day).order_by(spread.c.day)
        for row in connection.execute(daily):
            count = DayCount(requests=row.requests, accounts=row.accounts)
            totals[row.owner]["per_day"] |= signature_json.per_day_to_json({row.day.isoformat(): count})
    _update_families(connection, totals)
    return [family for family, total in totals.items() if total["requests"] == 0]


def _owners(connection: sa.Connection, family_ids: Sequence[str]) -> list[str]:
    owners: set[str] = set()
    for chunk in chunks(family_ids):
        owners.update(connection.scalars(sa.select(OWNER).where(families.c.family_id.in_(chunk))))
    return sorted(owners)


def move_to_campaigns(connection: sa.Connection, campaign_of: Mapping[str, str]) -> None:
    """Put stored families into campaigns, but for those that analysts moved."""
    pins = _pins(connection, list(campaign_of))
    _update_families(
        connection,
        {
            family: {"campaign_id": campaign}
            for family, campaign in campaign_of.items()
            if "campaign_id" not in pins.get(family, {})
        },
    )


def retire(connection: sa.Connection, family_ids: Iterable[str], batch_id: str) -> None:
    """Take families out of lists and matching; they keep their rows."""
    _update_families(connection, {family: {"retired_in": batch_id} for family in family_ids})


def drop_old_vectors(connection: sa.Connection, before: datetime) -> None:
    """Forget the prototypes of families that nights before this time retired; who returns is described anew."""
    old = sa.select(nights.c.batch_id).where(nights.c.saved <= before)
    connection.execute(sa.update(families).where(families.c.retired_in.in_(old)).values(prototypes=b""))


def _update_families(connection: sa.Connection, values: Mapping[str, Row]) -> None:
    if not values:
        return
    columns: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in next(iter(values.values()))}
    connection.execute(
        sa.update(families).where(families.c.family_id == sa.bindparam("of")).values(columns),
        [
            {"of": family} | {f"new_{name}": value for name, value in row.items()}
            for family, row in values.items()
        ],
    )


def save_accounts(connection: sa.Connection, rows: Sequence[AccountRow], now: datetime) -> None:
    """Write accounts' assessments over their earlier ones."""
    upsert(
        connection,
        accounts,
        [
            {
                "account_id": row.account_id,
                "score": float(row.score),
                "flagged": bool(row.flagged),
                "requests": int(row.requests),
                "conversations": int(row.conversations),
                "families": list(row.families),
                "evidence": signature_json.reasons_to_json(row.evidence),
                "updated": now,
                "departure": row.departure,
                "departure_q": row.departure_q,
                "departure_rank": row.departure_rank,
                "departed": row.departed,
                "relay": row.relay,
            }
            for row in rows
        ],
    )
    # an account in no family is listed as long as its other requests can be tested, and they can no longer
    gone = sa.and_(accounts.c.score == 0, accounts.c.departure.is_not(None), accounts.c.updated < now)
    connection.execute(sa.delete(accounts).where(gone))


def drop_old_features(connection: sa.Connection) -> None:
    """Forget the features of accounts of all nights but the last FEATURE_NIGHTS."""
    kept = sa.select(nights.c.batch_id).order_by(nights.c.started.desc(), nights.c.batch_id)
    last = list(connection.scalars(kept.limit(FEATURE_NIGHTS)))
    connection.execute(sa.delete(account_features).where(account_features.c.batch_id.not_in(last)))


def save_rhythm(connection: sa.Connection, rhythm: Rhythm, batch_id: str) -> None:
    """Write a batch's hours and patterns over those of an earlier run."""
    for table, rows, schema in (
        (family_hours, rhythm.family_hours, FAMILY_HOURS_SCHEMA),
        (account_hours, rhythm.account_hours, ACCOUNT_HOURS_SCHEMA),
        (patterns, rhythm.patterns, PATTERNS_SCHEMA),
    ):
        connection.execute(sa.delete(table).where(table.c.batch_id == batch_id))
        insert_arrow(connection, table, rows, schema, batch_id=batch_id)


def save_events(connection: sa.Connection, rows: Sequence[Event], batch_id: str) -> None:
    """Write what happened to families."""
    if rows:
        connection.execute(
            sa.insert(events),
            [
                {"batch_id": batch_id, "family_id": e.family_id, "kind": e.kind, "detail": e.detail}
                for e in rows
            ],
        )
