"""Edits a signature, and tells what the edited one would have matched on past nights.

Text that stays keeps its n-grams and weights, n-grams of removed text go, and n-grams of new text get the largest
weight of the signature. What would have matched is read from the patterns that nights keep (nights.rhythm): counts
of prompts that held the same of a signature's n-grams.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pyarrow as pa

from fingerprint.base.types import Embed, HashArray
from fingerprint.domain.casework import HeldPattern, grams_digest
from fingerprint.domain.errors import UsageError
from fingerprint.domain.signature import Segment, Signature, Slot, Template
from fingerprint.signatures import match_score
from fingerprint.signatures.prototypes import embed_sentences
from fingerprint.text.masking import remask
from fingerprint.text.ngrams import GRAM, shingle
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import tokens

MAX_SEGMENT = 4_000
"""Characters of a segment."""


@dataclass(frozen=True, slots=True)
class EditOutcome:
    """Requests that two signatures match: both (kept), only the new (gained), only the old (lost), neither (missed).

    gained_accounts, lost_accounts: at most so many accounts, for one may be in several patterns.
    """

    kept: int = 0
    gained: int = 0
    lost: int = 0
    gained_accounts: int = 0
    lost_accounts: int = 0
    missed: int = 0

    @property
    def matched(self) -> int:
        """Requests that the new signature matches."""
        return self.kept + self.gained


@dataclass(frozen=True, slots=True)
class EditPreview:
    """What an edited signature would have matched.

    members: requests that the nights gave to the family; others: near misses, given to other families or none.
    nights: both together by night, oldest first. unknown: share of the new signature's weight, 0 to 1, in n-grams
    that no night looked for.
    """

    members: EditOutcome
    others: EditOutcome
    nights: tuple[tuple[datetime, EditOutcome], ...]
    unknown: float


def with_segments(old: Signature, texts: Sequence[str | None], embed: Embed | None = None) -> Signature:
    """Return a signature whose segments have these texts, in their order; None removes a segment.

    The same object if nothing changes. embed makes the prototypes of the new text, without it the old ones stay.
    Raises UsageError for another number of texts, for one that is empty or too long, and if no n-gram is left.
    """
    segments = old.template.segments
    if len(texts) != len(segments):
        raise UsageError(f"{len(segments)} segments expected, {len(texts)} found")
    for text in texts:
        if text is not None and not 0 < len(text.strip()) <= MAX_SEGMENT:
            raise UsageError(
                f"a segment of 1 to {MAX_SEGMENT:,} characters expected, {len(text.strip()):,} found"
            )
    changed = [(s, t) for s, t in zip(segments, texts, strict=True) if t is None or t.strip() != s.text]
    if not changed:
        return old
    unchanged = grams_of(
        [t for s, t in zip(segments, texts, strict=True) if t is not None and t.strip() == s.text]
    )
    removed = np.setdiff1d(grams_of([s.text for s, _ in changed]), unchanged)
    new = _inner_grams([t for _, t in changed if t is not None])
    remaining = np.setdiff1d(old.grams, np.setdiff1d(removed, new))
    template = _template(old.template, texts)
    return _with_grams(old, template, np.union1d(remaining, new), embed)


def split_segments(
    old: Signature, segments: Sequence[int], embed: Embed | None = None
) -> tuple[Signature, Signature]:
    """Split segments, by their numbers from 0, off a family; returns the rest of the family and the new family.

    Raises UsageError unless some but not all segments are named, and both are left with an n-gram.
    """
    count = len(old.template.segments)
    chosen = set(segments)
    if not chosen or not chosen < set(range(count)):
        raise UsageError(f"some but not all of {count} segments expected, {len(chosen)} found")
    texts = [s.text for s in old.template.segments]
    rest = with_segments(old, [None if n in chosen else t for n, t in enumerate(texts)], embed)
    part = with_segments(old, [t if n in chosen else None for n, t in enumerate(texts)], embed)
    # n-grams that no segment holds stay with the family
    own = np.intersect1d(part.grams, grams_of([texts[n] for n in chosen]))
    child = _with_grams(old, part.template, own, embed)
    child_id = "f" + hashlib.blake2b(child.grams.tobytes(), digest_size=6).hexdigest()
    no_spread = replace(child.spread, accounts=0, requests=0, per_day={})
    child = replace(child, family_id=child_id, version=1, label=None, campaign_id=None, variant_of=None)
    return rest, replace(child, spread=no_spread, reasons=(), score=0.0, flagged=False)


def preview(
    old: Signature, new: Signature, patterns: Sequence[HeldPattern], kept: Sequence[Signature]
) -> EditPreview:
    """Compare what two signatures would have matched on past nights.

    patterns: of the family, from all nights. kept: its former versions, whose n-grams older patterns are of.
    """
    grams_by_name = {grams_digest(s.grams): s.grams for s in (*kept, old)}
    members, others = EditOutcome(), EditOutcome()
    nights: dict[datetime, EditOutcome] = {}
    looked_for = np.zeros(len(new.grams), np.bool_)
    for name, grams in sorted(grams_by_name.items()):
        of_these = [p for p in patterns if p.grams == name]
        if not of_these:
            continue
        looked_for |= np.isin(new.grams, grams)
        before, after = (_matches(s, grams, of_these) for s in (old, new))
        for pattern, was, now in zip(of_these, before.tolist(), after.tolist(), strict=True):
            nights[pattern.night] = _added(nights.get(pattern.night, EditOutcome()), pattern, was, now)
            if pattern.member:
                members = _added(members, pattern, was, now)
            else:
                others = _added(others, pattern, was, now)
    unknown = float(new.weights[~looked_for].sum() / max(float(new.weights.sum()), 1e-9))
    return EditPreview(members, others, tuple(sorted(nights.items())), unknown)


def scores(signature: Signature, patterns: Sequence[HeldPattern]) -> list[tuple[float, HeldPattern]]:
    """Score the patterns that are of this signature's own n-grams; each score, 0 to 1, with its pattern."""
    own = [p for p in patterns if p.grams == grams_digest(signature.grams)]
    return list(zip(_scores(signature, signature.grams, own).tolist(), own, strict=True)) if own else []


