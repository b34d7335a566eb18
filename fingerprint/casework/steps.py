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
from fingerprint.store.labels import CHANGES, add_label, labels_of
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
    if do == "rename":
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
    family, number, table = step["family"], step.get("note"), tables.notes
    if number is None:
        row = {"family_id": family, "text": step["text"], "by": context.by, "at": context.at, "gone": False}
        number = context.connection.execute(sa.insert(table).returning(table.c.id), row).scalar_one()
        gone = False
    else:
        gone = bool(step["gone"])
        context.connection.execute(sa.update(table).where(table.c.id == number).values(gone=gone))
    context.audit("desk.note", f"{family}/desk", {"note": number, "gone": gone})
    return {"do": "note", "family": family, "note": number, "gone": not gone}


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
    of_campaign = table.c.campaign_id == campaign
    row = context.connection.execute(sa.select(table.c.name).where(of_campaign)).one_or_none()
    if row is None:
        raise NotFound(f"no campaign {campaign}")
    context.connection.execute(sa.update(table).where(of_campaign).values(name=step["name"]))
    context.audit("desk.rename", f"campaign/{campaign}", {"name": step["name"], "before": row.name})
    return {"do": "rename", "campaign": campaign, "name": row.name}


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
    "variant": _variant,
    "signature": _signature,
    "withdraw": _withdraw,
}
