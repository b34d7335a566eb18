"""Turns what a batch holds into signatures: template, weights, prototypes, threshold and spread."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np

from fingerprint.base.parallel import in_order, workers
from fingerprint.base.types import Bools, Embed, FloatArray, HashArray, Ids, IntArray
from fingerprint.clustering.knn import knn_graph
from fingerprint.discovery.batch import Batch, Whole
from fingerprint.discovery.discover import Discovery, Graph
from fingerprint.discovery.families import members_of
from fingerprint.discovery.topics import topics
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import Signature, Spread, Stamp, Template
from fingerprint.evidence.coactivity import Behaviour, behaviour
from fingerprint.signatures import calibrate, match_score
from fingerprint.signatures.prototypes import Unassigned, embed_heads, pick_evenly, with_prototypes
from fingerprint.signatures.rewordings import adopt, common_words, with_variants
from fingerprint.signatures.spread import spreads, with_spread_and_reliability
from fingerprint.signatures.template import Corpus, write_template
from fingerprint.text.masking import unmask
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import tokens

MOST_LOOSE = 32_768
"""Prompts in no family that are embedded, to find families of meaning among them."""

SAME_WORDING = 0.7
"""A stored family keeps its grams while today's core and the stored one overlap by this Jaccard index."""


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
    born: Bools
    joined: Bools


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
    loose = pick_evenly(np.flatnonzero(found.label < 0), MOST_LOOSE)
    with ThreadPoolExecutor(1) as beside:
        vectors = beside.submit(embed_heads, batch, loose, embed)
        textual = _textual(batch, found, stored, stamp, settings)
        outside = Unassigned(loose, vectors.result())
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
    fresh = with_prototypes(
        batch, [signatures[f] for f in kept], members, outside.still(label), embed, settings
    )
    old = [stored[known[f]] if known[f] >= 0 else None for f in kept]
    complete = [
        here if o is None else _continued(o, here, int(members[row].nnz), settings.min_requests)
        for row, (o, here) in enumerate(
            zip(old, with_spread_and_reliability(batch, fresh, members), strict=True)
        )
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
    tonight = spreads(batch, members)
    final = tuple(replace(s, spread=tonight[f]) if members[f].nnz else s for f, s in enumerate(wordings))
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


def _topical(
    batch: Batch,
    outside: Unassigned,
    stored: Sequence[Signature],
    stamp: Stamp,
    settings: Settings,
    graph: Graph,
) -> list[tuple[Signature, int, IntArray]]:
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
            name, Template(()), stamp, grams=nothing[0], weights=nothing[1], threshold=match_score.FLOOR
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


def _name(content: bytes, taken: Collection[str]) -> str:
    """Name a family after its content, so that the same batch always gives the same names, but no name twice."""
    name = "f" + hashlib.blake2b(content, digest_size=6).hexdigest()
    return name if name not in taken else _name(content + b"+", taken)
