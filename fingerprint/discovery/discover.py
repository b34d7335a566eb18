"""Finds the families of a batch, in order: shared n-grams, segments, clusters, candidate families, selection.

Which of these stages is which module, and what each hands on, is in the folder's docstring.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from fingerprint.base.types import FloatArray, Ids
from fingerprint.clustering.hdbscan_graph import cluster
from fingerprint.clustering.inverted_lists import ListSearch
from fingerprint.clustering.knn import Neighbours, knn_graph
from fingerprint.discovery.asked import stored_cores
from fingerprint.discovery.assignment import Assignment
from fingerprint.discovery.batch import Batch, behaviour_of
from fingerprint.discovery.families import Families, candidates, cores_over, renew
from fingerprint.discovery.proof import has_outline
from fingerprint.discovery.segments import join_segments, sketch
from fingerprint.discovery.selection import select
from fingerprint.discovery.shared_ngrams import SharedGrams, boundary_grams, shared_grams
from fingerprint.discovery.sparse_products import counts_at
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import Signature
from fingerprint.evidence.coactivity import Behaviour
from fingerprint.text.licences import without_licences
from fingerprint.text.ngrams import Shingles, shingle

SAME_PLACE = 0.2
"""Segments nearer than this cosine distance (postings that overlap by 80 %) are not parted (D-078)."""

StageFn = Callable[[str], None]
"""Called with the name of a stage that begins."""

Graph = Callable[..., Neighbours]
"""Finds neighbours: takes vectors, k and options as `knn.knn_graph` does."""

EXACT_UP_TO = 4_096
"""Segments above this number are compared through inverted lists (D-332)."""

graph_of_segments: Graph = partial(knn_graph, lists=ListSearch(probes=16, directions=256))
"""Finds neighbours; of many segments in few lists."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a batch of n distinct prompts holds: f families, each with members and behaviour.

    shingles: the prompts' n-grams. shared: those of them that several accounts sent. label: (n,) int32, the row of each
    prompt's family, -1 = none. coverage: (n,) float32, the share of its family's core that a prompt holds, 0 to 1.
    """

    shingles: Shingles
    shared: SharedGrams
    families: Families
    behaviour: Behaviour
    label: Ids
    coverage: FloatArray

    @property
    def assignment(self) -> Assignment:
        """Which family each prompt belongs to by its text; how surely is how much of the core it holds."""
        strength = np.where(self.label >= 0, self.coverage, 0.0).astype(np.float32)
        return Assignment(self.label, strength)

    def continued(self, stored: Sequence[Signature]) -> list[Signature | None]:
        """Return the stored signature that each family continues, (f), None for a new one."""
        return [stored[known] if known >= 0 else None for known in self.families.known.tolist()]


def discover(
    batch: Batch,
    stored: Sequence[Signature],
    settings: Settings,
    stage: StageFn,
    *,
    min_length: int = 1,
    exact_up_to: int = EXACT_UP_TO,
    graph: Graph = graph_of_segments,
) -> Discovery:
    """Find families among a batch's distinct prompts, continuing the stored ones.

    stage: called as stages begin. min_length: fewest n-grams of a segment that families begin with; their cores take in
    shorter ones afterwards. exact_up_to: more segments than this are compared through inverted lists. graph: finds
    neighbours.
    """
    stage("shingle")
    shingles = without_licences(shingle(batch.token_hashes, batch.section, batch.offsets))
    return discover_in(
        shingles, batch, stored, settings, stage, min_length=min_length, exact_up_to=exact_up_to, graph=graph
    )


def discover_in(
    shingles: Shingles,
    batch: Batch,
    stored: Sequence[Signature],
    settings: Settings,
    stage: StageFn,
    *,
    min_length: int,
    exact_up_to: int = EXACT_UP_TO,
    graph: Graph = graph_of_segments,
) -> Discovery:
    """Find families as `discover` does, among prompts whose n-grams are known; the batch needs no texts."""
    senders = batch.senders()
    own = stored_cores(stored)
    known = np.unique(np.concatenate([*own, np.empty(0, dtype=np.uint64)]))
    shared = shared_grams(
        shingles, senders, min_prompts=settings.min_requests, min_accounts=settings.min_accounts, known=known
    )
    stage("cluster")
    segments = join_segments(shingles, shared).only(min_length)
    near = graph(
        sketch(segments.postings, seed=settings.seed),
        settings.neighbours,
        seed=settings.seed,
        exact_up_to=exact_up_to,
    )
    clusters = cluster(near, segments.length, min_cluster_size=2, min_samples=1, epsilon=SAME_PLACE)
    stage("refine")
    cores = cores_over(shared.hashes, own)
    proposed = candidates(clusters.labels, segments, shared, cores, least=settings.min_requests)
    boundary = boundary_grams(shingles, shared)
    selection = select(
        proposed,
        batch,
        settings,
        outline=lambda families, _: has_outline(families, shared, boundary),
        renew=lambda families, assigned: renew(families, assigned, shared, least=settings.min_requests),
    )
    families, label = selection.families, selection.label
    act = behaviour_of(batch, families.members)
    return Discovery(shingles, shared, families, act, label, coverage_of(families, shared, label))


def coverage_of(families: Families, shared: SharedGrams, label: Ids) -> FloatArray:
    """Return the share of its family's core that each prompt holds, (n,), 0 without a family."""
    members = families.members
    out = np.zeros(len(label), dtype=np.float32)
    size = np.repeat(np.maximum(families.size, 1), np.diff(members.indptr))
    out[members.indices] = counts_at(families.core, shared.postings, members) / size
    return np.minimum(out, 1.0)