def grams_of(texts: Sequence[str]) -> HashArray:
    """Return the n-grams of texts, (g,) uint64, sorted and distinct, those with start and end marks included."""
    return _grams(texts)[0]


def _inner_grams(texts: Sequence[str]) -> HashArray:
    """Return the n-grams of texts that may stand anywhere: those without a start or end mark, if there are any."""
    grams, with_marks = _grams(texts)
    inner = np.setdiff1d(grams, with_marks)
    return inner if len(inner) else grams


def _grams(texts: Sequence[str]) -> tuple[HashArray, HashArray]:
    """Return the n-grams of texts, and those of them that hold a start or end mark; both sorted and distinct."""
    if not texts:
        return np.empty(0, np.uint64), np.empty(0, np.uint64)
    folded = normalise(pa.array(list(texts), pa.large_string())).to_pylist()
    tokenised = tokens(pa.array([remask(text) for text in folded], pa.large_string()))
    grams = shingle(tokenised.hashes, tokenised.section, tokenised.row_offsets)
    starts = np.zeros(len(grams.hashes), np.bool_)
    starts[grams.offsets[:-1]] = True
    return np.unique(grams.hashes), np.unique(grams.hashes[starts | ~grams.joined])


def _with_grams(old: Signature, template: Template, grams: HashArray, embed: Embed | None) -> Signature:
    if not len(grams):
        raise UsageError(f"no run of {GRAM} words is left: a template needs at least one")
    at = np.minimum(np.searchsorted(old.grams, grams), max(len(old.grams) - 1, 0))
    known = old.grams[at] == grams if len(old.grams) else np.zeros(len(grams), np.bool_)
    largest = float(old.weights.max()) if len(old.weights) else 1.0
    weights = np.where(known, old.weights[at] if len(old.weights) else largest, largest).astype(np.float32)
    prototypes = old.prototypes
    if embed is not None and template.segments:
        prototypes = embed_sentences([template], embed)[0][0]
    return replace(
        old, kind="template", template=template, grams=grams, weights=weights, prototypes=prototypes
    )


def _template(old: Template, texts: Sequence[str | None]) -> Template:
    parts: list[Segment | Slot] = []
    number = 0
    for part in old.parts:
        if isinstance(part, Segment):
            text, number = texts[number], number + 1
            if text is not None:
                parts.append(replace(part, text=text.strip()))
                continue
            # what was there now varies
            part = Slot(1, len(part.text), len(part.text), "text")
        last = parts[-1] if parts else None
        if isinstance(last, Slot):
            part = Slot(
                max(last.distinct, part.distinct),
                last.shortest + part.shortest,
                last.longest + part.longest,
                last.kind if last.distinct >= part.distinct else part.kind,
                last.sampled or part.sampled,
            )
            parts[-1] = part
        else:
            parts.append(part)
    return Template(tuple(parts))


def _scores(signature: Signature, grams: HashArray, patterns: Sequence[HeldPattern]) -> np.ndarray:
    """Score patterns, which are of `grams`, as lookups would; (p,) of 0 to 1."""
    at = np.minimum(np.searchsorted(signature.grams, grams), max(len(signature.grams) - 1, 0))
    weights = np.where(signature.grams[at] == grams, np.maximum(signature.weights[at], 1e-6), 0.0)
    patterns_held = np.stack([p.held[: len(grams)] for p in patterns]).astype(np.float32)
    overlap = patterns_held @ weights.astype(np.float32)
    scores = match_score.score_of(overlap, np.asarray(signature.weights.sum(), np.float32))
    return match_score.shifted(
        scores, np.asarray(match_score.reliability(signature.requests_seen, signature.unsynchronised))
    )


def _matches(signature: Signature, grams: HashArray, patterns: Sequence[HeldPattern]) -> np.ndarray:
    return np.asarray(_scores(signature, grams, patterns) >= signature.threshold)


def _added(so_far: EditOutcome, pattern: HeldPattern, was: bool, now: bool) -> EditOutcome:
    n, a = pattern.requests, pattern.accounts
    return EditOutcome(
        so_far.kept + n * (was and now),
        so_far.gained + n * (now and not was),
        so_far.lost + n * (was and not now),
        so_far.gained_accounts + a * (now and not was),
        so_far.lost_accounts + a * (was and not now),
        so_far.missed + n * (not was and not now),
    )
