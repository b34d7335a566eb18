"""Signatures that were made elsewhere, into the database; every function works inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import sqlalchemy as sa

from fingerprint import saving
from fingerprint import signature as codec
from fingerprint.arrow_sql import chunks
from fingerprint.family_rows import signatures_of
from fingerprint.labelling import add_campaign, add_label, record_import
from fingerprint.records import HashArray, LabelRow, Signature
from fingerprint.tables import families, labels, spread

SAME_TEXT = 0.7
"""Jaccard index of two families' grams from which they are one template, found twice (`describe.SAME_WORDING`)."""

IMPORTER = "import"
"""Who says a label that came with a signature."""


@dataclass(slots=True)
class Taken:
    """What became of imported signatures, by family id.

    new: not known here. joined: new, but the text of a family here, of which they became other wordings.
    updated: known by an earlier import, and other now. kept: counted by nights here, or edited, and other there; ours stayed.
    same: nothing to change. disputed: what we call it and what they do, where that is not the same; ours stayed.
    """

    new: list[str] = field(default_factory=list)
    joined: dict[str, str] = field(default_factory=dict)
    updated: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    disputed: dict[str, tuple[str, str]] = field(default_factory=dict)


def take_in(
    connection: sa.Connection,
    signatures: Sequence[Signature],
    now: datetime,
    *,
    overwrite: bool,
    with_labels: bool,
    source: str | None,
) -> Taken:
    """Save signatures of distinct families, labels and campaigns included, and say what became of each.

    What nights here counted, and what analysts here said, stays; with `overwrite` the imported text goes before ours.
    Raises StampMismatch when another model or normaliser made the stored signatures.
    """
    for stamp in {signature.stamp for signature in signatures}:
        saving.require_stamp(connection, stamp, "this home")
    taken, wanted = Taken(), []
    known = {s.family_id: s for s in signatures_of(connection, [s.family_id for s in signatures])}
    counted = _counted(connection, list(known))
    stored = _Stored.read(connection)
    for signature in signatures:
        ours = known.get(signature.family_id)
        if ours is None:
            wanted.append(_joined(signature, stored, taken))
        elif _content(ours) == _content(signature):
            taken.same.append(signature.family_id)
        elif overwrite or signature.family_id not in counted:
            taken.updated.append(signature.family_id)
            wanted.append(signature)
        else:
            taken.kept.append(signature.family_id)
    _save(connection, wanted, now)
    if with_labels:
        _label(connection, signatures, taken, now, source)
    return taken


def last_changes(connection: sa.Connection) -> dict[str, datetime]:
    """Tell when each family, or what is said of it, last changed."""
    out = dict(connection.execute(sa.select(families.c.family_id, families.c.updated)).tuples().all())
    said = sa.select(labels.c.family_id, sa.func.max(labels.c.at)).group_by(labels.c.family_id)
    for family, at in connection.execute(said).tuples():
        out[family] = max(out[family], at)
    return out


def _counted(connection: sa.Connection, family_ids: Sequence[str]) -> set[str]:
    """Tell which families nights here have counted."""
    seen = sa.select(spread.c.family_id).distinct()
    return {
        family
        for chunk in chunks(family_ids)
        for family in connection.scalars(seen.where(spread.c.family_id.in_(chunk)))
    }


def _content(signature: Signature) -> dict[str, object]:
    """Return what a signature matches by, and its text; not who sent it, nor what is said of it."""
    names = (
        "kind",
        "variant_of",
        "threshold",
        "similarity",
        "usual",
        "template",
        "stamp",
        "grams",
        "weights",
        "prototypes",
    )
    content = codec.to_json(signature)
    return {name: content[name] for name in names}


@dataclass(frozen=True, slots=True)
class _Stored:
    """The grams of the families here: (g,) uint64, which family each belongs to (g,), and their ids and sizes (f,)."""

    grams: HashArray
    owner: np.ndarray
    ids: list[str]
    sizes: np.ndarray

    @classmethod
    def read(cls, connection: sa.Connection) -> _Stored:
        """Read the families that are listed: neither retired nor another's wording."""
        listed = sa.and_(families.c.retired_in.is_(None), families.c.variant_of.is_(None))
        chosen = (
            sa.select(families.c.family_id, families.c.grams).where(listed).order_by(families.c.family_id)
        )
        rows = connection.execute(chosen).all()
        each = [np.frombuffer(row.grams, dtype="<u8") for row in rows]
        sizes = np.array([len(grams) for grams in each], dtype=np.int64)
        grams = np.concatenate([*each, np.empty(0, np.uint64)]).astype(np.uint64)
        return cls(grams, np.repeat(np.arange(len(rows)), sizes), [row.family_id for row in rows], sizes)

    def same_text(self, signature: Signature) -> str | None:
        """Return the family whose grams are most like a signature's, if they are one template."""
        if not len(signature.grams) or not self.ids:
            return None
        held = np.isin(self.grams, signature.grams)
        both = np.bincount(self.owner[held], minlength=len(self.ids))
        alike = both / (self.sizes + len(signature.grams) - both)
        best = int(alike.argmax())
        return self.ids[best] if alike[best] >= SAME_TEXT else None


def _joined(signature: Signature, stored: _Stored, taken: Taken) -> Signature:
    """Make a new family that is a template known here another wording of that."""
    here = stored.same_text(signature) if signature.variant_of is None else None
    if here is None:
        taken.new.append(signature.family_id)
        return signature
    taken.joined[signature.family_id] = here
    return replace(signature, variant_of=here)


def _save(connection: sa.Connection, signatures: Sequence[Signature], now: datetime) -> None:
    family_ids = [signature.family_id for signature in signatures]
    campaign_of = {s.family_id: s.campaign_id for s in signatures if s.campaign_id is not None}
    for campaign in sorted(set(campaign_of.values())):
        add_campaign(connection, campaign, now)
    here = sa.select(families.c.family_id, families.c.campaign_id).where(families.c.campaign_id.is_not(None))
    for chunk in chunks(family_ids):
        campaign_of |= dict(connection.execute(here.where(families.c.family_id.in_(chunk))).tuples().all())
    saving.save_families(connection, signatures, now, campaign_of=campaign_of)
    saving.update_totals(connection, family_ids)
    for signature in signatures:
        record_import(connection, signature, IMPORTER, now)


def _label(
    connection: sa.Connection,
    signatures: Iterable[Signature],
    taken: Taken,
    now: datetime,
    source: str | None,
) -> None:
    """Add imported labels where no analyst here has said anything of the family, not even taken it back."""
    theirs = {taken.joined.get(s.family_id, s.family_id): s for s in signatures if s.label is not None}
    said = _latest_words(connection, list(theirs))
    for family, signature in theirs.items():
        word, by = said.get(family, (None, IMPORTER))
        if word == signature.label:
            continue
        if by != IMPORTER:
            taken.disputed[family] = (word or "none", str(signature.label))
            continue
        add_label(connection, LabelRow(family, signature.label, signature.campaign_id, source, IMPORTER, now))


def _latest_words(
    connection: sa.Connection, family_ids: Sequence[str]
) -> Mapping[str, tuple[str | None, str]]:
    """Return the latest label of each family that ever had one, and who gave it."""
    latest = sa.select(sa.func.max(labels.c.id)).group_by(labels.c.family_id)
    chosen = sa.select(labels).where(labels.c.id.in_(latest))
    return {
        row.family_id: (row.label, row.by)
        for chunk in chunks(family_ids)
        for row in connection.execute(chosen.where(labels.c.family_id.in_(chunk)))
    }
