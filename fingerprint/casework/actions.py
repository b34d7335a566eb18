"""What analysts do: label, snooze, note, merge, split and edit families, and undo any of it.

Each action is one transaction: its steps, their lines in the audit log, and the row by which it can be undone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from fingerprint.casework.steps import Step, StepContext, apply, touched
from fingerprint.domain import signature_json
from fingerprint.domain.casework import ActionRow, NoteRow, ViewRow
from fingerprint.domain.errors import Conflict, NotFound, UsageError
from fingerprint.domain.rows import LabelRow
from fingerprint.domain.signature import Signature
from fingerprint.domain.vocabulary import misspelt_label
from fingerprint.store import access, tables
from fingerprint.store.database import Database
from fingerprint.store.rows import ACTIVE, signatures_of

MAX_NOTE, MAX_NAME = 10_000, 80
"""Characters of a note, and of the name of a view or a campaign."""

ReadRevisions = Mapping[str, int | None]
"""The families of an action, each with its `revision` when it was read; None does not care."""


class Actions:
    """The analysts' actions on one database.

    `by` is the analyst, `expected` a family's revision when it was read. Raises NotFound for a family that is not
    stored, Conflict when somebody changed one since it was read, and StoreError.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def label(
        self,
        families: ReadRevisions,
        label: str | None,
        *,
        by: str,
        campaign: str | None = None,
        reason: str | None = None,
        as_written: bool = False,
    ) -> ActionRow:
        """Label families: "campaign", "benign", "relay" or another word; None takes the label away. `campaign` is made when new.

        Raises UsageError for a word that is probably one of vocabulary.LABELS misspelt, unless `as_written`.
        """
        meant = None if label is None or as_written else misspelt_label(label)
        if meant is not None:
            raise UsageError(
                f"label {label!r}: did you mean {meant!r}? Give --as-written (as_written in a request) to keep it"
            )
        steps = [
            {"do": "label", "family": family, "label": label, "campaign": campaign, "reason": reason}
            for family in families
        ]
        what = "label taken away from" if label is None else f"{label}{f' {campaign}' if campaign else ''}:"
        words = f"{what} {listed_ids(families)}{f' ({reason})' if reason else ''}"
        return self.act("label", families, steps, words, by)

    def set_label(
        self,
        family_id: str,
        label: str | None,
        *,
        by: str,
        campaign: str | None = None,
        reason: str | None = None,
        expected: int | None = None,
        as_written: bool = False,
    ) -> LabelRow:
        """Label one family as `label` does; returns the label as it was written.

        `campaign` puts the family into that campaign, made when new; "benign" and "relay" take it out of any. Labels are only ever
        added, are in the audit log, and can be undone. `expected`: the family's revision when it was read.
        """
        action = self.label(
            {family_id: expected}, label, by=by, campaign=campaign, reason=reason, as_written=as_written
        )
        return LabelRow(family_id, label, campaign, reason, by, action.at)

    def snooze(self, families: Iterable[str], until: datetime | None, *, by: str) -> ActionRow:
        """Keep families out of the queue until a time; None puts them back."""
        read = dict.fromkeys(families)
        when = None if until is None else until.astimezone(UTC).isoformat()
        steps = [{"do": "snooze", "family": family, "until": when} for family in read]
        what = "woken" if until is None else f"snoozed until {until:%Y-%m-%d}"
        return self.act("snooze", read, steps, f"{what}: {listed_ids(read)}", by)

    def note(self, family_id: str, text: str, *, by: str) -> ActionRow:
        """Write a note on a family; raises UsageError for an empty or very long one."""
        step = {"do": "note", "family": family_id, "text": checked_note(text)}
        return self.act("note", {family_id: None}, [step], f"note on {family_id}", by)

    def merge(self, target: str, families: ReadRevisions, *, by: str) -> ActionRow:
        """Make families, with their variants, other wordings of `target`; it takes a label over if it has none.

        `families` may name the target too, with its revision. Raises UsageError without another one.
        """
        others = [family for family in families if family != target]
        if not others:
            raise UsageError("at least two families to merge expected, one found")
        with self._database.reading() as connection:
            signatures = {s.family_id: s for s in signatures_of(connection, [target, *others])}
            pins_of = _with_variants(connection, others)
        if target in signatures and signatures[target].variant_of is not None:
            raise UsageError(f"{target} is a wording of {signatures[target].variant_of}; merge into that one")
        steps: list[Step] = [
            {"do": "variant", "family": family, "variant_of": target, "pinned": pins}
            for family, pins in pins_of.items()
        ]
        labelled = [signatures[f] for f in others if f in signatures and signatures[f].label is not None]
        if labelled and target in signatures and signatures[target].label is None:
            word, campaign = labelled[0].label, labelled[0].campaign_id
            reason = f"merged with {labelled[0].family_id}"
            steps.append(
                {"do": "label", "family": target, "label": word, "campaign": campaign, "reason": reason}
            )
        read = {target: None, **families}
        return self.act("merge", read, steps, f"merged {listed_ids(others)} into {target}", by)

    def split_wordings(
        self, family_id: str, wordings: Sequence[str], *, by: str, expected: int | None = None
    ) -> ActionRow:
        """Split wordings off a family: the first becomes a family of its own, the others its wordings.

        Raises UsageError for ids that are not the family's wordings, and for none.
        """
        with self._database.reading() as connection:
            pins_of = _with_variants(connection, [family_id])
        wrong = [w for w in wordings if w not in pins_of or w == family_id]
        if wrong or not wordings:
            raise UsageError(f"wordings of {family_id} expected, {', '.join(wrong) or 'none'} found")
        steps: list[Step] = [
            {"do": "variant", "family": w, "variant_of": wordings[0] if n else None, "pinned": pins_of[w]}
            for n, w in enumerate(wordings)
        ]
        words = f"split {listed_ids(wordings)} off {family_id}"
        return self.act("split", {family_id: expected}, steps, words, by)

    def edit(
        self, edited: Signature, pins: Iterable[str], *, by: str, expected: int | None = None, words: str = ""
    ) -> ActionRow:
        """Give a family another template or threshold; pins: "template", "threshold", what nights must not change."""
        family = edited.family_id
        step = _signature_step(edited, pins)
        return self.act("edit", {family: expected}, [step], words or f"edited {family}", by)

    def split_text(
        self, rest: Signature, child: Signature, *, by: str, expected: int | None = None
    ) -> ActionRow:
        """Split a family's text in two: `rest` stays the family's, `child` is a new family."""
        steps = [_signature_step(rest, ["template"]), _signature_step(child, ["template"])]
        words = f"split {child.family_id} off {rest.family_id}"
        return self.act("split", {rest.family_id: expected}, steps, words, by)

    def save_view(self, name: str, query: str | None, *, by: str) -> ActionRow:
        """Keep a queue's query under a name; None removes it. Raises UsageError without a name."""
        step = {"do": "view", "name": checked_name(name), "query": query}
        words = f"{'removed' if query is None else 'saved'} the view {checked_name(name)}"
        return self.act("view", {}, [step], words, by)

    def rename_campaign(self, campaign_id: str, name: str, *, by: str) -> ActionRow:
        """Give a campaign another name, which nights leave; raises NotFound, and UsageError without a name."""
        step = {"do": "rename", "campaign": campaign_id, "name": checked_name(name)}
        return self.act("rename", {}, [step], f"named {campaign_id} {checked_name(name)}", by)

    def undo(self, action_id: int, *, by: str) -> ActionRow:
        """Undo an action; an undo can be undone too.

        Raises NotFound, and Conflict when it is already undone or when what it changed has been changed again since.
        """
        with self._database.writing(alone=True) as connection:
            action = _action(connection, action_id)
            _check_undoable(connection, action)
            undo = _perform(
                StepContext(connection, by, datetime.now(UTC)),
                ("undo", f"undone: {action.words}"),
                list(reversed(action.inverse)),
                action_id,
            )
            _set_stands(connection, action_id, False)
            if action.undoes is not None:
                _set_stands(connection, action.undoes, True)
            return undo

    def undo_last(self, *, by: str) -> ActionRow:
        """Undo the last action of an analyst that is not undone yet; raises NotFound when there is none."""
        table = tables.actions
        newest = (
            sa.select(table.c.id)
            .where(table.c.by == by, table.c.undoes.is_(None), table.c.stands)
            .order_by(table.c.id.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            action_id = connection.scalar(newest)
        if action_id is None:
            raise NotFound(f"nothing to undo: {by} has no action that can be undone")
        return self.undo(action_id, by=by)

    def revision(self, family_id: str) -> int:
        """Return the number of the latest change of a family, 0 for none."""
        with self._database.reading() as connection:
            return access.revision(connection, family_id)

    def action(self, action_id: int) -> ActionRow:
        """Read one action; raises NotFound."""
        with self._database.reading() as connection:
            return _to_action_row(_action(connection, action_id))

    def history(
        self,
        subject: str | None = None,
        *,
        by: str | None = None,
        words: str = "",
        before: int | None = None,
        limit: int = 50,
    ) -> list[ActionRow]:
        """List the actions on a family (or campaign/ID) or by an analyst, or all, newest first.

        words: stand in what was done; before: only actions of a lower id.
        """
        table, subjects = tables.actions, tables.touched.c
        chosen = sa.select(table).order_by(table.c.id.desc()).limit(limit)
        if subject is not None:
            of_subject = sa.select(subjects.action_id).where(subjects.subject == subject)
            chosen = chosen.where(table.c.id.in_(of_subject))
        if words:
            chosen = chosen.where(sa.func.lower(table.c.words).contains(words.lower(), autoescape=True))
        if before is not None:
            chosen = chosen.where(table.c.id < before)
        if by is not None:
            chosen = chosen.where(table.c.by == by)
        with self._database.reading() as connection:
            return [_to_action_row(row) for row in connection.execute(chosen)]

    def notes(self, family_id: str) -> list[NoteRow]:
        """List the notes on a family, oldest first."""
        table = tables.notes
        of_family = sa.select(table).where(table.c.family_id == family_id, ~table.c.gone).order_by(table.c.id)
        with self._database.reading() as connection:
            return [NoteRow(r.id, r.family_id, r.text, r.by, r.at) for r in connection.execute(of_family)]

    def views(self) -> list[ViewRow]:
        """List the saved views by name."""
        table = tables.views
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(table))
            return sorted((ViewRow(r.name, r.query, r.by) for r in rows), key=lambda view: view.name)

    def act(self, kind: str, read: ReadRevisions, steps: Sequence[Step], words: str, by: str) -> ActionRow:
        """Do steps as one action on the families of `read`; words say what it does."""
        now = datetime.now(UTC)
        with self._database.writing(alone=True) as connection:
            _check(connection, read)
            return _perform(StepContext(connection, by, now), (kind, words), steps, None)


def checked_note(text: str) -> str:
    """Return the text of a note; raises UsageError for an empty or very long one."""
    text = text.strip().replace("\0", "\N{REPLACEMENT CHARACTER}")
    if not 0 < len(text) <= MAX_NOTE:
        raise UsageError(f"a note of 1 to {MAX_NOTE:,} characters expected, {len(text):,} found")
    return text


def checked_name(typed: str) -> str:
    """Return a name without what is not seen of it; raises UsageError for an empty or very long one."""
    name = " ".join(typed.replace("\0", "\N{REPLACEMENT CHARACTER}").split())
    if not 0 < len(name) <= MAX_NAME:
        raise UsageError(f"a name of 1 to {MAX_NAME} characters expected, {len(name)} found")
    return name


def _signature_step(signature: Signature, pins: Iterable[str]) -> Step:
    return {
        "do": "signature",
        "family": signature.family_id,
        "signature": signature_json.to_json(signature),
        "pinned": sorted(pins),
    }


def _check(connection: sa.Connection, read: ReadRevisions) -> None:
    table = tables.families
    chosen = sa.select(table.c.family_id).where(table.c.family_id.in_(list(read)), ACTIVE)
    active = set(connection.scalars(chosen))
    for family, expected in read.items():
        if family not in active:
            raise NotFound(f"no family {family}")
        revision = access.revision(connection, family)
        if expected is not None and revision != expected:
            raise Conflict(
                f"family {family}: revision {expected} expected, {revision} found: somebody else changed it"
            )


def _perform(
    context: StepContext, what: tuple[str, str], steps: Sequence[Step], undoes: int | None
) -> ActionRow:
    """Apply steps and write the action's row; what: its kind and words, undoes: the action that it undoes."""
    inverse = [apply(context, step) for step in steps]
    table = tables.actions
    row = {
        "at": context.at,
        "by": context.by,
        "kind": what[0],
        "words": what[1],
        "inverse": inverse,
        "undoes": undoes,
        "stands": True,
    }
    action = context.connection.execute(sa.insert(table).returning(table), row).one()
    changed = set().union(*(touched(step, back) for step, back in zip(steps, inverse, strict=True)))
    context.connection.execute(
        sa.insert(tables.touched),
        [
            {"action_id": action.id, "subject": subject, "aspect": aspect}
            for subject, aspect in sorted(changed)
        ],
    )
    return _to_action_row(action)


def _action(connection: sa.Connection, action_id: int) -> sa.Row[Any]:
    for row in connection.execute(sa.select(tables.actions).where(tables.actions.c.id == action_id)):
        return row
    raise NotFound(f"no action {action_id}")


def _set_stands(connection: sa.Connection, action_id: int, stands: bool) -> None:
    table = tables.actions
    connection.execute(sa.update(table).where(table.c.id == action_id).values(stands=stands))


def _check_undoable(connection: sa.Connection, action: sa.Row[Any]) -> None:
    """Raise Conflict if an action is undone, or if a later one that is not undone changed the same."""
    if not action.stands:
        raise Conflict(f"“{action.words}” is already undone")
    table, own, others = tables.actions, tables.touched.alias(), tables.touched.alias()
    later = (
        sa.select(table.c.id, table.c.by, table.c.words)
        .join(others, others.c.action_id == table.c.id)
        .join(own, sa.and_(own.c.subject == others.c.subject, own.c.aspect == others.c.aspect))
        .where(own.c.action_id == action.id, table.c.id > action.id, table.c.stands)
        # undoing a later action leaves things as this one made them
        .where(sa.or_(table.c.undoes.is_(None), table.c.undoes <= action.id))
        .order_by(table.c.id)
    )
    for row in connection.execute(later):
        raise Conflict(
            f"“{action.words}” cannot be undone: {row.by} has changed the same since (“{row.words}”)"
        )


def _with_variants(connection: sa.Connection, families: Sequence[str]) -> dict[str, list[str]]:
    """Return these families and their wordings, each with its pins, to which variant_of is added."""
    t = tables.families
    chosen = sa.select(t.c.family_id, t.c.pinned).where(
        sa.or_(t.c.family_id.in_(families), t.c.variant_of.in_(families)), ACTIVE
    )
    return {
        row.family_id: sorted({*row.pinned, "variant_of"})
        for row in connection.execute(chosen.order_by(t.c.family_id))
    }


def _to_action_row(row: sa.Row[Any]) -> ActionRow:
    families = sorted({step["family"] for step in row.inverse if "family" in step})
    return ActionRow(row.id, row.at, row.by, row.kind, row.words, tuple(families), row.undoes, row.stands)


def listed_ids(families: Iterable[str]) -> str:
    """Name families in few words."""
    ids = list(families)
    return ", ".join(ids) if len(ids) <= 3 else f"{', '.join(ids[:2])} and {len(ids) - 2} more"
