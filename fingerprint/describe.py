"""Turns what a batch holds into signatures: template, weights, prototypes, threshold and spread."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

from fingerprint import match
from fingerprint.batch import Batch
from fingerprint.columns import Behaviour
from fingerprint.discover import Discovery, members_of
from fingerprint.evidence import behaviour
from fingerprint.masks import unmask
from fingerprint.normalise import normalise
from fingerprint.records import (
    DayCount,
    FloatArray,
    HashArray,
    Ids,
    IntArray,
    Signature,
    Spread,
    Stamp,
    Template,
)
from fingerprint.refine import COVER
from fingerprint.settings import Settings
from fingerprint.template import Corpus, write_template
from fingerprint.tokenise import tokens
from fingerprint.topics import heads, topics
from fingerprint.variants import Wording, originals, sentences

PROTOTYPE_MEMBERS = 64
"""Members whose mean embedding is a family's prototype."""

MARGIN = 1e-6
"""Between a non-member's score and the threshold: lookups sum in another order."""

SAME_WORDING = 0.7
"""A stored family keeps its grams while today's core and the stored one overlap by this Jaccard index."""

COMMON_WORDS = 300
"""Most frequent tokens of a batch; text that hardly uses them is in another language than the rest."""

Doubles = npt.NDArray[np.float64]
Embed = Callable[[pa.Array | pa.ChunkedArray], FloatArray]


@dataclass(frozen=True, slots=True)
class Described:
    """The families of a batch as signatures, in one order with label (n,) int32 and behaviour (f).

    strength: (n,) float32, how surely a prompt belongs to its family, 0 to 1.
    born: (f,) bool, True for families that were not stored before; joined: (f,) for new wordings of stored ones.
    """

    signatures: tuple[Signature, ...]
    label: Ids
    strength: FloatArray
    behaviour: Behaviour
    born: npt.NDArray[np.bool_]
    joined: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Whole:
    """What a batch of some prompts is a sample of: n prompts, assigned to the batch's families by their text.

    batch: all requests, without texts. label, coverage: (n,) as in Discovery. sampled: numbers of the sample's prompts.
    """

    batch: Batch
    label: Ids
    coverage: FloatArray
    sampled: IntArray


def describe(
    batch: Batch,
    found: Discovery,
    stored: Sequence[Signature],
    embed: Embed,
    stamp: Stamp,
    settings: Settings,
    *,
    whole: Whole | None = None,
) -> Described:
    """Describe the families that share text, then those that only share meaning.

    whole: where given, `batch` is only a sample of it. Texts are then taken from the sample, and senders, times
    and counts from the whole, of which label and strength are, too.
    """
    loose = np.flatnonzero(found.label < 0)
    meaning = embed(heads(batch.texts.take(pa.array(loose))))
    textual = _textual(batch, found, stored, stamp, settings)
    label, signatures, known = found.label.copy(), list(textual), found.families.known.tolist()
    topical = _topical(batch, loose, meaning, stored, stamp, settings)
    for signature, origin, prompts in topical:
        label[prompts] = len(signatures)
        signatures.append(signature)
        known.append(origin)
    members = members_of(label, len(signatures))
    outside = meaning[label[loose] < 0]
    spreads = _spreads(batch, members)
    kept = [
        f
        for f, s in enumerate(signatures)
        if f >= len(textual) or (len(s.grams) and (known[f] >= 0 or s.template.segments))
    ]
    complete = []
    for f in kept:
        centre = _prototypes(batch, members[f].indices, signatures[f].template, embed)
        fresh = replace(
            signatures[f],
            prototypes=centre,
            similarity=_similarity(outside, centre, settings.false_positive_rate),
            spread=spreads[f],
        )
        old = stored[known[f]] if known[f] >= 0 else None
        complete.append(
            fresh if old is None else _continued(old, fresh, int(members[f].nnz), settings.min_requests)
        )
    rank = np.full(len(signatures) + 1, -1, dtype=np.int32)
    rank[kept] = np.arange(len(kept))
    label = rank[label]
    strength = np.where(label >= 0, np.where(found.label >= 0, found.coverage, 1.0), 0.0).astype(np.float32)
    born = np.array([known[f] < 0 for f in kept], dtype=np.bool_)
    common = _common(batch)
    if whole is not None:
        batch, label, strength = _over(whole, rank, label, strength)
    members = members_of(label, len(kept))
    wordings, owner = _with_variants(batch.senders(), complete, members, born, (common, embed))
    label = np.where(label >= 0, owner[label], -1).astype(np.int32) if len(owner) else label
    members = members_of(label, len(kept))
    spreads = _spreads(batch, members)
    act = behaviour((members @ batch.requests()).tocsr(), batch.account, batch.second)
    final = tuple(replace(s, spread=spreads[f]) if members[f].nnz else s for f, s in enumerate(wordings))
    own = owner == np.arange(len(kept))
    return Described(final, label, strength, act, born & own, born & ~own)


