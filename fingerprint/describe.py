"""Turns what a batch holds into signatures: template, weights, prototypes, threshold and spread."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

from fingerprint import calibrate, match, meaning
from fingerprint.batch import Batch, Whole
from fingerprint.calibrate import Others
from fingerprint.columns import Behaviour
from fingerprint.discover import Discovery, Graph, members_of
from fingerprint.evidence import behaviour, strays
from fingerprint.index import knn_graph
from fingerprint.masks import unmask
from fingerprint.normalise import normalise
from fingerprint.parallel import in_order, workers
from fingerprint.records import (
    DayCount,
    FloatArray,
    Ids,
    Signature,
    Spread,
    Stamp,
    Template,
)
from fingerprint.refine import TOGETHER
from fingerprint.settings import Settings
from fingerprint.template import Corpus, write_template
from fingerprint.tokenise import tokens
from fingerprint.topics import topics
from fingerprint.wordings import adopt, by_own_senders, common_words, with_variants

PROTOTYPE_MEMBERS = 64
"""Members whose mean embedding is a family's prototype."""

MOST_LOOSE = 32_768
"""Prompts in no family that are embedded, to find families of meaning among them."""

SAME_WORDING = 0.7
"""A stored family keeps its grams while today's core and the stored one overlap by this Jaccard index."""

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
class _Outside:
    """The prompts in no family (n,), and vectors (n, d) of their beginnings."""

    prompts: npt.NDArray[np.int64]
    vectors: FloatArray

    def still(self, label: Ids) -> _Outside:
        """Return those that these labels (of all prompts, -1 = none) leave in no family."""
        left = label[self.prompts] < 0
        return _Outside(self.prompts[left], self.vectors[left])


def describe(
    batch: Batch,
    found: Discovery,
    stored: Sequence[Signature],
    embed: Embed,
    stamp: Stamp,
    settings: Settings,
    *,
    of: Whole | None = None,
    graph: Graph = knn_graph,
) -> Described:
    """Describe the families that share text, then those that only share meaning.

    of: where given, `batch` is only a sample of it. Texts are then taken from the sample, and senders, times
    and counts from the whole, of which label and strength are, too. graph: finds neighbours, as `index.knn_graph`.
    """
    loose = _evenly(np.flatnonzero(found.label < 0), MOST_LOOSE)
    with ThreadPoolExecutor(1) as beside:
        vectors = beside.submit(_heads, batch, loose, embed)
        textual = _textual(batch, found, stored, stamp, settings)
        outside = _Outside(loose, vectors.result())
    label, signatures, known = found.label.copy(), list(textual), found.families.known.tolist()
    strength = np.where(label >= 0, found.coverage, 0.0).astype(np.float32)
    before = [stored[origin] if origin >= 0 else s for s, origin in zip(textual, known, strict=True)]
    if of is None:
        adopt(batch, batch.texts_of, before, label, strength, embed)
        outside = outside.still(label)
    for signature, origin, prompts in _topical(batch, outside, stored, stamp, settings, graph):
        label[prompts], strength[prompts] = len(signatures), 1.0
        signatures.append(signature)
        known.append(origin)
    kept = [
        f
        for f, s in enumerate(signatures)
        if f >= len(textual) or (len(s.grams) and (known[f] >= 0 or s.template.segments))
    ]
    members = members_of(label, len(signatures))[kept]
    fresh = _meant(batch, [signatures[f] for f in kept], members, outside.still(label), embed, settings)
    old = [stored[known[f]] if known[f] >= 0 else None for f in kept]
    complete = [
        here if o is None else _continued(o, here, int(members[row].nnz), settings.min_requests)
        for row, (o, here) in enumerate(zip(old, _seen(batch, fresh, members), strict=True))
    ]
    rank = np.full(len(signatures) + 1, -1, dtype=np.int32)
    rank[kept] = np.arange(len(kept))
    label = rank[label]
    strength[label < 0] = 0.0
    born = np.array([known[f] < 0 for f in kept], dtype=np.bool_)
    common = common_words(batch)
    if of is not None:
        batch, (label, strength) = of.batch, of.told(rank, label, strength)
    members = members_of(label, len(kept))
    wordings, owner = with_variants(batch.senders(), complete, members, born, common)
    adopt(batch, batch.texts_of if of is None else of.texts, wordings, label, strength, embed)
    label = np.where(label >= 0, owner[label], -1).astype(np.int32) if len(owner) else label
    members = members_of(label, len(kept))
    act = behaviour((members @ batch.requests()).tocsr(), batch.account, batch.second)
    spreads = _spreads(batch, members)
    final = tuple(replace(s, spread=spreads[f]) if members[f].nnz else s for f, s in enumerate(wordings))
    own = owner == np.arange(len(kept))
    return Described(final, label, strength, act, born & own, born & ~own)


