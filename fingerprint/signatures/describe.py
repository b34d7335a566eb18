"""Turns the families of a batch into signatures: template, weights, prototypes, threshold and spread."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np

from fingerprint.base.parallel import in_order, workers
from fingerprint.base.types import Bools, Embed, FloatArray, HashArray, Ids
from fingerprint.discovery.asked import only_in_system_prompts
from fingerprint.discovery.assignment import Assignment, Whole
from fingerprint.discovery.batch import Batch
from fingerprint.discovery.discover import Discovery
from fingerprint.discovery.families import members_of
from fingerprint.discovery.layers import carriers_of
from fingerprint.discovery.topics import Topics
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import Signature, Spread, Stamp, Template
from fingerprint.embedding.static_model import StaticModel
from fingerprint.signatures import calibrate, match_score
from fingerprint.signatures.prototypes import with_prototypes
from fingerprint.signatures.spread import with_spread_and_reliability
from fingerprint.signatures.template import Corpus, write_template
from fingerprint.signatures.witnesses import witnesses
from fingerprint.signatures.wordings import centres_of, write_wordings
from fingerprint.text.masking import unmask
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import tokens

SAME_WORDING = 0.7
"""A stored family keeps its n-grams while today's core and the stored one overlap by this Jaccard index."""


@dataclass(frozen=True, slots=True)
class Described:
    """The families of a batch as signatures (f), without those of which there is nothing to describe.

    assignment: of the n distinct prompts of the night that the batch is a sample of, to these rows.
    born: (f,) bool, True for families that were not stored before. carrier: (f,) the row in whose text each stands, -1 =
    none (`layers.carriers_of`).
    """

    signatures: tuple[Signature, ...]
    assignment: Assignment
    born: Bools
    carrier: Ids


def describe(
    batch: Batch,
    discovery: Discovery,
    textual: Sequence[Signature],
    topical: Topics,
    stored: Sequence[Signature],
    embed: Embed,
    stamp: Stamp,
    settings: Settings,
    *,
    whole: Whole | None = None,
    words: StaticModel | None = None,
) -> Described:
    """Describe the families that share text, as `text_families` has them, then those that only share meaning.

    Stored families go on. whole: the night that `batch` is a sample of; None where it is all of one. Texts are the batch's. words: what
    reads them word by word, None where only sentences are to be compared.
    """
    drafts = [*textual, *_by_meaning(batch, len(textual), topical, stored, stamp, settings)]
    known = np.concatenate([discovery.families.known, topical.known])
    members = members_of(topical.assignment.label, len(drafts))
    # a stored topic is among the discovery's families, too, where it has no text, and a reworded one may take all prompts
    # of a new one that shares text
    kept = [
        f
        for f, draft in enumerate(drafts)
        if f >= len(textual)
        or (len(draft.grams) and (known[f] >= 0 or (draft.template.segments and members[f].nnz)))
    ]
    members = members[kept]
    fresh = with_prototypes(
        batch, [drafts[f] for f in kept], members, topical.unassigned, embed, settings, words
    )
    tonight = with_spread_and_reliability(batch, fresh, members)
    signatures = tuple(
        _continued(stored[known[f]], signature, int(members[row].nnz), settings.min_requests)
        if known[f] >= 0
        else signature
        for row, (f, signature) in enumerate(zip(kept, tonight, strict=True))
    )
    rank = np.full(len(drafts) + 1, -1, dtype=np.int32)
    rank[kept] = np.arange(len(kept))
    whole = whole or Whole.of(batch, discovery.assignment)
    carrier = np.full(len(drafts), -1, dtype=np.int32)
    carrier[: len(textual)] = carriers_of(batch, discovery, settings)
    assignment = whole.carried(topical.assignment).renumbered(rank)
    return Described(signatures, assignment, known[kept] < 0, rank[carrier[kept]])


