"""Signatures that were made elsewhere, into the database; every function works inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import sqlalchemy as sa

from fingerprint.base.types import HashArray, IntArray
from fingerprint.domain import signature_json
from fingerprint.domain.rows import LabelRow
from fingerprint.domain.signature import Signature
from fingerprint.domain.wordings import root_of
from fingerprint.store import night_writer
from fingerprint.store.labels import add_campaign, add_label, record_import
from fingerprint.store.rows import signatures_of
from fingerprint.store.sql import chunks
from fingerprint.store.tables import families, labels, spread

SAME_TEMPLATE = 0.7
"""Jaccard index of two families' grams from which they are one template, found twice (as describe's SAME_WORDING)."""

IMPORTER = "import"
"""Who says a label that came with a signature."""


@dataclass(slots=True)
class ImportOutcome:
    """What became of imported signatures, by family id.

    new: not known here. joined: new, but another wording of a family here, by its text or as it says itself.
    same: known, and nothing changes. updated: known by an earlier import, or overwritten, and other now.
    kept: other there than here, where nights counted it; ours stayed.
    disputed: labelled otherwise here, where an analyst spoke or nights counted it: our word and theirs; ours stayed.
    """

    new: list[str] = field(default_factory=list)
    joined: dict[str, str] = field(default_factory=dict)
    same: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    disputed: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImportPolicy:
    """How imported signatures are taken in.

    overwrite: whether their text goes before ours where nights here counted the family.
    labels: whether their labels come along. source: where they came from, kept as the labels' reason.
    """

    overwrite: bool = False
    labels: bool = True
    source: str | None = None


def import_signatures(
    connection: sa.Connection, signatures: Sequence[Signature], now: datetime, policy: ImportPolicy
) -> ImportOutcome:
    """Save signatures of distinct families, with campaigns and labels, and say what became of each.

    Raises StampMismatch when another model or normaliser made the stored signatures, InputError where families would be
    each other's wordings.
    """
    for stamp in {signature.stamp for signature in signatures}:
        night_writer.require_stamp(connection, stamp, "this home")
    here = _StoredState.read(connection, signatures)
    outcome, wanted = ImportOutcome(), []
    for given in signatures:
        ours = here.known.get(given.family_id)
        if ours is None:
            wanted.append(_placed(given, here, outcome))
            continue
        theirs = replace(
            given, variant_of=given.variant_of or ours.variant_of
        )  # it may have been joined before
        if _content(ours) == _content(theirs):
            outcome.same.append(given.family_id)
        elif policy.overwrite or given.family_id not in here.counted:
            outcome.updated.append(given.family_id)
            wanted.append(theirs)
        else:
            outcome.kept.append(given.family_id)
    _save(connection, _with_originals(connection, wanted), now)
    if policy.labels:
        _label(connection, signatures, here, outcome, (now, policy.source))
    return outcome


def last_changes(connection: sa.Connection) -> dict[str, datetime]:
    """Tell when each family, or what is said of it, last changed."""
    written = sa.select(families.c.family_id, families.c.updated)
    out = {row.family_id: row.updated for row in connection.execute(written)}
    labelled = sa.select(labels.c.family_id, sa.func.max(labels.c.at)).group_by(labels.c.family_id)
    for family, at in connection.execute(labelled):
        out[family] = max(out[family], at)
    return out


@dataclass(frozen=True, slots=True)
class _StoredState:
    """What is known here: the signatures of the imported ids, what nights counted, and listed families' grams.

    listed: ids (f,); sizes: (f,) grams each; grams: (g,) uint64 of all; owner: (g,) whose, a number in `listed`.
    """

    known: dict[str, Signature]
    counted: set[str]
    listed: list[str]
    sizes: IntArray
    grams: HashArray
    owner: IntArray

    @classmethod
    def read(cls, connection: sa.Connection, signatures: Sequence[Signature]) -> _StoredState:
        listed = sa.and_(families.c.retired_in.is_(None), families.c.variant_of.is_(None))
        chosen = (
            sa.select(families.c.family_id, families.c.grams).where(listed).order_by(families.c.family_id)
        )
        rows = connection.execute(chosen).all()
        each = [np.frombuffer(row.grams, dtype="<u8") for row in rows]
        sizes = np.array([len(grams) for grams in each], dtype=np.int64)
        return cls(
            known={s.family_id: s for s in signatures_of(connection, [s.family_id for s in signatures])},
            counted=set(connection.scalars(sa.select(spread.c.family_id).distinct())),
            listed=[row.family_id for row in rows],
            sizes=sizes,
            grams=np.concatenate([*each, np.empty(0, np.uint64)]).astype(np.uint64),
            owner=np.repeat(np.arange(len(rows)), sizes),
        )

    def same_text(self, signature: Signature) -> str | None:
        """Return the listed family whose grams are most like a signature's, if they are one template."""
        if not len(signature.grams) or not self.listed:
            return None
        common = np.bincount(self.owner[np.isin(self.grams, signature.grams)], minlength=len(self.listed))
        jaccard = common / (self.sizes + len(signature.grams) - common)
        best = int(jaccard.argmax())
        return self.listed[best] if jaccard[best] >= SAME_TEMPLATE else None


