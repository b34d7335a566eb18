"""A campaign as a case: confirmed or found benign as a whole, named, assigned, closed, merged, split, noted on."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import sqlalchemy as sa

from fingerprint.casework import case_moves
from fingerprint.casework.actions import Actions, checked_name, checked_note, listed_ids
from fingerprint.domain.casework import ActionRow, CaseAction, CaseRow, CaseWord, NoteRow
from fingerprint.domain.errors import Conflict, NotFound, UsageError
from fingerprint.domain.vocabulary import BENIGN, CAMPAIGN
from fingerprint.store import tables
from fingerprint.store.database import Database
from fingerprint.store.rows import CAMPAIGN as CAMPAIGN_OF
from fingerprint.store.rows import LISTED, select_families
from fingerprint.store.sql import chunks

_FAMILY = tables.families.c


class Cases:
    """What analysts do with campaigns as a whole; each action can be undone and is in the audit log.

    Raises NotFound for a campaign that has no families, Conflict when it changed since it was read, and StoreError.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._actions = Actions(database)

    def case(self, campaign_id: str) -> CaseRow:
        """Read what is said of a case, with its notes, oldest first, and its revision."""
        table, notes = tables.cases, tables.case_notes
        written = (
            sa.select(notes).where(notes.c.campaign_id == campaign_id, ~notes.c.gone).order_by(notes.c.id)
        )
        with self._database.reading() as connection:
            row = connection.execute(sa.select(table).where(table.c.campaign_id == campaign_id)).one_or_none()
            return CaseRow(
                assignee=row.assignee if row else None,
                closed=row.closed if row else None,
                reason=row.reason if row else None,
                notes=tuple(
                    NoteRow(r.id, r.campaign_id, r.text, r.by, r.at) for r in connection.execute(written)
                ),
                revision=_revision(connection, campaign_id, _members(connection, campaign_id)),
            )

    def do(self, campaign_id: str, action: CaseAction, *, by: str, expected: int | None = None) -> ActionRow:
        """Do one thing to a campaign; expected: the case's revision when it was read, None does not care.

        Raises UsageError where the action lacks what it needs, and for families that are not the campaign's.
        """
        with self._database.reading() as connection:
            members = _members(connection, campaign_id)
            revision = _revision(connection, campaign_id, members)
        if not members:
            raise NotFound(f"no campaign {campaign_id}")
        if expected is not None and revision != expected:
            raise Conflict(
                f"campaign {campaign_id}: revision {expected} expected, {revision} found: somebody else changed it"
            )
        return _DOES[action.do](self, campaign_id, members, action, by)

    def id_of(self, typed: str) -> str | None:
        """Return the campaign that somebody means by an id or a name; None where there is none, UsageError for several."""
        with self._database.reading() as connection:
            return case_moves.id_of(connection, typed.strip())

    def _label(self, campaign_id: str, members: list[str], action: CaseAction, by: str) -> ActionRow:
        label = CAMPAIGN if action.do == "confirm" else BENIGN
        if label == BENIGN and not action.reason:
            raise UsageError("a reason expected, none found: what is benign should say why")
        steps = case_moves.labels(members, label, campaign_id, action.reason)
        steps.append(case_moves.line(campaign_id, action.do, families=members, reason=action.reason))
        said = f"{campaign_id} confirmed" if label == CAMPAIGN else f"{campaign_id} is benign"
        words = f"{said}: {listed_ids(members)}{f' ({action.reason})' if action.reason else ''}"
        return self._actions.act("label", dict.fromkeys(members), steps, words, by)

    def _rename(self, campaign_id: str, _members: list[str], action: CaseAction, by: str) -> ActionRow:
        return self._actions.rename_campaign(campaign_id, action.name or "", by=by)

    def _assign(self, campaign_id: str, _members: list[str], action: CaseAction, by: str) -> ActionRow:
        to = checked_name(action.to) if action.to else None
        words = f"{campaign_id} assigned to {to}" if to else f"{campaign_id} is nobody's"
        return self._actions.act(
            "assign", {}, [{"do": "assign", "campaign": campaign_id, "to": to}], words, by
        )

    def _note(self, campaign_id: str, _members: list[str], action: CaseAction, by: str) -> ActionRow:
        step = {"do": "case_note", "campaign": campaign_id, "text": checked_note(action.text or "")}
        return self._actions.act("note", {}, [step], f"note on {campaign_id}", by)

    def _close(self, campaign_id: str, _members: list[str], action: CaseAction, by: str) -> ActionRow:
        closed = datetime.now(UTC).isoformat() if action.do == "close" else None
        step = {"do": "close", "campaign": campaign_id, "closed": closed, "reason": action.reason}
        words = f"{campaign_id} {'closed' if closed else 'reopened'}{f' ({action.reason})' if action.reason else ''}"
        return self._actions.act("close", {}, [step], words, by)

    def _merge(self, campaign_id: str, members: list[str], action: CaseAction, by: str) -> ActionRow:
        """Move a campaign's families into another one, which keeps its id and name; notes come along."""
        with self._database.reading() as connection:
            into = case_moves.id_of(connection, action.into.strip()) if action.into else campaign_id
            if into == campaign_id:
                raise UsageError("the id or name of another campaign to merge into expected")
            if into is None or not _members(connection, into):
                raise NotFound(f"no campaign {action.into}")
            steps = case_moves.moves(connection, members, into)
            steps += case_moves.belongings(connection, campaign_id, into)
            origin, target = (case_moves.named(connection, name) for name in (campaign_id, into))
        detail = {"from": campaign_id, "into": into, "families": members}
        steps += [case_moves.line(name, "merge", **detail) for name in (campaign_id, into)]
        return self._actions.act("merge", dict.fromkeys(members), steps, f"merged {origin} into {target}", by)

    def _split(self, campaign_id: str, members: list[str], action: CaseAction, by: str) -> ActionRow:
        """Move some of a campaign's families into another one, made when new; without a name a new one."""
        chosen = list(dict.fromkeys(action.families))
        wrong = [family for family in chosen if family not in members]
        if wrong or not chosen:
            raise UsageError(f"families of {campaign_id} expected, {', '.join(wrong) or 'none'} found")
        if len(chosen) == len(members) and action.do == "split":
            raise UsageError(f"not all families of {campaign_id} expected: one must stay")
        typed = checked_name(action.into) if action.into else f"c-{secrets.token_hex(4)}"
        with self._database.reading() as connection:
            into = case_moves.id_of(connection, typed) or typed
            if into == campaign_id:
                raise UsageError("another campaign expected, this one found")
            steps = case_moves.moves(connection, chosen, into)
            origin, target = (case_moves.named(connection, name) for name in (campaign_id, into))
        detail = {"from": campaign_id, "into": into, "families": chosen}
        steps += [case_moves.line(name, action.do, **detail) for name in (campaign_id, into)]
        words = f"moved {listed_ids(chosen)} from {origin} to {target}"
        return self._actions.act(action.do, dict.fromkeys(chosen), steps, words, by)


_DOES: dict[CaseWord, Callable[[Cases, str, list[str], CaseAction, str], ActionRow]] = {
    "confirm": Cases._label,
    "benign": Cases._label,
    "rename": Cases._rename,
    "assign": Cases._assign,
    "note": Cases._note,
    "close": Cases._close,
    "reopen": Cases._close,
    "merge": Cases._merge,
    "split": Cases._split,
    "move": Cases._split,
}


def _members(connection: sa.Connection, campaign_id: str) -> list[str]:
    members = select_families(_FAMILY.family_id).where(LISTED, CAMPAIGN_OF.in_([campaign_id]))
    return sorted(connection.scalars(members.with_only_columns(_FAMILY.family_id)))


def _revision(connection: sa.Connection, campaign_id: str, members: Iterable[str]) -> int:
    """Return the number of the latest change of a campaign or one of its families, 0 for none."""
    log = tables.audit.c
    newest = 0
    for subjects in chunks([f"campaign/{campaign_id}", *members]):
        of_these = sa.select(sa.func.max(log.id)).where(log.subject.in_(subjects))
        newest = max(newest, connection.scalar(of_these) or 0)
    return newest
