"""The analysts' queue: families ranked by score × novelty × size, filtered, searched, and read page by page.

novelty = 1 / (1 + days since it was first seen / NOVEL_DAYS), the latest traffic of the home being today.
size = (ln(1 + accounts) + ln(1 + requests)) / (ln(1 + 1,000) + ln(1 + 10,000)), at most 1.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from fingerprint.domain.casework import CasePage, QueueCase, QueuePage, QueueQuery, QueueRow, QueueSort
from fingerprint.domain.word_pairs import made_name
from fingerprint.store import tables
from fingerprint.store.cursors import Cursor
from fingerprint.store.database import Database
from fingerprint.store.lists import campaigns_of
from fingerprint.store.rows import ACTIVE, CAMPAIGN, LABEL, LISTED, select_families, to_family
from fingerprint.store.sql import chunks

NOVEL_DAYS = 14.0
"""A family this old is half as novel as one first seen today."""

LARGE_FAMILY = math.log1p(1_000) + math.log1p(10_000)
"""1,000 accounts with 10,000 requests are as large as it gets."""

_FAMILY = tables.families.c
_TERM = re.compile(r'(-?)(?:"([^"]+)"|(\S+))')


class days_since(FunctionElement[float]):  # noqa: N801  named as SQL functions are
    """Days from one time to a later one, as SQL."""

    type = sa.Double()
    inherit_cache = True


@compiles(days_since, "sqlite")
def _sqlite_days(element: days_since, compiler: Any, **options: Any) -> str:
    early, late = (compiler.process(clause, **options) for clause in element.clauses)
    return f"(julianday({late}) - julianday({early}))"


@compiles(days_since, "postgresql")
def _postgresql_days(element: days_since, compiler: Any, **options: Any) -> str:
    early, late = (compiler.process(clause, **options) for clause in element.clauses)
    return f"(CAST(extract(epoch FROM {late} - {early}) AS double precision) / 86400.0)"


class Queue:
    """Reads the queue of one database. Raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, query: QueueQuery, *, after: str | None = None, limit: int = 50) -> QueuePage:
        """Read a page of the queue, the first or the one after a page's `after`; raises UsageError for another."""
        with self._database.reading() as connection:
            newest = connection.scalar(sa.select(sa.func.max(_FAMILY.last_seen)).where(ACTIVE))
            if newest is None:
                return QueuePage((), 0, None)
            last = None if after is None else Cursor.read(after)
            as_of = newest if last is None or last.as_of is None else last.as_of
            novelty, size = _novelty(as_of), _size()
            priority = (_FAMILY.score * novelty * size).label("priority")
            rank = _rank(query.sort, priority.element, as_of)
            matching = _matching(query, as_of)
            total = connection.scalar(matching.with_only_columns(sa.func.count())) or 0
            ranked = matching.with_only_columns(
                *(
                    _FAMILY.family_id,
                    priority,
                    novelty.label("novelty"),
                    size.label("size"),
                    rank.label("rank"),
                )
            )
            ranked = ranked.order_by(sa.desc("rank"), _FAMILY.family_id).limit(limit + 1)
            if last is not None:
                ranked = ranked.where(last.follows(rank, _FAMILY.family_id))
            rows = list(connection.execute(ranked))
            listed = _rows(connection, rows[:limit], as_of)
        end = rows[limit - 1] if len(rows) > limit else None
        return QueuePage(listed, total, str(Cursor(end.rank, end.family_id, as_of)) if end else None)

    def cases(self, query: QueueQuery, *, after: str | None = None, limit: int = 50) -> CasePage:
        """Read a page of campaigns, and families of none, by the highest priority of the families that the query finds.

        Raises UsageError for an `after` that no page gave.
        """
        with self._database.reading() as connection:
            newest = connection.scalar(sa.select(sa.func.max(_FAMILY.last_seen)).where(ACTIVE))
            if newest is None:
                return CasePage((), 0, 0, None)
            last = None if after is None else Cursor.read(after)
            as_of = newest if last is None or last.as_of is None else last.as_of
            novelty, size = _novelty(as_of), _size()
            matching = _matching(query, as_of).with_only_columns(
                _FAMILY.family_id,
                sa.func.coalesce(CAMPAIGN, _FAMILY.family_id).label("case_id"),
                (priority := _FAMILY.score * novelty * size).label("priority"),
                novelty.label("novelty"),
                size.label("size"),
                _rank(query.sort, priority, as_of).label("rank"),
            )
            members = matching.subquery("members")
            ranked = (
                sa.select(
                    members.c.case_id,
                    sa.func.max(members.c.priority).label("priority"),
                    (sa.func.sum if query.sort in ("accounts", "requests") else sa.func.max)(
                        members.c.rank
                    ).label("rank"),
                )
                .group_by(members.c.case_id)
                .subquery("ranked")
            )
            counts = sa.select(sa.func.count(members.c.case_id.distinct()), sa.func.count())
            total, families = connection.execute(counts.select_from(members)).one()
            listed = sa.select(ranked).order_by(ranked.c.rank.desc(), ranked.c.case_id)
            if last is not None:
                listed = listed.where(last.follows(ranked.c.rank, ranked.c.case_id))
            found = list(connection.execute(listed.limit(limit + 1)))
            cases = _cases(connection, members, found[:limit], as_of)
        end = found[limit - 1] if len(found) > limit else None
        return CasePage(cases, total, families, str(Cursor(end.rank, end.case_id, as_of)) if end else None)

    def families(self, family_ids: Sequence[str]) -> tuple[QueueRow, ...]:
        """Read some families as the queue shows them, in the order given; those that there are not are left out."""
        with self._database.reading() as connection:
            newest = connection.scalar(sa.select(sa.func.max(_FAMILY.last_seen)).where(ACTIVE))
            if newest is None:
                return ()
            novelty, size = _novelty(newest), _size()
            columns = (
                (_FAMILY.score * novelty * size).label("priority"),
                novelty.label("novelty"),
                size.label("size"),
            )
            chosen = sa.select(_FAMILY.family_id, *columns).where(
                _FAMILY.family_id.in_(list(family_ids)), ACTIVE
            )
            row_of: dict[str, Any] = {row.family_id: row for row in connection.execute(chosen)}
            return _rows(connection, [row_of[f] for f in family_ids if f in row_of], newest)

    def campaigns(self) -> dict[str, str]:
        """Return the names of all campaigns by their ids, those with families first seen last."""
        t = tables.campaigns.c
        every = sa.select(t.campaign_id, t.name).order_by(t.created.desc(), t.campaign_id)
        with self._database.reading() as connection:
            rows = connection.execute(every).all()
        return {row.campaign_id: row.name or made_name(row.campaign_id) for row in rows}