def _placed(given: Signature, here: _StoredState, outcome: ImportOutcome) -> Signature:
    """Make a family that is new here another wording of one here, where it is."""
    original = given.variant_of if given.variant_of in here.listed else None
    if given.variant_of is None:
        original = here.same_text(given)
    if original is None:
        outcome.new.append(given.family_id)
        return given
    outcome.joined[given.family_id] = original
    return replace(given, variant_of=original)


def _with_originals(connection: sa.Connection, wanted: Sequence[Signature]) -> list[Signature]:
    """Let each wording name the family that it is a wording of, which is none's itself; one of no known family is its own.

    A family that has wordings here stays what it is here. Raises InputError where wordings go round in a circle.
    """
    active = sa.select(families.c.family_id, families.c.variant_of).where(families.c.retired_in.is_(None))
    here = {row.family_id: row.variant_of for row in connection.execute(active)}
    settled = {original for original in here.values() if original is not None and here.get(original) is None}
    wanted = [replace(s, variant_of=None) if s.family_id in settled else s for s in wanted]
    original_of = here | {s.family_id: s.variant_of for s in wanted}
    return [replace(s, variant_of=root_of(s.family_id, original_of)) if s.variant_of else s for s in wanted]


def _content(signature: Signature) -> dict[str, object]:
    """Return what a signature matches by, and its text; not who sent it, nor what is said of it."""
    content = signature_json.to_json(signature)
    names = (
        "kind",
        "variant_of",
        "template",
        "grams",
        "weights",
        "prototypes",
        "threshold",
        "similarity",
        "usual",
        "words",
    )
    return {name: content.get(name) for name in names}


def _save(connection: sa.Connection, signatures: Sequence[Signature], now: datetime) -> None:
    campaign_of = {s.family_id: s.campaign_id for s in signatures if s.campaign_id is not None}
    for campaign in sorted(set(campaign_of.values())):
        own = [s for s in signatures if s.campaign_id == campaign]
        score, flagged = max(s.score for s in own), any(s.flagged for s in own)
        add_campaign(connection, campaign, score, now, flagged=flagged)
    ours = sa.select(families.c.family_id, families.c.campaign_id).where(families.c.campaign_id.is_not(None))
    for chunk in chunks([s.family_id for s in signatures]):
        campaign_of |= {
            r.family_id: r.campaign_id
            for r in connection.execute(ours.where(families.c.family_id.in_(chunk)))
        }
    night_writer.save_families(connection, signatures, now, campaign_of=campaign_of)
    night_writer.update_totals(connection, [s.family_id for s in signatures])
    for signature in signatures:
        record_import(connection, signature, IMPORTER, now)


def _label(
    connection: sa.Connection,
    signatures: Sequence[Signature],
    here: _StoredState,
    outcome: ImportOutcome,
    when_and_why: tuple[datetime, str | None],
) -> None:
    """Add imported labels, but where an analyst here spoke (or took a word back) or nights here counted the family."""
    now, source = when_and_why
    theirs = {_named(s, here, outcome): s for s in signatures if s.label is not None}
    latest = _latest_words(connection, set(theirs))
    for family, signature in theirs.items():
        word, by = latest.get(family, (None, IMPORTER))
        if word == signature.label:
            continue
        if by != IMPORTER or family in here.counted:
            outcome.disputed[family] = (word or "none", str(signature.label))
            continue
        add_label(connection, LabelRow(family, signature.label, signature.campaign_id, source, IMPORTER, now))


def _named(signature: Signature, here: _StoredState, outcome: ImportOutcome) -> str:
    """Return the family here that a signature's label is said of: a wording's are those of its family."""
    if (ours := here.known.get(signature.family_id)) is not None and ours.variant_of in here.listed:
        return str(ours.variant_of)
    return outcome.joined.get(signature.family_id, signature.family_id)


def _latest_words(
    connection: sa.Connection, family_ids: Collection[str]
) -> Mapping[str, tuple[str | None, str]]:
    """Return the latest label of each family that ever had one, and who gave it."""
    latest = sa.select(sa.func.max(labels.c.id)).group_by(labels.c.family_id)
    chosen = sa.select(labels).where(labels.c.id.in_(latest))
    return {
        row.family_id: (row.label, row.by)
        for chunk in chunks(sorted(family_ids))
        for row in connection.execute(chosen.where(labels.c.family_id.in_(chunk)))
    }
