"""What flagged families sent on which night, by family, campaign, account and hour: reads for the morning report."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from fingerprint.domain.rows import Event
from fingerprint.domain.vocabulary import BENIGN, CAMPAIGN, RELAY
from fingerprint.domain.word_pairs import made_name
from fingerprint.store import tables
from fingerprint.store.rows import CAMPAIGN as CAMPAIGN_OF
from fingerprint.store.rows import LABEL, LISTED, OWNER, select_families
from fingerprint.store.sql import chunks

_FAMILY = tables.families.c
_SENT = tables.spread.c

SUSPECT = sa.and_(
    LISTED,
    sa.or_(
        LABEL.in_([CAMPAIGN]),
        sa.and_(_FAMILY.flagged, sa.func.coalesce(LABEL, "").not_in([BENIGN, RELAY])),
    ),
)
"""Families that are flagged or labelled as a campaign's, and that no analyst called benign or a relay's since."""


@dataclass(frozen=True, slots=True)
class NightSent:
    """What a family sent on one night."""

    batch_id: str
    requests: int


@dataclass(frozen=True, slots=True)
class StoredCampaign:
    """A campaign as it is stored, without its accounts, which take long to count in a large home."""

    name: str
    score: float
    families: int
    requests: int
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class Member:
    """A suspect family, or a wording of one: the family, and its campaign."""

    owner: str
    campaign: str | None


Members = dict[str, Member]
"""By the id that traffic is stored under."""


@dataclass(slots=True)
class Sender:
    """What an account sent of suspect families on a night."""

    requests: int = 0
    families: set[str] = field(default_factory=set)
    campaigns: set[str | None] = field(default_factory=set)


def campaigns(connection: sa.Connection) -> dict[str, StoredCampaign]:
    """Read the campaigns that have families."""
    of = (
        select_families(_FAMILY.family_id, _FAMILY.requests, _FAMILY.last_seen)
        .where(LISTED, CAMPAIGN_OF.is_not(None))
        .subquery()
    )
    table = tables.campaigns
    chosen = (
        sa.select(
            table.c.campaign_id,
            table.c.name,
            table.c.score,
            sa.func.count(),
            sa.cast(sa.func.sum(of.c.requests), sa.BigInteger),
            sa.func.max(of.c.last_seen),
        )
        .join_from(table, of, of.c.campaign == table.c.campaign_id)
        .group_by(table.c.campaign_id, table.c.name, table.c.score)
    )
    return {
        row[0]: StoredCampaign(row[1] or made_name(row[0]), row[2], row[3], int(row[4]), row[5])
        for row in connection.execute(chosen)
    }


def members_of(connection: sa.Connection) -> Members:
    """Read the suspect families and their wordings."""
    of = select_families(_FAMILY.family_id).where(SUSPECT).subquery("suspect")
    every = tables.families.alias("every")
    owner = sa.func.coalesce(every.c.variant_of, every.c.family_id)
    chosen = sa.select(every.c.family_id, owner, of.c.campaign).join_from(every, of, of.c.family_id == owner)
    return {row[0]: Member(row[1], row[2]) for row in connection.execute(chosen)}


def sent_by_family(
    connection: sa.Connection, members: Members, nights: Sequence[str]
) -> dict[str, list[NightSent]]:
    """Count what each suspect family sent on some nights."""
    sums: Counter[tuple[str, str]] = Counter()
    for ids in chunks(list(members)):
        # the families are named one by one, and not joined: so the databases seek them, and read no night to its end
        chosen = (
            sa.select(_SENT.batch_id, _SENT.family_id, sa.func.sum(_SENT.requests))
            .where(_SENT.batch_id.in_(nights), _SENT.family_id.in_(ids))
            .group_by(_SENT.batch_id, _SENT.family_id)
        )
        for batch, family, requests in connection.execute(chosen):
            sums[members[family].owner, batch] += int(requests)
    out: dict[str, list[NightSent]] = {}
    for (owner, batch), requests in sums.items():
        out.setdefault(owner, []).append(NightSent(batch, requests))
    return out


def senders(connection: sa.Connection, members: Members, batch_id: str) -> dict[str, Sender]:
    """Read what each account sent of suspect families on a night."""
    out: dict[str, Sender] = defaultdict(Sender)
    for ids in chunks(list(members)):
        chosen = sa.select(_SENT.account_id, _SENT.family_id, _SENT.requests)
        sent = chosen.where(_SENT.batch_id == batch_id, _SENT.family_id.in_(ids))
        for account, family, requests in connection.execute(sent).all():
            sender, member = out[account], members[family]
            sender.requests += requests
            sender.families.add(member.owner)
            sender.campaigns.add(member.campaign)
    return dict(out)


def senders_before(connection: sa.Connection, members: Members, nights: Sequence[str]) -> set[str]:
    """Return the accounts that sent a suspect family on some nights."""
    out: set[str] = set()
    for ids in chunks(list(members)):
        chosen = sa.select(_SENT.account_id).where(_SENT.batch_id.in_(nights), _SENT.family_id.in_(ids))
        out.update(connection.scalars(chosen.distinct()).all())
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


def by_hour(connection: sa.Connection, members: Members, batch_id: str) -> list[tuple[datetime, int]]:
    """Count the requests of suspect families by hour of a night."""
    table, sums = tables.family_hours.c, Counter[datetime]()
    for ids in chunks(list(members)):
        chosen = sa.select(table.hour, table.requests)
        for hour, requests in connection.execute(
            chosen.where(table.batch_id == batch_id, table.family_id.in_(ids))
        ):
            sums[hour] += requests
    return sorted(sums.items())


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
