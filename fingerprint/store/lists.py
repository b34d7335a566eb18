"""Lists of what is stored, filtered, sorted and paged in SQL: families, accounts, campaigns, nights.

Families are listed that are neither retired nor withdrawn, and are no other family's wordings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from fingerprint.domain import profile
from fingerprint.domain.results import NightReport
from fingerprint.domain.rows import AccountRow, CampaignRow, FamilyRow
from fingerprint.domain.vocabulary import NO_LABEL, AccountSort, FamilySort
from fingerprint.store import tables
from fingerprint.store.cursors import Cursor
from fingerprint.store.rows import (
    CAMPAIGN,
    LABEL,
    LISTED,
    select_families,
    to_account,
    to_campaign,
    to_family,
    to_night,
)
from fingerprint.store.sql import chunks

_FAMILY = tables.families.c
_PLAIN = [c for c in _FAMILY if not isinstance(c.type, sa.LargeBinary | sa.JSON)]
_LISTED_FAMILIES = select_families(*_PLAIN).where(LISTED)
_WITH_PROFILES = select_families(*_PLAIN, _FAMILY.profile).where(LISTED)

_SORT_COLUMNS: dict[FamilySort, sa.Column[Any]] = {
    "score": _FAMILY.score,
    "accounts": _FAMILY.accounts,
    "requests": _FAMILY.requests,
    "first-seen": _FAMILY.first_seen,
    "last-seen": _FAMILY.last_seen,
}


def list_families(
    connection: sa.Connection,
    *,
    flagged: bool | None = None,
    min_score: float | None = None,
    label: str | None = None,
    campaign: str | None = None,
    sort: FamilySort = "score",
    limit: int | None = None,
    after: Cursor | None = None,
) -> list[FamilyRow]:
    """List families, the highest or latest first, and by id where that is equal.

    label: a word, or NO_LABEL for families without one. after: the end of the page before, of a list by score.
    """
    chosen = _ranked(_WITH_PROFILES, tables.families, _FAMILY.family_id, flagged, min_score, after)
    if label is not None:
        chosen = chosen.where(LABEL.is_(None) if label == NO_LABEL else LABEL.in_([label]))
    if campaign is not None:
        chosen = chosen.where(CAMPAIGN.in_([campaign]))
    ordered = chosen.order_by(None).order_by(_SORT_COLUMNS[sort].desc(), _FAMILY.family_id)
    listed = connection.execute(ordered.limit(limit))
    return [replace(to_family(row), profile=profile.from_json(row.profile)) for row in listed]


def list_accounts(
    connection: sa.Connection,
    *,
    flagged: bool | None = None,
    min_score: float | None = None,
    departed: bool = False,
    relay: bool = False,
    prefix: str = "",
    sort: AccountSort = "score",
    limit: int | None = None,
    after: Cursor | None = None,
) -> list[AccountRow]:
    """List assessed accounts, the highest first; departed: only those unlike honest traffic; relay: that take turns; prefix: of their ids."""
    table = tables.accounts
    chosen = sa.select(table).where(table.c.departed) if departed else sa.select(table)
    if relay:
        chosen = chosen.where(table.c.relay)
    if prefix:
        chosen = chosen.where(sa.func.substr(table.c.account_id, 1, len(prefix)) == prefix)
    ranked = _ranked(chosen, table, table.c.account_id, flagged, min_score, None)
    if sort == "requests":
        ranked = ranked.order_by(None).order_by(table.c.requests.desc(), table.c.account_id)
    if after is not None:
        rank = table.c.score if sort == "score" else sa.cast(table.c.requests, sa.Double)
        ranked = ranked.where(after.follows(rank, table.c.account_id))
    return [to_account(row) for row in connection.execute(ranked.limit(limit))]


def list_campaigns(
    connection: sa.Connection,
    *,
    flagged: bool | None = None,
    min_score: float | None = None,
    words: str = "",
    limit: int | None = None,
    after: Cursor | None = None,
) -> list[CampaignRow]:
    """List campaigns that have families, highest score first; within one, the largest family first.

    words: stand together in its id, its name, or a template or the id of a family.
    """
    table = tables.campaigns
    peopled = sa.select(_members().c.campaign)
    chosen = sa.select(table).where(table.c.campaign_id.in_(peopled))
    if words:
        text = words.replace("\0", " ").casefold()
        named = (
            sa.func.lower(column).contains(text, autoescape=True)
            for column in (table.c.campaign_id, table.c.name)
        )
        asking = select_families(_FAMILY.family_id).where(
            LISTED, _FAMILY.search.contains(text, autoescape=True)
        )
        chosen = chosen.where(sa.or_(*named, table.c.campaign_id.in_(asking.with_only_columns(CAMPAIGN))))
    ranked = _ranked(chosen, table, table.c.campaign_id, flagged, min_score, after)
    return _with_families(connection, list(connection.execute(ranked.limit(limit))))


def one_campaign(connection: sa.Connection, campaign_id: str) -> CampaignRow | None:
    """Read one campaign; None where there is none, or none that has families."""
    return next(iter(campaigns_of(connection, [campaign_id])), None)


def campaigns_of(connection: sa.Connection, campaign_ids: Sequence[str]) -> list[CampaignRow]:
    """Read those of these campaigns that have families."""
    table = tables.campaigns
    rows = [
        row
        for ids in chunks(campaign_ids)
        for row in connection.execute(sa.select(table).where(table.c.campaign_id.in_(ids)))
    ]
    return _with_families(connection, rows)


def list_nights(connection: sa.Connection) -> list[NightReport]:
    """List the stored nights, oldest first."""
    table = tables.nights
    ordered = sa.select(table).order_by(table.c.started, table.c.batch_id)
    return [to_night(row) for row in connection.execute(ordered)]


def flagged_before(connection: sa.Connection, batch_id: str) -> set[str]:
    """Return the families that were flagged before a night; what it changed itself, if it is stored, is left out."""
    table = tables.events.c
    flagged = set(connection.scalars(sa.select(_FAMILY.family_id).where(_FAMILY.flagged)))
    changed = sa.select(table.family_id, table.kind).where(
        table.batch_id == batch_id, table.kind.in_(["flagged", "cleared"])
    )
    for family, kind in connection.execute(changed):
        (flagged.discard if kind == "flagged" else flagged.add)(family)
    return flagged


def last_night(connection: sa.Connection) -> str | None:
    """Return the batch of the latest stored night; None before the first."""
    table = tables.nights
    newest = sa.select(table.c.batch_id).order_by(table.c.started.desc(), table.c.batch_id.desc())
    return connection.scalar(newest.limit(1))


def _ranked(
    chosen: sa.Select[Any],
    table: sa.Table,
    key: sa.Column[Any],
    flagged: bool | None,
    min_score: float | None,
    after: Cursor | None,
) -> sa.Select[Any]:
    """Filter rows of a table with scores, and order them by score; `after`: the end of the page before."""
    if flagged is not None:
        chosen = chosen.where(table.c.flagged == flagged)
    if min_score is not None:
        chosen = chosen.where(table.c.score >= min_score)
    if after is not None:
        chosen = chosen.where(after.follows(table.c.score, key))
    return chosen.order_by(table.c.score.desc(), key)


def _members() -> sa.Subquery:
    """Select families in campaigns: `family_id`, `campaign`."""
    return select_families(_FAMILY.family_id).where(LISTED, CAMPAIGN.is_not(None)).subquery()


def _with_families(connection: sa.Connection, campaigns: Sequence[sa.Row[Any]]) -> list[CampaignRow]:
    """Turn rows of campaigns into what lists show of them; those without families are left out."""
    families: dict[str, list[FamilyRow]] = defaultdict(list)
    for ids in chunks([row.campaign_id for row in campaigns]):
        for row in connection.execute(_LISTED_FAMILIES.where(CAMPAIGN.in_(ids))):
            families[row.campaign].append(to_family(row))
    wordings = _wordings(
        connection, [family.family_id for members in families.values() for family in members]
    )
    accounts: dict[str, int] = {}
    for campaign_id, members in families.items():
        owned = [wording for family in members for wording in wordings[family.family_id]]
        if pool := _pool(connection, owned):
            accounts[campaign_id] = pool
    return [
        to_campaign(row, families[row.campaign_id], accounts)
        for row in campaigns
        if row.campaign_id in families
    ]


def _wordings(connection: sa.Connection, family_ids: Sequence[str]) -> dict[str, list[str]]:
    """Read under which ids the requests of each family are stored: its own and those of its wordings."""
    owned = {family_id: [family_id] for family_id in family_ids}
    for ids in chunks(family_ids):
        chosen = sa.select(_FAMILY.variant_of, _FAMILY.family_id).where(_FAMILY.variant_of.in_(ids))
        for original, wording in connection.execute(chosen):
            owned[original].append(wording)
    return owned


def _pool(connection: sa.Connection, family_ids: Sequence[str]) -> int:
    """Count the accounts that sent any of these families or wordings.

    They are named one by one, and not joined: so the databases seek them, and read what others sent not at all (D-223).
    """
    sent = tables.spread.c
    senders = [
        sa.select(sent.account_id).where(sent.family_id.in_(ids)).distinct() for ids in chunks(family_ids)
    ]
    if len(senders) == 1:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(senders[0].subquery())) or 0)
    return len({account for some in senders for account in connection.scalars(some)})