def text_families(
    batch: Batch,
    discovery: Discovery,
    stored: Sequence[Signature],
    stamp: Stamp,
    settings: Settings,
    *,
    whole: Whole | None = None,
) -> list[Signature]:
    """Return signatures of the families that share text, without prototypes and spread; arguments as of `describe`."""
    sampled = whole is not None and len(whole.sampled) < len(whole.assignment.label)
    families = discovery.families
    corpus = Corpus(
        discovery.shingles,
        discovery.shared,
        batch.texts,
        batch.shown,
        witnesses(batch),
        tokens,
        normalise,
        unmask,
    )
    weights = calibrate.weights(discovery, batch.senders())
    rows = [slice(a, b) for a, b in pairwise(weights.indptr)]

    def template_of(f: int) -> Template:
        members = families.members.indices[families.members.indptr[f] : families.members.indptr[f + 1]]
        return write_template(
            corpus, weights.indices[rows[f]], members, accounts=settings.min_accounts, sampled=sampled
        )

    templates = list(in_order(template_of, range(len(families)), threads=workers()))
    grams_of = [discovery.shared.hashes[weights.indices[row]] for row in rows]
    for row, system in zip(rows, only_in_system_prompts(templates, grams_of), strict=True):
        if system.any():
            weights.data[row] = calibrate.without_system_prompts(weights.data[row], system)
    thresholds = calibrate.thresholds(discovery, weights, settings.false_positive_rate)
    out, names = [], {s.family_id for s in stored}
    for f, (row, grams, template) in enumerate(zip(rows, grams_of, templates, strict=True)):
        old = stored[families.known[f]] if families.known[f] >= 0 else None
        name = old.family_id if old else _name(grams.tobytes(), names)
        names.add(name)
        out.append(
            _bare(name, template, stamp, grams=grams, weights=weights.data[row], threshold=thresholds[f])
        )
    return out


def _by_meaning(
    batch: Batch,
    first: int,
    topical: Topics,
    stored: Sequence[Signature],
    stamp: Stamp,
    settings: Settings,
) -> list[Signature]:
    """Signatures of the families that only share meaning; first: the first one's row.

    Of the reworded ones with prototypes, of the others without, and all without spread.
    """
    out, names, senders = [], {s.family_id for s in stored}, witnesses(batch)
    nothing = np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.float32)
    for row, (known, said) in enumerate(zip(topical.known.tolist(), topical.wordings, strict=True), first):
        if known >= 0:
            out.append(stored[known])
            continue
        members = np.flatnonzero(topical.assignment.label == row)
        name = _name(str(batch.texts[int(members[0])]).encode(), names)
        names.add(name)
        template = write_wordings(said, senders, members, accounts=settings.min_accounts)
        draft = _bare(
            name, template, stamp, grams=nothing[0], weights=nothing[1], threshold=match_score.FLOOR
        )
        out.append(replace(draft, kind="reworded", prototypes=centres_of(said)) if said else draft)
    return out


def _bare(
    name: str,
    template: Template,
    stamp: Stamp,
    *,
    grams: HashArray,
    weights: FloatArray,
    threshold: float,
) -> Signature:
    never = datetime.fromtimestamp(0, UTC)
    return Signature(
        family_id=name,
        kind="template" if len(grams) else "topical",
        template=template,
        grams=grams,
        weights=weights,
        prototypes=np.empty((0, stamp.dimension), dtype=np.float32),
        threshold=threshold,
        spread=Spread(0, 0, never, never, {}),
        stamp=stamp,
    )


def _continued(old: Signature, fresh: Signature, members: int, least: int) -> Signature:
    """Return what a stored family is after tonight: its spread alone from too few members, or from too few accounts.

    Of text that too few accounts sent tonight nothing may be shown, and a family that shows nothing matches by what nobody
    can check: no other home would take it.
    """
    kept = replace(old, spread=fresh.spread) if fresh.spread.requests else old
    if members < least or old.kind != "template" or not fresh.template.segments:
        return kept
    overlap = len(np.intersect1d(old.grams, fresh.grams))
    same = overlap >= SAME_WORDING * (len(old.grams) + len(fresh.grams) - overlap)
    if same:
        return calibrate.stricter(kept, fresh)
    return replace(
        fresh, label=old.label, campaign_id=old.campaign_id, version=old.version, variant_of=old.variant_of
    )


def _name(content: bytes, names: Collection[str]) -> str:
    """Name a family after its content, so that the same batch always gives the same names, but no name twice."""
    name = "f" + hashlib.blake2b(content, digest_size=6).hexdigest()
    return name if name not in names else _name(content + b"+", names)