def _over(whole: Whole, rank: Ids, label: Ids, strength: FloatArray) -> tuple[Batch, Ids, FloatArray]:
    """Carry what was said of the sample's prompts to the whole: families by text are all its prompts' already."""
    every = rank[whole.label]
    every[whole.sampled] = label
    worth = np.where(every >= 0, whole.coverage, 0.0).astype(np.float32)
    worth[whole.sampled] = strength
    return whole.batch, every, worth


def _with_variants(
    senders: sparse.csr_matrix,
    signatures: Sequence[Signature],
    members: sparse.csr_matrix,
    born: npt.NDArray[np.bool_],
    language: tuple[HashArray, Embed],
) -> tuple[list[Signature], Ids]:
    """Mark new families that are other wordings of stored ones; also return which row owns each row's prompts, (f,)."""
    place = {s.family_id: f for f, s in enumerate(signatures)}
    owner = np.array([place.get(s.variant_of or "", f) for f, s in enumerate(signatures)], dtype=np.int32)
    templates = [s.template for s in signatures]
    said = [sentences(t) for t in templates]
    # a stored variant's prompts and sentences count for its original
    spoken = [[s for v in np.flatnonzero(owner == f) for s in said[v]] or said[f] for f in range(len(owner))]
    length = np.array([len(str(t)) for t in templates], dtype=np.int64)
    join = sparse.csr_matrix(
        (np.ones(len(owner), np.float32), (owner, np.arange(len(owner)))), shape=(len(owner),) * 2
    )
    common, embed = language
    wording = Wording(spoken, (join @ members).tocsr(), _familiar(common, templates), length)
    found = originals(wording, born, senders, embed)
    out = [
        replace(s, variant_of=signatures[found[f]].family_id) if found[f] >= 0 else s
        for f, s in enumerate(signatures)
    ]
    return out, np.where(found >= 0, found, owner).astype(np.int32)


def _common(batch: Batch) -> HashArray:
    """Return the batch's COMMON_WORDS most frequent tokens, sorted."""
    words, counts = np.unique(batch.token_hashes, return_counts=True)
    return np.sort(words[np.argsort(-counts, kind="stable")[:COMMON_WORDS]])


def _familiar(common: HashArray, templates: Sequence[Template]) -> Doubles:
    """Return the share of each template's tokens that are among these common ones, (f,)."""
    found = tokens(normalise(pa.array([str(t) for t in templates], pa.large_string())))
    frequent = np.isin(found.hashes, common).astype(np.float64)
    sums = np.concatenate([[0.0], np.cumsum(frequent)])
    ends = found.row_offsets
    return np.asarray((sums[ends[1:]] - sums[ends[:-1]]) / np.maximum(np.diff(ends), 1))


