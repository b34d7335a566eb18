"""What flagged families sent on which night, by family, campaign, account and hour: reads for the morning report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from fingerprint.domain.rows import Event
from fingerprint.domain.vocabulary import BENIGN, CAMPAIGN
from fingerprint.store import tables
from fingerprint.store.rows import LABEL, LISTED, OWNER, select_families
from fingerprint.store.sql import chunks

_FAMILY = tables.families.c
_SENT = tables.spread.c

SUSPECT = sa.and_(
    LISTED,
    sa.or_(
        LABEL.in_([CAMPAIGN]),
        sa.and_(_FAMILY.flagged, sa.func.coalesce(LABEL, "") != BENIGN),
    ),
)
"""Families that are flagged or labelled as a campaign's, and that no analyst called benign since."""


@dataclass(frozen=True, slots=True)
class NightSent:
    """What a family sent on one night."""

    batch_id: str
    requests: int
    accounts: int


@dataclass(frozen=True, slots=True)
class SuspectSenders:
    """Accounts that sent suspect families on a night: how many, how many did so first; the first of them with counts."""

    total: int
    new: int
    first: list[tuple[str, int, int]]


def suspects(connection: sa.Connection) -> dict[str, str | None]:
    """Read the suspect families, each with its campaign."""
    chosen = select_families(_FAMILY.family_id).where(SUSPECT)
    return {row.family_id: row.campaign for row in connection.execute(chosen)}


def _members() -> sa.Subquery:
    """Select the suspect families' rows, their wordings' too: `member`, `owner`, `campaign`."""
    of = select_families(_FAMILY.family_id).where(SUSPECT).subquery("suspect")
    every = tables.families.alias("every")
    owner = sa.func.coalesce(every.c.variant_of, every.c.family_id)
    joined = every.join(of, of.c.family_id == owner)
    return (
        sa.select(every.c.family_id.label("member"), owner.label("owner"), of.c.campaign.label("campaign"))
        .select_from(joined)
        .subquery("members")
    )


def sent_by_family(connection: sa.Connection, nights: Sequence[str]) -> dict[str, list[NightSent]]:
    """Count what each suspect family sent on some nights."""
    members = _members()
    chosen = (
        sa.select(
            members.c.owner,
            _SENT.batch_id,
            sa.cast(sa.func.sum(_SENT.requests), sa.BigInteger),
            sa.func.count(_SENT.account_id.distinct()),
        )
        .join_from(members, tables.spread, _SENT.family_id == members.c.member)
        .where(_SENT.batch_id.in_(nights))
        .group_by(members.c.owner, _SENT.batch_id)
    )
    out: dict[str, list[NightSent]] = {}
    for owner, batch, requests, accounts in connection.execute(chosen):
        out.setdefault(owner, []).append(NightSent(batch, int(requests), accounts))
    return out


def accounts_by_campaign(connection: sa.Connection, batch_id: str) -> dict[str | None, int]:
    """Count the accounts that sent each campaign's suspect families on a night."""
    members = _members()
    chosen = (
        sa.select(members.c.campaign, sa.func.count(_SENT.account_id.distinct()))
        .join_from(members, tables.spread, _SENT.family_id == members.c.member)
        .where(_SENT.batch_id == batch_id)
        .group_by(members.c.campaign)
    )
    return {row[0]: row[1] for row in connection.execute(chosen)}


def senders(connection: sa.Connection, batch_id: str, earlier: Sequence[str], *, most: int) -> SuspectSenders:
    """Rank the accounts that sent suspect families on a night by their requests: id, requests, families."""
    members = _members()
    sent = sa.select(
        _SENT.account_id,
        sa.cast(sa.func.sum(_SENT.requests), sa.BigInteger).label("requests"),
        sa.func.count(members.c.owner.distinct()).label("families"),
    ).join_from(members, tables.spread, _SENT.family_id == members.c.member)
    tonight = sent.where(_SENT.batch_id == batch_id).group_by(_SENT.account_id)
    ranked = tonight.order_by(sa.desc("requests"), _SENT.account_id).limit(most)
    first = [(row[0], int(row[1]), row[2]) for row in connection.execute(ranked)]
    every = tonight.subquery("tonight")
    total = connection.scalar(sa.select(sa.func.count()).select_from(every)) or 0
    before = _senders_of(earlier)
    known = sa.select(sa.func.count()).select_from(every).where(every.c.account_id.in_(before))
    return SuspectSenders(total, total - (connection.scalar(known) or 0), first)