def _cases(
    connection: sa.Connection, members: sa.Subquery, ranked: Sequence[Any], as_of: datetime
) -> tuple[QueueCase, ...]:
    """Read ranked campaigns with their families, the one of the highest priority first."""
    ids = [row.case_id for row in ranked]
    chosen = sa.select(members).where(members.c.case_id.in_(ids))
    ordered = list(connection.execute(chosen.order_by(members.c.priority.desc(), members.c.family_id)))
    rows = dict(zip((row.family_id for row in ordered), _rows(connection, ordered, as_of), strict=True))
    families: dict[str, list[QueueRow]] = defaultdict(list)
    for row in ordered:
        families[row.case_id].append(rows[row.family_id])
    campaigns = {row.campaign_id: row for row in campaigns_of(connection, ids)}
    table = tables.cases.c
    theirs = sa.select(table.campaign_id, table.assignee).where(table.campaign_id.in_(ids))
    assignees = {row.campaign_id: row.assignee for row in connection.execute(theirs)}
    return tuple(
        QueueCase(campaigns.get(c.case_id), tuple(families[c.case_id]), c.priority, assignees.get(c.case_id))
        for c in ranked
    )


def _novelty(as_of: datetime) -> sa.ColumnElement[Any]:
    now = sa.bindparam(None, as_of, type_=_FAMILY.first_seen.type)
    age = days_since(_FAMILY.first_seen, now)
    return 1.0 / (1.0 + sa.case((age < 0.0, 0.0), else_=age) / NOVEL_DAYS)


def _size() -> sa.ColumnElement[Any]:
    logs = sa.func.ln(1.0 + _FAMILY.accounts) + sa.func.ln(1.0 + _FAMILY.requests)
    size = sa.type_coerce(logs, sa.Double()) / LARGE_FAMILY
    return sa.case((size > 1.0, 1.0), else_=size)


def _rank(sort: QueueSort, priority: sa.ColumnElement[Any], as_of: datetime) -> sa.ColumnElement[Any]:
    """Return what the queue is sorted by, the highest first, as a number that is not whole."""
    now = sa.bindparam(None, as_of, type_=_FAMILY.first_seen.type)
    ranks: dict[QueueSort, sa.ColumnElement[Any]] = {
        "priority": priority,
        "score": _FAMILY.score,
        "accounts": sa.cast(_FAMILY.accounts, sa.Double),
        "requests": sa.cast(_FAMILY.requests, sa.Double),
        "first-seen": -days_since(_FAMILY.first_seen, now),
    }
    return ranks[sort]