def _textual(
    batch: Batch, found: Discovery, stored: Sequence[Signature], stamp: Stamp, settings: Settings
) -> list[Signature]:
    """Signatures of the families that share text, without prototypes and spread."""
    families = found.families
    corpus = Corpus(
        found.shingles, found.shared, batch.texts, batch.shown, batch.senders(), tokens, normalise, unmask
    )
    weights = calibrate.weights(found)
    thresholds = calibrate.thresholds(found, weights, settings.false_positive_rate)
    rows = [slice(a, b) for a, b in pairwise(weights.indptr)]

    def template_of(f: int) -> Template:
        members = families.members.indices[families.members.indptr[f] : families.members.indptr[f + 1]]
        return write_template(corpus, weights.indices[rows[f]], members, accounts=settings.min_accounts)

    templates = in_order(template_of, range(len(families)), threads=workers())
    out, taken = [], {s.family_id for s in stored}
    for f, (row, template) in enumerate(zip(rows, templates, strict=True)):
        grams = found.shared.hashes[weights.indices[row]]
        old = stored[families.known[f]] if families.known[f] >= 0 else None
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


def _meant(
    batch: Batch,
    signatures: Sequence[Signature],
    members: sparse.csr_matrix,
    outside: _Outside,
    embed: Embed,
    settings: Settings,
) -> list[Signature]:
    """Give signatures their prototypes, and what prompts in no family reach of their meaning."""
    rate = settings.false_positive_rate
    said = _sentences([s.template for s in signatures], embed)
    own = by_own_senders(batch, outside.prompts, members)
    others = (
        Others.of(batch.texts.take(pa.array(outside.prompts)), own, embed) if any(map(len, said)) else None
    )
    least, usual = calibrate.of_meaning(said, others, rate)
    out = []
    for f, signature in enumerate(signatures):
        prototypes = said[f]
        if signature.kind == "topical":
            prototypes = _centre(batch, members[f].indices, embed)
            least[f], usual[f] = calibrate.of_centre(prototypes, outside.vectors, rate)
        out.append(
            replace(signature, prototypes=prototypes, similarity=float(least[f]), usual=float(usual[f]))
        )
    return out


def _seen(batch: Batch, signatures: Sequence[Signature], members: sparse.csr_matrix) -> list[Signature]:
    """Give signatures their spread in this batch, and the standing that comes of it."""
    rows = (members @ batch.requests()).tocsr()
    act = behaviour(rows, batch.account, batch.second)
    alone = np.where(act.p_synchrony <= TOGETHER, strays(rows, batch.account, batch.second), 0)
    return [
        calibrate.stood(replace(signature, spread=spread), spread.requests, int(alone[f]))
        for f, (signature, spread) in enumerate(zip(signatures, _spreads(batch, members), strict=True))
    ]


def _centre(batch: Batch, members: Ids, embed: Embed) -> FloatArray:
    """Return the mean embedding of some members as a unit row, (1, d); (0, 0) for none."""
    chosen = _evenly(members, PROTOTYPE_MEMBERS)
    if not len(chosen):
        return np.empty((0, 0), dtype=np.float32)
    centre = _heads(batch, chosen, embed).mean(axis=0, keepdims=True)
    norm = np.linalg.norm(centre, axis=1, keepdims=True)
    return np.asarray((centre / np.maximum(norm, 1e-12))[norm.ravel() > 0], dtype=np.float32)


def _heads(batch: Batch, prompts: npt.NDArray[Any], embed: Embed) -> FloatArray:
    """Embed the beginnings of some prompts, (p, d)."""
    return embed(meaning.heads(batch.texts_of(prompts)))


def _evenly(prompts: npt.NDArray[Any], most: int) -> npt.NDArray[Any]:
    """Return all prompts, or at most `most` of them, evenly chosen."""
    if len(prompts) <= most:
        return prompts
    return prompts[np.unique(np.linspace(0, len(prompts) - 1, most).astype(np.int64))]


def _sentences(templates: Sequence[Template], embed: Embed) -> list[FloatArray]:
    """Embed the sentences of each template's fixed text, each (p, d)."""
    texts = pa.array([s.text for t in templates for s in t.segments], pa.large_string())
    flat, offsets = meaning.sentences(normalise(texts))
    bounds = offsets[np.cumsum([0, *(len(t.segments) for t in templates)])]
    vectors = embed(flat)
    parts = [vectors[a:b] for a, b in pairwise(bounds)]
    return [part[np.linalg.norm(part, axis=1) > 0][: meaning.MOST_SENTENCES] for part in parts]


def _topical(
    batch: Batch,
    outside: _Outside,
    stored: Sequence[Signature],
    stamp: Stamp,
    settings: Settings,
    graph: Graph,
) -> list[tuple[Signature, int, npt.NDArray[np.int64]]]:
    """Families of meaning among the prompts in no other: signature, number of the stored one or -1, prompts."""
    loose, whole = outside.prompts, outside.vectors
    taken = np.full(len(loose), -1, dtype=np.int64)
    for number, old in enumerate(stored):
        if old.kind == "topical" and len(loose):
            near = (whole @ old.prototypes.T).max(axis=1, initial=-1) >= max(old.similarity, 0.0)
            taken[near & (taken < 0)] = number
    free = np.flatnonzero(taken < 0)
    fresh = topics(
        whole[free],
        batch.requests()[loose[free]],
        batch.account,
        batch.second,
        least=settings.min_requests,
        accounts=settings.min_accounts,
        neighbours=settings.neighbours,
        rate=settings.discovery_rate,
        graph=graph,
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
        return calibrate.stricter(kept, fresh)
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
