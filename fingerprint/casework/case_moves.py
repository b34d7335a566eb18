"""Families change their campaign: what a merge, a split and a move are made of, and how a campaign is named in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from fingerprint.casework.steps import Step
from fingerprint.domain.errors import UsageError
from fingerprint.domain.vocabulary import CAMPAIGN
from fingerprint.domain.word_pairs import made_name
from fingerprint.store import tables
from fingerprint.store.labels import labels_of
from fingerprint.store.sql import chunks

_FAMILY = tables.families.c
_CASE = tables.cases.c
_NOTE = tables.case_notes.c


def id_of(connection: sa.Connection, typed: str) -> str | None:
    """Return the campaign that somebody means by an id or a name; None where there is none, UsageError for several."""
    t = tables.campaigns.c
    names = {row.campaign_id: row.name for row in connection.execute(sa.select(t.campaign_id, t.name))}
    if typed in names:
        return typed
    wanted = typed.casefold()
    meant = sorted(c for c, name in names.items() if (name or made_name(c)).casefold() == wanted)
    if len(meant) > 1:
        raise UsageError(f"{typed} is the name of {len(meant)} campaigns: give one of {', '.join(meant)}")
    return meant[0] if meant else None


def named(connection: sa.Connection, campaign_id: str) -> str:
    """Name a campaign for people, with its id."""
    t = tables.campaigns.c
    name = connection.scalar(sa.select(t.name).where(t.campaign_id == campaign_id)) or made_name(campaign_id)
    return campaign_id if name == campaign_id else f"{name} ({campaign_id})"


def moves(connection: sa.Connection, families: Sequence[str], into: str) -> list[Step]:
    """Return the steps that put families into a campaign, made when new, with the labels that name their old one.

    A closed case is opened again by them: what nobody has looked at must not vanish into it.
    """
    steps: list[Step] = []
    pins = _pins(connection, families)
    undecided = False
    for family in families:
        pinned = sorted({*pins[family], "campaign"})
        steps.append({"do": "move", "family": family, "campaign": into, "pinned": pinned})
        last = next(reversed(labels_of(connection, family)), None)
        undecided |= last is None or last.label is None
        if last is not None and last.campaign_id is not None and last.label is not None:
            label = {"label": last.label, "campaign": into, "reason": last.reason}
            steps.append({"do": "label", "family": family, **label})
    target = _case(connection, into)
    if undecided and target is not None and target.closed is not None:
        steps.append({"do": "close", "campaign": into, "closed": None, "reason": None})
    return steps


def belongings(connection: sa.Connection, campaign_id: str, into: str) -> list[Step]:
    """Return the steps that take a case's notes along, each with who wrote it, and who has it where nobody has the other."""
    origin = named(connection, campaign_id)
    written = sa.select(tables.case_notes).where(_NOTE.campaign_id == campaign_id, ~_NOTE.gone)
    steps: list[Step] = [
        {
            "do": "case_note",
            "campaign": into,
            "text": f"{row.text}\n({row.by}, {row.at:%Y-%m-%d}, on {origin})",
        }
        for row in connection.execute(written.order_by(_NOTE.id))
    ]
    mine, theirs = _case(connection, campaign_id), _case(connection, into)
    if mine is not None and mine.assignee and not (theirs is not None and theirs.assignee):
        steps.append({"do": "assign", "campaign": into, "to": mine.assignee})
    return steps


def labels(members: Sequence[str], label: str, campaign_id: str, reason: str | None) -> list[Step]:
    """Return the steps that label all families of a campaign; only "campaign" keeps them in it."""
    campaign = campaign_id if label == CAMPAIGN else None
    return [
        {"do": "label", "family": family, "label": label, "campaign": campaign, "reason": reason}
        for family in members
    ]


def line(campaign_id: str, action: str, **detail: object) -> Step:
    """Return the step that writes an action into the campaign's own history and the audit log."""
    return {"do": "case_line", "campaign": campaign_id, "action": action, "detail": detail}


def _case(connection: sa.Connection, campaign_id: str) -> sa.Row[Any] | None:
    return connection.execute(sa.select(tables.cases).where(_CASE.campaign_id == campaign_id)).one_or_none()


def _pins(connection: sa.Connection, families: Sequence[str]) -> dict[str, list[str]]:
    pins: dict[str, list[str]] = {}
    for ids in chunks(families):
        chosen = sa.select(_FAMILY.family_id, _FAMILY.pinned).where(_FAMILY.family_id.in_(ids))
        pins |= {row.family_id: list(row.pinned) for row in connection.execute(chosen)}
    return pins