def _textual(
    batch: Batch, found: Discovery, stored: Sequence[Signature], stamp: Stamp, settings: Settings
) -> list[Signature]:
    """Signatures of the families that share text, without prototypes and spread."""
    families = found.families
    corpus = Corpus(
        found.shingles, found.shared, batch.texts, batch.shown, batch.senders(), tokens, normalise, unmask
    )
    weights = _weights(found)
    thresholds = _thresholds(found, weights, settings.false_positive_rate)
    out, taken = [], {s.family_id for s in stored}
    for f in range(len(families)):
        row = slice(weights.indptr[f], weights.indptr[f + 1])
        core = weights.indices[row]
        grams = found.shared.hashes[core]
        old = stored[families.known[f]] if families.known[f] >= 0 else None
        members = families.members[f].indices
        template = (
            write_template(corpus, core, members, accounts=settings.min_accounts)
            if len(members)
            else Template(())
        )
        name = old.family_id if old else _name(grams.tobytes(), taken)
        taken.add(name)
        out.append(
            _bare(name, template, stamp, grams=grams, weights=weights.data[row], threshold=thresholds[f])
        )
    return out


def _bare(
    name: str,
    template: Template,
    stamp: Stamp,
    *,
    grams: npt.NDArray[np.uint64],
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


def _weights(found: Discovery) -> sparse.csr_matrix:
    """Rarity of each family's grams among the prompts outside the family, (f, k) CSR float32."""
    families, postings = found.families, found.shared.postings
    inside = (families.members @ postings.T).multiply(families.core)
    weights = (inside + families.core).tocsr()  # at least 1 for each gram of the core
    weights.sort_indices()
    outside = np.diff(postings.indptr)[weights.indices] - (weights.data.astype(np.int64) - 1)
    weights.data = match.rarity(outside, postings.shape[1])
    return weights


def _thresholds(found: Discovery, weights: sparse.csr_matrix, rate: float) -> Doubles:
    """Return for each family the lowest score that at most `rate` of the batch's non-members reach, (f,).

    Split-conformal quantile with the +1 correction (Angelopoulos & Bates 2023, section 1): with fewer than
    1 / rate non-members that is above every one of them. A prompt that holds the template, but another
    family's too and was given to that one, is no evidence against the threshold.
    """
    held = (weights @ found.shared.postings).tocsr()
    total = np.asarray(weights.sum(axis=1), dtype=np.float32).ravel()
    out = np.full(weights.shape[0], match.FLOOR)
    for f in range(weights.shape[0]):
        row = slice(held.indptr[f], held.indptr[f + 1])
        others = (found.label[held.indices[row]] != f) & (held.data[row] < COVER * total[f])
        scores = np.sort(match.score_of(held.data[row][others], total[f]))[::-1]
        allowed = int(rate * (len(found.label) - found.families.support[f] + 1))
        worst = scores[max(allowed - 1, 0)] if len(scores) > max(allowed - 1, 0) else 0.0
        out[f] = min(max(match.FLOOR, float(worst) + MARGIN), 0.999)
    return out


def _similarity(outside: FloatArray, prototypes: FloatArray, rate: float) -> float:
    """Return the cosine to the nearest prototype that at most `rate` of the prompts in no family reach."""
    if not len(outside) or not len(prototypes):
        return 1.0
    nearest = np.sort((outside @ prototypes.T).max(axis=1))[::-1]
    return float(min(1.0, nearest[max(int(rate * (len(nearest) + 1)) - 1, 0)]))


def _prototypes(batch: Batch, members: Ids, template: Template, embed: Embed) -> FloatArray:
    """Return the mean embedding of some members, and the template's, as unit rows (1 or 2, d)."""
    chosen = members[
        np.unique(np.linspace(0, len(members) - 1, min(len(members), PROTOTYPE_MEMBERS)).astype(np.int64))
    ]
    rows = [embed(heads(batch.texts.take(pa.array(chosen)))).mean(axis=0)] if len(chosen) else []
    if template.segments:
        rows.append(embed(pa.array([" ".join(s.text for s in template.segments)], pa.large_string()))[0])
    if not rows:
        return np.empty((0, 0), dtype=np.float32)
    centre = np.array(rows, dtype=np.float32)
    norm = np.linalg.norm(centre, axis=1, keepdims=True)
    return np.asarray((centre / np.maximum(norm, 1e-12))[norm.ravel() > 0], dtype=np.float32)


def _topical(
    batch: Batch,
    loose: npt.NDArray[np.int64],
    meaning: FloatArray,
    stored: Sequence[Signature],
    stamp: Stamp,
    settings: Settings,
) -> list[tuple[Signature, int, npt.NDArray[np.int64]]]:
    """Families of meaning among the prompts in no other: signature, number of the stored one or -1, prompts."""
    taken = np.full(len(loose), -1, dtype=np.int64)
    for number, old in enumerate(stored):
        if old.kind == "topical" and len(loose):
            near = (meaning @ old.prototypes.T).max(axis=1, initial=-1) >= max(old.similarity, 0.0)
            taken[near & (taken < 0)] = number
    free = np.flatnonzero(taken < 0)
    fresh = topics(
        meaning[free],
        batch.requests()[loose[free]],
        batch.account,
        batch.second,
        least=settings.min_requests,
        accounts=settings.min_accounts,
        neighbours=settings.neighbours,
        rate=settings.discovery_rate,
    )
    nothing = np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.float32)
    out = [(stored[number], int(number), loose[taken == number]) for number in np.unique(taken[taken >= 0])]
    for topic in range(int(fresh.max(initial=-1)) + 1):
        prompts = loose[free[fresh == topic]]
        name = _name(str(batch.texts[int(prompts[0])]).encode(), {s.family_id for s in stored})
        signature = _bare(
            name, Template(()), stamp, grams=nothing[0], weights=nothing[1], threshold=match.FLOOR
        )
        out.append((signature, -1, prompts))
    return out


