"""The single steps that analysts' actions are made of; applying one gives the step that takes it back (D-015).

A step is a JSON object: `do` names it, `family` (or `name`, for a view) what it changes, the rest is its value.
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

_WRITTEN = (*night_writer.PINNED["template"],)


@dataclass(frozen=True, slots=True)
class StepContext:
    """Who applies a step, when, and in which transaction."""

    connection: sa.Connection
    by: str
    at: datetime

    def tell(self, action: str, subject: str, detail: Step) -> None:
        """Add a line to the audit log."""
        access.record(self.connection, self.by, action, subject, detail, self.at)


def apply(doing: StepContext, step: Step) -> Step:
    """Apply a step inside the caller's transaction; returns its inverse. Raises NotFound."""
    return _STEPS[step["do"]](doing, step)


def touched(step: Step, inverse: Step) -> set[tuple[str, str]]:
    """Return what an applied step changed, and which side of it."""
    do = step["do"]
    if do == "view":
        return {(f"view/{step['name']}", do)}
    family = step["family"]
    if do == "note":
        return {(family, f"note/{inverse['note']}")}
    if do == "variant":
        originals = {step["variant_of"], inverse["variant_of"]} - {None}
        return {(family, do), *((original, f"wording/{family}") for original in originals)}
    return {(family, "signature" if do == "withdraw" else do)}


def _label(doing: StepContext, step: Step) -> Step:
    family = step["family"]
    before = labels_of(doing.connection, family)
    word = LabelRow(family, step["label"], step["campaign"], step["reason"], doing.by, doing.at)
    add_label(doing.connection, word)
    last = before[-1] if before else None
    return {
        "do": "label",
        "family": family,
        "label": last.label if last else None,
        "campaign": last.campaign_id if last else None,
        "reason": last.reason if last else None,
    }


def _snooze(doing: StepContext, step: Step) -> Step:
    family, until, table = step["family"], step["until"], tables.snoozes
    mine = table.c.family_id == family
    before = doing.connection.scalar(sa.select(table.c.until).where(mine))
    if until is None:
        doing.connection.execute(sa.delete(table).where(mine))
    else:
        row = {"family_id": family, "until": datetime.fromisoformat(until), "by": doing.by}
        upsert(doing.connection, table, [row])
    doing.tell("desk.snooze", f"{family}/desk", {"until": until})
    return {"do": "snooze", "family": family, "until": before.isoformat() if before else None}


def _note(doing: StepContext, step: Step) -> Step:
    family, number, table = step["family"], step.get("note"), tables.notes
    if number is None:
        row = {"family_id": family, "text": step["text"], "by": doing.by, "at": doing.at, "gone": False}
        number = doing.connection.execute(sa.insert(table).returning(table.c.id), row).scalar_one()
        gone = False
    else:
        gone = bool(step["gone"])
        doing.connection.execute(sa.update(table).where(table.c.id == number).values(gone=gone))
    doing.tell("desk.note", f"{family}/desk", {"note": number, "gone": gone})
    return {"do": "note", "family": family, "note": number, "gone": not gone}


def _view(doing: StepContext, step: Step) -> Step:
    name, query, table = step["name"], step["query"], tables.views
    before = doing.connection.scalar(sa.select(table.c.query).where(table.c.name == name))
    if query is None:
        doing.connection.execute(sa.delete(table).where(table.c.name == name))
    else:
        upsert(doing.connection, table, [{"name": name, "query": query, "by": doing.by, "at": doing.at}])
    doing.tell("desk.view", f"view/{name}", {"query": query})
    return {"do": "view", "name": name, "query": before}


def _variant(doing: StepContext, step: Step) -> Step:
    family, original, table = step["family"], step["variant_of"], tables.families
    mine = table.c.family_id == family
    row = _row(doing, family, table.c.variant_of, table.c.pinned)
    values = {"variant_of": original, "pinned": step["pinned"]}
    doing.connection.execute(sa.update(table).where(mine).values(values))
    night_writer.update_totals(doing.connection, {f for f in (family, original, row.variant_of) if f})
    for name in sorted({f for f in (family, original, row.variant_of) if f}):
        detail = {"family": family, "variant_of": original, "before": row.variant_of}
        doing.tell(f"{CHANGES}variant", name, detail)
    return {"do": "variant", "family": family, "variant_of": row.variant_of, "pinned": row.pinned}


def _signature(doing: StepContext, step: Step) -> Step:
    family, table = step["family"], tables.families
    new = signature_json.from_json(step["signature"])
    found = signatures_of(doing.connection, [family])
    if not found:
        night_writer.save_families(doing.connection, [new], doing.at, campaign_of={})
        _change(doing, family, {"pinned": step["pinned"]})
        doing.tell(f"{CHANGES}edit", family, {"version": new.version, "made": "split"})
        return {"do": "withdraw", "family": family, "withdrawn": True}
    old = found[0]
    pinned = _row(doing, family, table.c.pinned).pinned
    night_writer.keep_version(doing.connection, [old], doing.at)
    written = to_row(new)
    values = {name: written[name] for name in _WRITTEN} | {"version": old.version + 1}
    _change(doing, family, values | {"pinned": step["pinned"], "updated": doing.at})
    detail = {"version": old.version + 1, "threshold": new.threshold, "pinned": step["pinned"]}
    doing.tell(f"{CHANGES}edit", family, detail)
    return {"do": "signature", "family": family, "signature": signature_json.to_json(old), "pinned": pinned}


def _withdraw(doing: StepContext, step: Step) -> Step:
    family, withdrawn = step["family"], step["withdrawn"]
    _change(doing, family, {"withdrawn": withdrawn})
    doing.tell(f"{CHANGES}withdraw", family, {"withdrawn": withdrawn})
    return {"do": "withdraw", "family": family, "withdrawn": not withdrawn}


def _change(doing: StepContext, family: str, values: Step) -> None:
    table = tables.families
    doing.connection.execute(sa.update(table).where(table.c.family_id == family).values(values))


def _row(doing: StepContext, family: str, *columns: sa.Column[Any]) -> sa.Row[Any]:
    chosen = sa.select(*columns).where(tables.families.c.family_id == family)
    for row in doing.connection.execute(chosen):
        return row
    raise NotFound(f"no family {family}")


_STEPS: dict[str, Callable[[StepContext, Step], Step]] = {
    "label": _label,
    "snooze": _snooze,
    "note": _note,
    "view": _view,
    "variant": _variant,
    "signature": _signature,
    "withdraw": _withdraw,
}
