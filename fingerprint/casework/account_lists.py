"""Who sent a family or a campaign: the list that accounts are suspended from, sorted and paged in SQL."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import date
from itertools import chain
from typing import Any

import sqlalchemy as sa

from fingerprint.base.strings import harmless
from fingerprint.domain.casework import PoolAccount, PoolPage, PoolQuery
from fingerprint.domain.errors import NotFound, UsageError
from fingerprint.domain.vocabulary import PoolSort
from fingerprint.store import tables
from fingerprint.store.cursors import Cursor
from fingerprint.store.database import Database
from fingerprint.store.rows import CAMPAIGN, LISTED, OWNER, select_families
from fingerprint.store.sql import chunks

STREAMED = 2_000
"""Rows of a streamed list that are in memory at once."""

_FAMILY = tables.families.c
_SENT = tables.spread.c
_WHOLE = tables.activity.c
_ASSESSED = tables.accounts.c


@dataclass(frozen=True, slots=True)
class _Order:
    """A column that lists are sorted by; `number` turns its values into a cursor's rank, `value` such a rank back."""

    column: sa.ColumnElement[Any]
    number: Callable[[Any], float] = float
    value: Callable[[float], Any] = float


class AccountLists:
    """Reads the accounts of one family or campaign. Raises StoreError, and NotFound where there is none such.

    What was sent of a family's wordings counts for the family.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, query: PoolQuery, *, after: str | None = None, limit: int = 100) -> PoolPage:
        """Read a page of the list, the first or the one after a page's `after`; raises UsageError for another."""
        with self._database.reading() as connection:
            listed = _listed(connection, query)
            rows = list(connection.execute(_ordered(listed, query, after).limit(limit + 1)))
            accounts = _accounts(connection, query, rows[:limit])
        more = None if len(rows) <= limit else _cursor(listed, query, rows[limit - 1])
        return PoolPage(accounts, rows[0].listed if rows else 0, more)

    @contextmanager
    def stream(self, query: PoolQuery, *, limit: int | None = None) -> Iterator[Iterator[PoolAccount]]:
        """Open the whole list, as of one moment, without all of its rows in memory."""
        with self._database.reading() as connection:
            rows = _ordered(_listed(connection, query), query, None).limit(limit)
            result = connection.execute(rows, execution_options={"yield_per": STREAMED})
            yield (account for part in result.partitions() for account in _accounts(connection, query, part))