def _continued(old: Signature, fresh: Signature, members: int, least: int) -> Signature:
    """Return what a stored family is after tonight: from too few members nothing but its spread."""
    kept = replace(old, spread=fresh.spread) if fresh.spread.requests else old
    if members < least or old.kind == "topical":
        return kept
    both = len(np.intersect1d(old.grams, fresh.grams))
    same = both >= SAME_WORDING * (len(old.grams) + len(fresh.grams) - both)
    if same:
        return replace(
            kept,
            threshold=max(old.threshold, fresh.threshold),
            similarity=max(old.similarity, fresh.similarity),
        )
    return replace(
        fresh, label=old.label, campaign_id=old.campaign_id, version=old.version, variant_of=old.variant_of
    )


def _spreads(batch: Batch, members: sparse.csr_matrix) -> list[Spread]:
    """Accounts, requests and days of each family's requests in this batch."""
    rows = (members @ batch.requests()).tocsr()
    day = np.floor(batch.second / 86400).astype(np.int64)
    out = []
    for f in range(rows.shape[0]):
        mine = rows.indices[rows.indptr[f] : rows.indptr[f + 1]]
        if not len(mine):
            never = datetime.fromtimestamp(0, UTC)
            out.append(Spread(0, 0, never, never, {}))
            continue
        days, at = np.unique(day[mine], return_inverse=True)
        pairs = np.unique(at * len(batch.accounts) + batch.account[mine])
        senders, requests = np.bincount(pairs // len(batch.accounts)), np.bincount(at)
        per_day = {
            str(np.datetime64(int(d), "D")): DayCount(int(r), int(a))
            for d, r, a in zip(days, requests, senders, strict=True)
        }
        first, last = (
            datetime.fromtimestamp(t, UTC) for t in (batch.second[mine].min(), batch.second[mine].max())
        )
        out.append(Spread(len(np.unique(batch.account[mine])), len(mine), first, last, per_day))
    return out


def _name(content: bytes, taken: Collection[str]) -> str:
    """Name a family after its content, so that the same batch always gives the same names, but no name twice."""
    name = "f" + hashlib.blake2b(content, digest_size=6).hexdigest()
    return name if name not in taken else _name(content + b"+", taken)
