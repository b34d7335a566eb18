"""The semantic pass: prompts that share no text but what they say, sentence by sentence or as a whole (D-090, D-155).

Templates that are worded anew in every request come first (`reworded`), then what only has one subject, sent by a pool
that acts together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import sparse

from fingerprint.base.once import Once
from fingerprint.base.process import give_back
from fingerprint.base.stats import pick_evenly, q_values
from fingerprint.base.types import Doubles, Embed, FloatArray, Ids, IntArray
from fingerprint.clustering.hdbscan_graph import cluster
from fingerprint.clustering.inverted_lists import ListSearch
from fingerprint.clustering.knn import knn_graph
from fingerprint.discovery.assignment import Assignment
from fingerprint.discovery.batch import Batch
from fingerprint.discovery.discover import Discovery, Graph
from fingerprint.discovery.proof import MIN_LONG_CORE, SYNCHRONY_P
from fingerprint.discovery.reworded import Compared, Wordings, beside_text, compared, reworded
from fingerprint.discovery.sentence_groups import Prose, read_prose, read_sentences
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import Signature
from fingerprint.evidence.coactivity import behaviour
from fingerprint.text.sentences import heads

MAX_UNASSIGNED = 32_768
"""Prompts in no family that are embedded, to find families of meaning among them."""

AT_ONCE = 4_096
"""Prompts whose texts are in memory together while their beginnings are embedded."""

EXACT_UP_TO = 8_192
"""Prompts above this number are compared through inverted lists (D-328)."""

graph_of_meaning: Graph = partial(knn_graph, lists=ListSearch(probes=32, directions=128))
"""Finds neighbours; of many prompts in few lists and directions."""

MIN_SAMPLES = 5
"""HDBSCAN's: the neighbour whose distance tells how dense it is around a prompt."""


@dataclass(frozen=True, slots=True)
class Unassigned:
    """Prompts in no family, (m,) ascending, and vectors (m, d) of their beginnings, float32 unit rows."""

    prompts: IntArray
    vectors: FloatArray

    def still(self, label: Ids) -> Unassigned:
        """Return those that these labels (of all prompts, -1 = none) leave in no family."""
        left = label[self.prompts] < 0
        return Unassigned(self.prompts[left], self.vectors[left])

    def of(self, prompts: IntArray, batch: Batch, embed: Embed) -> Unassigned:
        """Return prompts (q,), ascending, with their vectors; what these lack is embedded."""
        known = np.isin(prompts, self.prompts)
        vectors = self.vectors[np.searchsorted(self.prompts, prompts[known])]
        if known.all():
            return Unassigned(prompts, vectors)
        out = np.empty((len(prompts), vectors.shape[1]), dtype=np.float32)
        out[known], out[~known] = vectors, embed_heads(batch, prompts[~known], embed)
        return Unassigned(prompts, out)


@dataclass(frozen=True, slots=True)
class Readings:
    """What is read of prompts before it is settled which of them are in no family: vectors of beginnings, and prose."""

    beginnings: Unassigned
    prose: Prose


@dataclass(frozen=True, slots=True)
class OpenPrompts:
    """Prompts that are open to families of meaning: vectors of their beginnings, and what they say, compared."""

    beginnings: Unassigned
    said: Compared


def read_unassigned(batch: Batch, discovery: Discovery, embed: Embed) -> Once[Readings]:
    """Read the prompts among which `topics` looks for families if these are the discovery's."""
    prompts = _unassigned(discovery)
    beginnings = Unassigned(prompts, embed_heads(batch, prompts, embed))
    return Once(Readings(beginnings, read_prose(batch.texts_of, _with_fragments(prompts, discovery))))


def _unassigned(discovery: Discovery) -> IntArray:
    return pick_evenly(np.flatnonzero(discovery.label < 0), MAX_UNASSIGNED)


def _open(discovery: Discovery, assignment: Assignment) -> IntArray:
    """Return the prompts that neither the discovery nor the assignment has in a family, (p,) ascending."""
    prompts = _unassigned(discovery)
    return prompts[assignment.label[prompts] < 0]


def _with_fragments(prompts: IntArray, discovery: Discovery) -> IntArray:
    """Add to prompts (p,) those of new families with a short core, ascending."""
    fragments = np.flatnonzero((discovery.families.known < 0) & (discovery.families.size < MIN_LONG_CORE))
    return np.union1d(prompts, np.flatnonzero(np.isin(discovery.label, fragments)))


@dataclass(frozen=True, slots=True)
class Topics:
    """Families of meaning (t), numbered after those that share text: the reworded ones, then those of one subject.

    assignment: of all the batch's prompts, to families of any kind. known: (t,) int64, which stored signature each
    continues, -1 for a new one. wordings: (t) what each new reworded family says, () for all others. unassigned: what
    still belongs to no family.
    """

    assignment: Assignment
    known: IntArray
    wordings: tuple[tuple[Wordings, ...], ...]
    unassigned: Unassigned