def csv_lines(accounts: Iterable[PoolAccount]) -> Iterator[str]:
    """Write accounts as CSV (RFC 4180), a line each after that of the names; ids are as the logs have them, but with ' before one that a spreadsheet would run."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    names = [field.name for field in fields(PoolAccount)]
    for row in chain([names], map(astuple, accounts)):
        writer.writerow(_cell(value) for value in row)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def _cell(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.6g}"
    return harmless(value) if isinstance(value, str) else value


def _listed(connection: sa.Connection, query: PoolQuery) -> sa.Subquery:
    """Select what each account sent of the families, and how many accounts there are."""
    requests, conversations = (
        sa.cast(sa.func.sum(_SENT[name]), sa.BigInteger).label(name) for name in ("requests", "conversations")
    )
    sent = (
        sa.select(
            _SENT.account_id,
            requests,
            conversations,
            sa.func.min(_SENT.day).label("first_seen"),
            sa.func.max(_SENT.day).label("last_seen"),
            sa.func.count().over().label("listed"),
        )
        .where(_SENT.family_id.in_(_wordings(_owners(connection, query))))
        .group_by(_SENT.account_id)
    )
    if query.prefix:
        # not LIKE, for which letters of either case are the same in SQLite
        sent = sent.where(sa.func.substr(_SENT.account_id, 1, len(query.prefix)) == query.prefix)
    if query.flagged:
        flagged = sa.select(_ASSESSED.account_id).where(_ASSESSED.flagged)
        sent = sent.where(_SENT.account_id.in_(flagged))
    listed = sent.subquery("sent")
    # a join of all rows takes longer than the sums, and few orders need one
    if query.sort == "score":
        joined = listed.outerjoin(tables.accounts, _ASSESSED.account_id == listed.c.account_id)
        score = sa.func.coalesce(_ASSESSED.score, 0.0)
        return sa.select(*listed.c, score.label("rank")).select_from(joined).subquery("ranked")
    if query.sort == "share":
        sums = sa.select(_WHOLE.account_id, sa.func.sum(_WHOLE.requests).label("requests"))
        whole = sums.group_by(_WHOLE.account_id).subquery("whole")
        joined = listed.outerjoin(whole, whole.c.account_id == listed.c.account_id)
        all_requests = sa.func.coalesce(whole.c.requests, listed.c.requests)
        share = sa.cast(listed.c.requests, sa.Double) / sa.cast(all_requests, sa.Double)
        return sa.select(*listed.c, share.label("rank")).select_from(joined).subquery("ranked")
    return listed


def _wordings(owners: sa.Select[Any]) -> sa.CompoundSelect[Any]:
    """Select the families and their wordings, each by an index: an OR, or a coalesce, would read all families."""
    return owners.union_all(sa.select(_FAMILY.family_id).where(_FAMILY.variant_of.in_(owners)))


def _owners(connection: sa.Connection, query: PoolQuery) -> sa.Select[Any]:
    """Select the ids of the families that the list is of; raises NotFound without any."""
    if (query.family is None) == (query.campaign is None):
        raise UsageError("the accounts of either a family or a campaign expected")
    if query.family is not None:
        owners = sa.select(_FAMILY.family_id).where(_FAMILY.family_id == query.family)
        words = f"family {query.family}"
    else:
        members = select_families(_FAMILY.family_id).where(LISTED, CAMPAIGN.in_([query.campaign]))
        owners = members.with_only_columns(_FAMILY.family_id)
        words = f"campaign {query.campaign}"
    if connection.scalar(owners.limit(1)) is None:
        raise NotFound(f"no {words}")
    return owners


def _order(listed: sa.Subquery, sort: PoolSort) -> _Order:
    columns = listed.c
    if sort == "requests":
        return _Order(columns.requests, value=int)
    if sort in ("share", "score"):
        return _Order(columns.rank)
    if sort == "account":
        return _Order(sa.literal(0))
    day = columns.first_seen if sort == "first-seen" else columns.last_seen
    return _Order(day, date.toordinal, _day)


def _day(rank: float) -> date:
    return date.fromordinal(min(max(int(rank), 1), date.max.toordinal()))


def _ordered(listed: sa.Subquery, query: PoolQuery, after: str | None) -> sa.Select[Any]:
    """Order the list, and leave out what stands before the cursor `after`."""
    order, key = _order(listed, query.sort), listed.c.account_id
    column, backwards = order.column, query.backwards
    chosen = sa.select(listed)
    if after is not None:
        last = Cursor.read(after)
        rank = order.value(last.rank)
        beyond = column > rank if backwards else column < rank
        follows = key < last.id if backwards and query.sort == "account" else key > last.id
        chosen = chosen.where(sa.or_(beyond, sa.and_(column == rank, follows)))
    if query.sort == "account":
        return chosen.order_by(key.desc() if backwards else key)
    return chosen.order_by(column if backwards else column.desc(), key)


def _cursor(listed: sa.Subquery, query: PoolQuery, end: sa.Row[Any]) -> str:
    order = _order(listed, query.sort)
    rank = 0.0 if query.sort == "account" else order.number(getattr(end, str(order.column.key)))
    return str(Cursor(rank, end.account_id))


def _accounts(
    connection: sa.Connection, query: PoolQuery, rows: Sequence[sa.Row[Any]]
) -> tuple[PoolAccount, ...]:
    """Turn rows of the list into accounts, each with all that it sent, its families and its assessment."""
    owned = _wordings(_owners(connection, query))
    whole: dict[str, int] = {}
    families: dict[str, int] = {}
    assessed: dict[str, sa.Row[Any]] = {}
    sums = sa.select(_WHOLE.account_id, sa.func.sum(_WHOLE.requests)).group_by(_WHOLE.account_id)
    kinds = (
        sa.select(_SENT.account_id, sa.func.count(OWNER.distinct()))
        .join_from(tables.families, tables.spread, _FAMILY.family_id == _SENT.family_id)
        .where(_FAMILY.family_id.in_(owned))
        .group_by(_SENT.account_id)
    )
    latest = sa.select(_ASSESSED.account_id, _ASSESSED.score, _ASSESSED.flagged, _ASSESSED.departed)
    for ids in chunks([row.account_id for row in rows]):
        whole |= {r[0]: int(r[1]) for r in connection.execute(sums.where(_WHOLE.account_id.in_(ids)))}
        families |= {r[0]: r[1] for r in connection.execute(kinds.where(_SENT.account_id.in_(ids)))}
        assessed |= {r[0]: r for r in connection.execute(latest.where(_ASSESSED.account_id.in_(ids)))}
    return tuple(
        _to_account(
            row,
            families[row.account_id],
            max(whole.get(row.account_id, 0), row.requests),
            assessed.get(row.account_id),
        )
        for row in rows
    )


def _to_account(
    row: sa.Row[Any], families: int, all_requests: int, assessed: sa.Row[Any] | None
) -> PoolAccount:
    return PoolAccount(
        account_id=row.account_id,
        requests=row.requests,
        conversations=row.conversations,
        all_requests=all_requests,
        share=row.requests / all_requests,
        families=families,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        score=0.0 if assessed is None else assessed.score,
        flagged=assessed is not None and assessed.flagged,
        departed=assessed is not None and assessed.departed,
    )