def sent_before(connection: sa.Connection, accounts: Sequence[str], earlier: Sequence[str]) -> set[str]:
    """Return those of some accounts that sent a suspect family on an earlier night."""
    before = _senders_of(earlier).where(_SENT.account_id.in_(accounts))
    return set(connection.scalars(before.distinct()))


def _senders_of(nights: Sequence[str]) -> sa.Select[tuple[str]]:
    members = _members()
    return (
        sa.select(_SENT.account_id)
        .join_from(members, tables.spread, _SENT.family_id == members.c.member)
        .where(_SENT.batch_id.in_(nights))
    )


def campaigns_of(
    connection: sa.Connection, accounts: Sequence[str], batch_id: str
) -> dict[str, set[str | None]]:
    """Return the campaigns whose suspect families some accounts sent on a night."""
    members, out = _members(), dict[str, set[str | None]]()
    chosen = (
        sa.select(_SENT.account_id, members.c.campaign)
        .join_from(members, tables.spread, _SENT.family_id == members.c.member)
        .where(_SENT.batch_id == batch_id, _SENT.account_id.in_(accounts))
        .distinct()
    )
    for account, campaign in connection.execute(chosen):
        out.setdefault(account, set()).add(campaign)
    return out


def totals_of(connection: sa.Connection, accounts: Sequence[str], batch_id: str) -> dict[str, int]:
    """Count all that some accounts sent on a night."""
    table = tables.activity.c
    chosen = (
        sa.select(table.account_id, sa.func.sum(table.requests))
        .where(table.batch_id == batch_id, table.account_id.in_(accounts))
        .group_by(table.account_id)
    )
    return {row[0]: int(row[1]) for row in connection.execute(chosen)}


def by_hour(connection: sa.Connection, batch_id: str) -> list[tuple[datetime, int]]:
    """Count the requests of suspect families by hour of a night."""
    members, hours = _members(), tables.family_hours.c
    chosen = (
        sa.select(hours.hour, sa.func.sum(hours.requests))
        .join_from(members, tables.family_hours, hours.family_id == members.c.member)
        .where(hours.batch_id == batch_id)
        .group_by(hours.hour)
        .order_by(hours.hour)
    )
    return [(row[0], int(row[1])) for row in connection.execute(chosen)]


def requests_tonight(connection: sa.Connection, families: Sequence[str], batch_id: str) -> dict[str, int]:
    """Count what some families, suspect or not, sent on a night."""
    out: dict[str, int] = {}
    for chunk in chunks(families):
        chosen = (
            sa.select(OWNER, sa.func.sum(_SENT.requests))
            .join_from(tables.families, tables.spread, _FAMILY.family_id == _SENT.family_id)
            .where(
                _SENT.batch_id == batch_id,
                sa.or_(_FAMILY.family_id.in_(chunk), _FAMILY.variant_of.in_(chunk)),
            )
            .group_by(OWNER)
        )
        out |= {row[0]: int(row[1]) for row in connection.execute(chosen)}
    return out


def events_of(connection: sa.Connection, batch_id: str, kinds: Sequence[str]) -> list[Event]:
    """List what happened to families on a night, of some kinds, in the order in which it was stored."""
    table = tables.events
    chosen = sa.select(table).where(table.c.batch_id == batch_id, table.c.kind.in_(kinds))
    return [Event(r.family_id, r.kind, r.detail) for r in connection.execute(chosen.order_by(table.c.id))]
