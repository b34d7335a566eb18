"""Finds the families of a batch: shared text, its clusters, refinement, and the evidence to keep them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from fingerprint.base.types import Bools, FloatArray, HashArray, Ids
from fingerprint.clustering.faiss_index import EXACT_UP_TO
from fingerprint.clustering.hdbscan_graph import cluster
from fingerprint.clustering.knn import Neighbours, knn_graph
from fingerprint.discovery import proof
from fingerprint.discovery.batch import Batch
from fingerprint.discovery.families import Families, assign, candidates, renewed, strength
from fingerprint.discovery.proof import akin, proven
from fingerprint.discovery.segments import join_segments, sketch
from fingerprint.discovery.shared_ngrams import SharedGrams, boundary_grams, shared_grams
from fingerprint.discovery.sparse_products import counts_at
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import Signature
from fingerprint.evidence.coactivity import Behaviour, behaviour, ranked
from fingerprint.text.ngrams import Shingles, shingle

SAME_PLACE = 0.2
"""Segments nearer than this cosine distance (postings that overlap by 80 %) are not parted (D-078)."""

Stage = Callable[[str], None]
Graph = Callable[..., Neighbours]
"""As `index.knn_graph` without options: vectors, k and seed."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a batch holds.

    families, behaviour: (f) rows each. label: (n,) int32, each prompt's family, -1 = none.
    coverage: (n,) float32, the share of its family's core that a prompt holds.
    """

    shingles: Shingles
    shared: SharedGrams
    families: Families
    behaviour: Behaviour
    label: Ids
    coverage: FloatArray


def discover(
    batch: Batch,
    stored: Sequence[Signature],
    settings: Settings,
    stage: Stage,
    *,
    shortest: int = 1,
    exactly: int = EXACT_UP_TO,
    graph: Graph = knn_graph,
) -> Discovery:
    """Find families among a batch's distinct prompts, continuing the stored ones.

    shortest: fewest grams of a segment that families begin with; their cores take in shorter ones afterwards.
    exactly: segments above this number are compared through inverted lists. graph: finds neighbours, as
    `index.knn_graph` does.
    """
    stage("shingle")
    shingles = shingle(batch.token_hashes, batch.section, batch.offsets)
    return discovered(
        shingles, batch, stored, settings, stage, shortest=shortest, exactly=exactly, graph=graph
    )


def discovered(
    shingles: Shingles,
    batch: Batch,
    stored: Sequence[Signature],
    settings: Settings,
    stage: Stage,
    *,
    shortest: int,
    exactly: int = EXACT_UP_TO,
    graph: Graph = knn_graph,
) -> Discovery:
    """Find families as `discover` does, among prompts whose grams are known; the batch needs no texts."""
    senders = batch.senders()
    known = np.unique(np.concatenate([*(s.grams for s in stored), np.empty(0, dtype=np.uint64)]))
    shared = shared_grams(
        shingles, senders, min_prompts=settings.min_requests, min_accounts=settings.min_accounts, known=known
    )
    stage("cluster")
    segments = join_segments(shingles, shared).only(shortest)
    near = graph(
        sketch(segments.postings, seed=settings.seed),
        settings.neighbours,
        seed=settings.seed,
        exact_up_to=exactly,
    )
    clusters = cluster(near, segments.length, min_cluster_size=2, min_samples=1, epsilon=SAME_PLACE)
    stage("refine")
    cores = _stored_cores(stored, shared.hashes)
    found = candidates(clusters.labels, segments, shared, cores, least=settings.min_requests)
    return _select(batch, found, shingles, shared, settings)


def _select(
    batch: Batch, found: Families, shingles: Shingles, shared: SharedGrams, settings: Settings
) -> Discovery:
    """Assign prompts by evidence, and keep the families that their text or their senders' behaviour proves."""
    requests, senders = batch.requests(), batch.senders()
    least = settings.min_requests

    boundary, ranks = boundary_grams(shingles, shared), ranked(batch.second)

    def tested(families: Families) -> Behaviour:
        rows = (families.members @ requests).tocsr()
        return behaviour(rows, batch.account, batch.second, ranks=ranks)

    def believed(families: Families, act: Behaviour) -> Bools:
        # to tell an outline takes long, and few families depend on it
        open_ = np.flatnonzero(
            proven(families, act, np.ones(len(families), dtype=np.bool_), settings)
            & ~proven(families, act, np.zeros(len(families), dtype=np.bool_), settings)
        )
        outlined = np.zeros(len(families), dtype=np.bool_)
        outlined[open_] = proof.has_outline(families.take(open_), shared, boundary)
        return proven(families, act, outlined, settings) | akin(families, act, senders, settings)

    def assigned(families: Families) -> Ids:
        # what an account's behaviour proves, it proves of all prompts that hold the text, and of no part of them
        families = proof.without_fragments(families, believed(families, tested(families)))
        act = tested(families)
        return assign(families, strength(families, act, believed(families, act)), least=least)

    # a common phrase that goes in the first round gives its prompts back to the others in the second
    for _ in range(2):
        # what is left to a family after assignment shows its whole template, not what it shares with siblings
        found = renewed(found, members_of(assigned(found), len(found)), shared, least=least)
        mine = Families(found.core, members_of(assigned(found), len(found)), found.known)
        found = found.take(np.flatnonzero(believed(mine, tested(mine))))
    label = assigned(found)
    mine = Families(found.core, members_of(label, len(found)), found.known)
    kept = np.flatnonzero((mine.known >= 0) | (mine.support >= least))
    rank = np.full(len(found) + 1, -1, dtype=np.int32)
    rank[kept] = np.arange(len(kept))
    families, label = mine.take(kept), rank[label]
    return Discovery(shingles, shared, families, tested(families), label, _coverage(families, shared, label))


def members_of(label: Ids, families: int) -> sparse.csr_matrix:
    """Return (families, n) CSR of ones from labels (n,), -1 = none."""
    prompts = np.flatnonzero(label >= 0)
    ones = np.ones(len(prompts), dtype=np.float32)
    return sparse.csr_matrix((ones, (label[prompts], prompts)), shape=(families, len(label)))


def take(act: Behaviour, rows: npt.NDArray[np.integer]) -> Behaviour:
    """Return the behaviour of some families only."""
    return Behaviour(*(getattr(act, name)[rows] for name in Behaviour.__slots__))


def _stored_cores(stored: Sequence[Signature], hashes: HashArray) -> sparse.csr_matrix:
    sizes = [len(s.grams) for s in stored]
    grams = np.concatenate([*(s.grams for s in stored), np.empty(0, dtype=np.uint64)])
    columns = np.searchsorted(hashes, grams)
    rows = np.repeat(np.arange(len(stored)), sizes)
    ones = np.ones(len(grams), dtype=np.float32)
    return sparse.csr_matrix((ones, (rows, columns)), shape=(len(stored), len(hashes)))


def _coverage(families: Families, shared: SharedGrams, label: Ids) -> FloatArray:
    members = families.members
    out = np.zeros(len(label), dtype=np.float32)
    size = np.repeat(np.maximum(families.size, 1), np.diff(members.indptr))
    out[members.indices] = counts_at(families.core, shared.postings, members) / size
    return np.minimum(out, 1.0)