def _matching(query: QueueQuery, as_of: datetime) -> sa.Select[Any]:
    snoozed = tables.snoozes
    asleep = sa.exists().where(snoozed.c.family_id == _FAMILY.family_id, snoozed.c.until > datetime.now(UTC))
    case = tables.cases.c
    shut = sa.exists().where(case.campaign_id == CAMPAIGN, case.closed >= _FAMILY.created)
    chosen = select_families(_FAMILY.family_id).where(LISTED)
    states = {
        "open": sa.and_(LABEL.is_(None), ~asleep, ~shut),
        "closed": shut,
        "labelled": LABEL.is_not(None),
        "snoozed": asleep,
        "all": sa.true(),
    }
    return chosen.where(states[query.state], *_filters(query, as_of), *_words(query.words))


def _filters(query: QueueQuery, as_of: datetime) -> list[sa.ColumnElement[bool]]:
    sent, label, campaign = tables.spread.c, LABEL, CAMPAIGN
    by_account = sa.select(sent.family_id).where(sent.account_id == query.account)
    case = tables.cases.c
    assigned = sa.exists().where(case.campaign_id == campaign, case.assignee == query.assignee)
    pairs: list[tuple[object, sa.ColumnElement[bool]]] = [
        (query.label, label == query.label),
        (query.campaign, campaign == query.campaign),
        (query.assignee, assigned),
        (query.kind, _FAMILY.kind == query.kind),
        (query.flagged, _FAMILY.flagged),
        (query.min_score, _FAMILY.score >= query.min_score),
        (query.min_accounts, _FAMILY.accounts >= query.min_accounts),
        (query.account, _FAMILY.family_id.in_(by_account)),
    ]
    if query.days is not None:
        pairs.append((True, _FAMILY.first_seen >= as_of - timedelta(days=query.days)))
    return [clause for value, clause in pairs if value]


def _words(words: str) -> list[sa.ColumnElement[bool]]:
    """Turn words into clauses: all must be there, "these together", -this not."""
    out = []
    for minus, phrase, word in _TERM.findall(words.replace("\0", " ")):
        text = (phrase or word).casefold()
        there = _FAMILY.search.contains(text, autoescape=True)
        out.append(~there if minus else there)
    return out


def _rows(connection: sa.Connection, ranked: Sequence[Any], as_of: datetime) -> tuple[QueueRow, ...]:
    names = [row.family_id for row in ranked]
    plain = (
        c for c in tables.families.c if c.key == "per_day" or not isinstance(c.type, sa.LargeBinary | sa.JSON)
    )
    t = tables
    families: dict[str, sa.Row[Any]] = {}
    revisions: dict[str, int] = {}
    snoozed: dict[str, datetime] = {}
    notes: dict[str, int] = {}
    listed = select_families(*plain)
    for chunk in chunks(names):
        families |= {r.family_id: r for r in connection.execute(listed.where(_FAMILY.family_id.in_(chunk)))}
        newest = sa.select(t.audit.c.subject, sa.func.max(t.audit.c.id)).where(t.audit.c.subject.in_(chunk))
        revisions |= {r[0]: r[1] for r in connection.execute(newest.group_by(t.audit.c.subject))}
        asleep = sa.select(t.snoozes.c.family_id, t.snoozes.c.until).where(t.snoozes.c.family_id.in_(chunk))
        snoozed |= {r[0]: r[1] for r in connection.execute(asleep)}
        count = sa.select(t.notes.c.family_id, sa.func.count()).where(
            t.notes.c.family_id.in_(chunk), ~t.notes.c.gone
        )
        notes |= {r[0]: r[1] for r in connection.execute(count.group_by(t.notes.c.family_id))}
    return tuple(
        QueueRow(
            family=to_family(families[row.family_id]),
            priority=row.priority,
            novelty=row.novelty,
            size=row.size,
            revision=revisions.get(row.family_id, 0),
            snoozed=snoozed.get(row.family_id),
            notes=notes.get(row.family_id, 0),
            per_day=_last_days(families[row.family_id].per_day, as_of.date()),
        )
        for row in ranked
    )


def _last_days(per_day: dict[str, dict[str, int]], today: date, days: int = 14) -> tuple[int, ...]:
    dates = (today - timedelta(days=back) for back in reversed(range(days)))
    return tuple(per_day.get(day.isoformat(), {}).get("requests", 0) for day in dates)
