"""The single steps that analysts' actions are made of; applying one returns the step that reverses it (D-015).

A step is a JSON object: `do` names it, `family` (or `campaign`, or `name` for a view) what it changes, the rest is its
value.
Every step writes its line into the audit log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fingerprint.domain import signature_json
from fingerprint.domain.errors import NotFound
from fingerprint.domain.rows import LabelRow
from fingerprint.store import access, night_writer, tables
from fingerprint.store.labels import CHANGES, add_campaign, add_label, labels_of
from fingerprint.store.rows import signatures_of, to_row
from fingerprint.store.sql import upsert

Step = dict[str, Any]

_EDITED_COLUMNS = night_writer.PINNED["template"]
"""Columns of a family that an edit writes."""


@dataclass(frozen=True, slots=True)
class StepContext:
    """Who applies a step, when, and in which transaction."""

    connection: sa.Connection
    by: str
    at: datetime

    def audit(self, action: str, subject: str, detail: Step) -> None:
        """Add a line to the audit log."""
        access.record(self.connection, self.by, action, subject, detail, self.at)


def apply(context: StepContext, step: Step) -> Step:
    """Apply a step inside the caller's transaction; returns its inverse, also a step. Raises NotFound."""
    return _STEPS[step["do"]](context, step)


def touched(step: Step, inverse: Step) -> set[tuple[str, str]]:
    """Return what an applied step changed: subjects (families, or view/NAME), each with the aspect changed."""
    do = step["do"]
    if do == "view":
        return {(f"view/{step['name']}", do)}
    if do == "case_note":
        return {(f"campaign/{step['campaign']}", f"note/{inverse['note']}")}
    if do == "case_line":
        return {(f"campaign/{step['campaign']}", f"line/{inverse['at']}")}
    if do in ("rename", "assign", "close"):
        return {(f"campaign/{step['campaign']}", do)}
    family = step["family"]
    if do == "note":
        return {(family, f"note/{inverse['note']}")}
    if do == "variant":
        originals = {step["variant_of"], inverse["variant_of"]} - {None}
        return {(family, do), *((original, f"wording/{family}") for original in originals)}
    return {(family, "signature" if do == "withdraw" else do)}


def _label(context: StepContext, step: Step) -> Step:
    family = step["family"]
    before = labels_of(context.connection, family)
    word = LabelRow(family, step["label"], step["campaign"], step["reason"], context.by, context.at)
    add_label(context.connection, word)
    last = before[-1] if before else None
    return {
        "do": "label",
        "family": family,
        "label": last.label if last else None,
        "campaign": last.campaign_id if last else None,
        "reason": last.reason if last else None,
    }


def _snooze(context: StepContext, step: Step) -> Step:
    family, until, table = step["family"], step["until"], tables.snoozes
    of_family = table.c.family_id == family
    before = context.connection.scalar(sa.select(table.c.until).where(of_family))
    if until is None:
        context.connection.execute(sa.delete(table).where(of_family))
    else:
        row = {"family_id": family, "until": datetime.fromisoformat(until), "by": context.by}
        upsert(context.connection, table, [row])
    context.audit("desk.snooze", f"{family}/desk", {"until": until})
    return {"do": "snooze", "family": family, "until": before.isoformat() if before else None}


def _note(context: StepContext, step: Step) -> Step:
    return _noted(context, step, tables.notes, "family")


def _case_note(context: StepContext, step: Step) -> Step:
    _campaign(context, step["campaign"])
    return _noted(context, step, tables.case_notes, "campaign")


def _noted(context: StepContext, step: Step, table: sa.Table, kind: str) -> Step:
    """Write a note on a family or a campaign, or take one away and bring it back."""
    subject, number = step[kind], step.get("note")
    if number is None:
        row = {f"{kind}_id": subject, "text": step["text"], "by": context.by, "at": context.at, "gone": False}
        number = context.connection.execute(sa.insert(table).returning(table.c.id), row).scalar_one()
        gone = False
    else:
        gone = bool(step["gone"])
        context.connection.execute(sa.update(table).where(table.c.id == number).values(gone=gone))
    name = f"{subject}/desk" if kind == "family" else f"campaign/{subject}/desk"
    context.audit("desk.note", name, {"note": number, "gone": gone})
    return {"do": step["do"], kind: subject, "note": number, "gone": not gone}


def _view(context: StepContext, step: Step) -> Step:
    name, query, table = step["name"], step["query"], tables.views
    before = context.connection.scalar(sa.select(table.c.query).where(table.c.name == name))
    if query is None:
        context.connection.execute(sa.delete(table).where(table.c.name == name))
    else:
        upsert(
            context.connection, table, [{"name": name, "query": query, "by": context.by, "at": context.at}]
        )
    context.audit("desk.view", f"view/{name}", {"query": query})
    return {"do": "view", "name": name, "query": before}


def _rename(context: StepContext, step: Step) -> Step:
    campaign, table = step["campaign"], tables.campaigns
    before = _campaign(context, campaign).name
    of_campaign = table.c.campaign_id == campaign
    context.connection.execute(sa.update(table).where(of_campaign).values(name=step["name"]))
    context.audit("desk.rename", f"campaign/{campaign}", {"name": step["name"], "before": before})
    return {"do": "rename", "campaign": campaign, "name": before}


def _assign(context: StepContext, step: Step) -> Step:
    before = _case(context, step["campaign"], {"assignee": step["to"]})
    context.audit("desk.assign", f"campaign/{step['campaign']}", {"to": step["to"]})
    return {"do": "assign", "campaign": step["campaign"], "to": before.assignee if before else None}