def compare_unassigned(
    batch: Batch,
    discovery: Discovery,
    assignment: Assignment,
    stored: Sequence[Signature],
    embed: Embed,
    settings: Settings,
    *,
    fresh: bool = True,
    readings: Once[Readings] | None = None,
) -> Once[OpenPrompts]:
    """Compare what prompts say that no family holds: the part of `topics` that all processors share, with its arguments.

    Those of new families with a short core are looked at, too: a wording that comes back now and then makes one.
    readings: what is read already, of these prompts or about these.
    """
    read = (readings or read_unassigned(batch, discovery, embed)).take()
    open_to = _with_fragments(_open(discovery, assignment), discovery)
    sentences = read_sentences(read.prose.of(open_to, batch.texts_of), embed)
    beginnings = read.beginnings
    del read
    give_back()
    return Once(OpenPrompts(beginnings, compared(sentences, stored, settings, fresh=fresh)))


def topics(
    batch: Batch,
    discovery: Discovery,
    assignment: Assignment,
    stored: Sequence[Signature],
    embed: Embed,
    settings: Settings,
    *,
    graph: Graph = graph_of_meaning,
    fresh: bool = True,
    open_prompts: Once[OpenPrompts] | None = None,
) -> Topics:
    """Find families of meaning among the prompts that no family holds, stored ones first; others only if `fresh`.

    assignment: of the batch's prompts to the families of the discovery. graph: finds neighbours, as `knn.knn_graph`.
    open_prompts: these, where they are compared already.
    """
    if open_prompts is None:
        open_prompts = compare_unassigned(batch, discovery, assignment, stored, embed, settings, fresh=fresh)
    taken = open_prompts.take()
    prompts, beginnings = _open(discovery, assignment), taken.beginnings
    said = beside_text(reworded(batch, taken.said, settings), discovery.label)
    del taken
    worded = said.label >= 0
    assignment = assignment.with_prompts(
        said.prompts[worded], len(discovery.families) + said.label[worded], strength=1.0
    )
    first = len(discovery.families) + len(said.known)
    unassigned = beginnings.of(prompts[assignment.label[prompts] < 0], batch, embed)
    continues = _continued(unassigned, stored)
    free = np.flatnonzero((continues < 0) & fresh)
    label = cluster_by_meaning(
        unassigned.vectors[free],
        batch.conversations()[unassigned.prompts[free]],
        batch.account,
        batch.second,
        least=settings.min_requests,
        accounts=settings.min_accounts,
        neighbours=settings.neighbours,
        rate=settings.discovery_rate,
        graph=graph,
    )
    seen, topic = np.unique(continues[continues >= 0], return_inverse=True)
    number = np.full(len(continues), -1, dtype=np.int64)
    number[continues >= 0] = topic
    number[free] = np.where(label >= 0, len(seen) + label, -1)
    placed = number >= 0
    after = assignment.with_prompts(unassigned.prompts[placed], first + number[placed], strength=1.0)
    subjects = np.concatenate([seen, np.full(int(label.max(initial=-1)) + 1, -1)]).astype(np.int64)
    wordings = (*said.wordings, *(() for _ in subjects))
    known = np.concatenate([said.known, subjects]).astype(np.int64)
    return Topics(after, known, wordings, unassigned.still(after.label))


def _continued(unassigned: Unassigned, stored: Sequence[Signature]) -> IntArray:
    """Return which stored topic each prompt (m,) is near enough to, the first of several, -1 = none."""
    out = np.full(len(unassigned.prompts), -1, dtype=np.int64)
    for number, old in enumerate(stored):
        if old.kind == "topical" and len(out):
            cosine = (unassigned.vectors @ old.prototypes.T).max(axis=1, initial=-1)
            out[(cosine >= max(old.similarity, 0.0)) & (out < 0)] = number
    return out


def embed_heads(batch: Batch, prompts: IntArray | Ids, embed: Embed) -> FloatArray:
    """Embed the beginnings of some prompts, (p, d)."""
    parts = [prompts[begin : begin + AT_ONCE] for begin in range(0, max(len(prompts), 1), AT_ONCE)]
    return np.concatenate([embed(heads(batch.texts_of(part))) for part in parts])


def cluster_by_meaning(
    vectors: FloatArray,
    requests: sparse.csr_matrix,
    account: Ids,
    second: Doubles,
    *,
    least: int,
    accounts: int,
    neighbours: int,
    rate: float,
    graph: Graph = graph_of_meaning,
) -> Ids:
    """Cluster prompts by meaning, (m,) int32 labels, -1 = none; only clusters whose senders act together stay.

    vectors: (m, d) float32 unit rows. requests: (m, r) CSR, the requests of each prompt; account, second: (r,).
    least, accounts: fewest prompts and accounts of a cluster. rate: false-discovery rate of the behaviour test.
    To share accounts is not enough: a language or a subject is written by few people, and always by the same.
    """
    label = np.full(len(vectors), -1, dtype=np.int32)
    if len(vectors) < least:
        return label
    near = graph(vectors, neighbours, exact_up_to=EXACT_UP_TO)
    weight = np.ones(len(vectors), dtype=np.int64)
    group = cluster(near, weight, min_cluster_size=least, min_samples=MIN_SAMPLES).labels
    members = np.flatnonzero(group >= 0)
    shape = (int(group.max(initial=-1)) + 1, len(vectors))
    ones = np.ones(len(members), dtype=np.float32)
    rows = sparse.csr_matrix((ones, (group[members], members)), shape=shape) @ requests
    act = behaviour(rows.tocsr(), account, second)
    together = (q_values(act.p_value) <= rate) & (act.p_synchrony <= SYNCHRONY_P)
    kept = together & (act.accounts >= accounts)
    number = np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int32)
    label[members] = number[group[members]]
    return label