def _close(context: StepContext, step: Step) -> Step:
    closed = step["closed"] and datetime.fromisoformat(step["closed"])
    before = _case(context, step["campaign"], {"closed": closed, "reason": step["reason"]})
    detail = {"closed": step["closed"], "reason": step["reason"]}
    context.audit("desk.close", f"campaign/{step['campaign']}", detail)
    was = before.closed if before else None
    return {
        "do": "close",
        "campaign": step["campaign"],
        "closed": was and was.isoformat(),
        "reason": before.reason if before else None,
    }


def _case_line(context: StepContext, step: Step) -> Step:
    """Write into a campaign's history what was done to its families; at: tells one such line from another."""
    undone = step.get("undone", False)
    _campaign(context, step["campaign"])
    detail = step["detail"] | ({"undone": True} if undone else {})
    context.audit(f"desk.{step['action']}", f"campaign/{step['campaign']}", detail)
    return step | {"undone": not undone, "at": context.at.isoformat()}


def _case(context: StepContext, campaign: str, values: Step) -> sa.Row[Any] | None:
    """Write what is said of a case; returns its row of before, None where there was none."""
    _campaign(context, campaign)
    table = tables.cases
    before = context.connection.execute(sa.select(table).where(table.c.campaign_id == campaign)).one_or_none()
    row = {"campaign_id": campaign, "assignee": None, "closed": None, "reason": None} | values
    upsert(context.connection, table, [row], keep={"assignee", "closed", "reason"} - set(values))
    return before


def _move(context: StepContext, step: Step) -> Step:
    """Put a family into another campaign, made when new; nights leave it there as long as it is pinned."""
    family, campaign, t = step["family"], step["campaign"], tables.families.c
    row = _row(context, family, t.campaign_id, t.pinned, t.score, t.flagged)
    if campaign is not None:
        add_campaign(context.connection, campaign, row.score, context.at, flagged=row.flagged)
    _change(context, family, {"campaign_id": campaign, "pinned": step["pinned"]})
    context.audit(f"{CHANGES}move", family, {"campaign": campaign, "before": row.campaign_id})
    return {"do": "move", "family": family, "campaign": row.campaign_id, "pinned": row.pinned}


def _campaign(context: StepContext, campaign: str) -> sa.Row[Any]:
    table = tables.campaigns
    for row in context.connection.execute(sa.select(table).where(table.c.campaign_id == campaign)):
        return row
    raise NotFound(f"no campaign {campaign}")


def _variant(context: StepContext, step: Step) -> Step:
    family, original, table = step["family"], step["variant_of"], tables.families
    of_family = table.c.family_id == family
    row = _row(context, family, table.c.variant_of, table.c.pinned)
    values = {"variant_of": original, "pinned": step["pinned"]}
    context.connection.execute(sa.update(table).where(of_family).values(values))
    night_writer.update_totals(context.connection, {f for f in (family, original, row.variant_of) if f})
    for name in sorted({f for f in (family, original, row.variant_of) if f}):
        detail = {"family": family, "variant_of": original, "before": row.variant_of}
        context.audit(f"{CHANGES}variant", name, detail)
    return {"do": "variant", "family": family, "variant_of": row.variant_of, "pinned": row.pinned}


def _signature(context: StepContext, step: Step) -> Step:
    family, table = step["family"], tables.families
    new = signature_json.from_json(step["signature"])
    stored = signatures_of(context.connection, [family])
    if not stored:
        night_writer.save_families(context.connection, [new], context.at, campaign_of={})
        _change(context, family, {"pinned": step["pinned"]})
        context.audit(f"{CHANGES}edit", family, {"version": new.version, "made": "split"})
        return {"do": "withdraw", "family": family, "withdrawn": True}
    old = stored[0]
    pinned = _row(context, family, table.c.pinned).pinned
    night_writer.keep_version(context.connection, [old], context.at)
    columns = to_row(new)
    values = {name: columns[name] for name in _EDITED_COLUMNS} | {"version": old.version + 1}
    _change(context, family, values | {"pinned": step["pinned"], "updated": context.at})
    detail = {"version": old.version + 1, "threshold": new.threshold, "pinned": step["pinned"]}
    context.audit(f"{CHANGES}edit", family, detail)
    return {"do": "signature", "family": family, "signature": signature_json.to_json(old), "pinned": pinned}


def _withdraw(context: StepContext, step: Step) -> Step:
    family, withdrawn = step["family"], step["withdrawn"]
    _change(context, family, {"withdrawn": withdrawn})
    context.audit(f"{CHANGES}withdraw", family, {"withdrawn": withdrawn})
    return {"do": "withdraw", "family": family, "withdrawn": not withdrawn}


def _change(context: StepContext, family: str, values: Step) -> None:
    table = tables.families
    context.connection.execute(sa.update(table).where(table.c.family_id == family).values(values))


def _row(context: StepContext, family: str, *columns: sa.Column[Any]) -> sa.Row[Any]:
    chosen = sa.select(*columns).where(tables.families.c.family_id == family)
    for row in context.connection.execute(chosen):
        return row
    raise NotFound(f"no family {family}")


_STEPS: dict[str, Callable[[StepContext, Step], Step]] = {
    "label": _label,
    "snooze": _snooze,
    "note": _note,
    "view": _view,
    "rename": _rename,
    "assign": _assign,
    "close": _close,
    "case_note": _case_note,
    "case_line": _case_line,
    "move": _move,
    "variant": _variant,
    "signature": _signature,
    "withdraw": _withdraw,
}
