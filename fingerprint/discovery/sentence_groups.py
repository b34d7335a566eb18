"""Semantic segments: dense groups of sentences that mean the same in whatever words, and which prompts hold them.

A template that is worded anew in every request shares no text, but its sentences come back in other words from other
accounts. Sentences with such neighbours are clustered (FAISS, HDBSCAN), and groups stand for them as runs of shared
text stand for a template that is copied. Common asks are dense, too: only their senders tell them apart (`reworded`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import sparse

from fingerprint.base.process import give_back
from fingerprint.base.sparse import ranges
from fingerprint.base.stats import pick_evenly
from fingerprint.base.types import Bools, Doubles, Embed, FloatArray, Ids, IntArray, TextsOfPrompts
from fingerprint.clustering.hdbscan_graph import cluster
from fingerprint.clustering.inverted_lists import ListSearch
from fingerprint.clustering.knn import Neighbours, knn_graph
from fingerprint.text.licences import are_of_licences
from fingerprint.text.scattered import without_scattered
from fingerprint.text.sentences import is_prose, split_parts

MOST_SENTENCES = 98_304
"""Distinct sentences that are looked at; of more, those of some prompts, evenly chosen (D-154)."""

AT_ONCE = 4_096
"""Prompts that are cut into sentences at once."""

EDGE = 6
"""Sentences that are read from each end of a prompt, and behind a system prompt of so many: a template stands before or after
its payload."""

NEIGHBOURS = 16
"""Nearest other sentences of each that are known."""

EXACT_UP_TO = 16_384
"""Sentences above this number are compared through inverted lists, which takes a third of the time, or less (D-281)."""

SEARCH = ListSearch(probes=8, directions=96)
"""Finds candidates: of the neighbours at SAME_MEANING 0.97 (D-327)."""

SAME_MEANING = 0.7
"""Cosine of two sentences that say the same in other words (D-154)."""

FEWEST_NEIGHBOURS = 3
"""A sentence is dense if so many others that mean the same, or copies of it, were sent by other accounts."""

SMALLEST_GROUP, MIN_SAMPLES = 5, 4
"""HDBSCAN's: sentences of the smallest group, as often as accounts sent each, and the neighbour whose distance tells the
density around one."""

SAME_GROUP = 0.2
"""Groups nearer than this cosine distance are not parted."""


@dataclass(frozen=True, slots=True)
class Prose:
    """The sentences of prose at the beginnings and ends of p prompts: k in all, one prompt's after the other's.

    prompts: (p,) int64. texts: (k,). offsets: (p + 1,) int64, where each prompt's begin. position: (k,) float64, how far from the
    prompt's beginning, 0 to 1.
    """

    prompts: IntArray
    texts: pa.LargeStringArray
    offsets: IntArray
    position: Doubles

    def rows(self, rows: IntArray) -> Prose:
        """Return those of some of the prompts, given by their places (q,)."""
        places, offsets = ranges(self.offsets, rows)
        return Prose(self.prompts[rows], self.texts.take(pa.array(places)), offsets, self.position[places])

    def of(self, prompts: IntArray, texts: TextsOfPrompts) -> Prose:
        """Return those of prompts (q,), ascending; what these (ascending, too) lack is read."""
        known = np.isin(prompts, self.prompts)
        out = self.rows(np.searchsorted(self.prompts, prompts[known]))
        if known.all():
            return out
        both = Prose.joined([out, read_prose(texts, prompts[~known])])
        return both.rows(np.argsort(both.prompts))

    @classmethod
    def joined(cls, parts: Sequence[Prose]) -> Prose:
        """Return those of all prompts of some parts."""
        counts = np.concatenate([np.diff(part.offsets) for part in parts])
        return cls(
            np.concatenate([part.prompts for part in parts]),
            pa.concat_arrays([part.texts for part in parts]),
            np.append(0, np.cumsum(counts)),
            np.concatenate([part.position for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class Sentences:
    """What m prompts say at their beginnings and ends: s distinct sentences of prose.

    prompts: (m,) int64, ascending. texts: (s,). vectors: (s, d) float32 unit rows. held: (m, s) CSR of float32 ones.
    position: (s,) float64, how far from the prompt's beginning, 0 to 1, mean over those that hold it.
    """

    prompts: IntArray
    texts: pa.LargeStringArray
    vectors: FloatArray
    held: sparse.csr_matrix
    position: Doubles

    def only(self, kept: Bools) -> Sentences:
        """Return the same of some prompts, with the sentences that these hold; kept: (m,)."""
        if kept.all():
            return self
        held = self.held[np.flatnonzero(kept)]
        left = np.unique(held.indices)
        return Sentences(
            self.prompts[kept],
            self.texts.take(pa.array(left)),
            self.vectors[left],
            held[:, left].tocsr(),
            self.position[left],
        )


@dataclass(frozen=True, slots=True)
class SentenceGroups:
    """g groups of sentences that mean the same.

    of_sentence: (s,) int32, each sentence's group, -1 = none. held: (m, g) CSR of float32 ones, which prompts say it.
    """

    of_sentence: Ids
    held: sparse.csr_matrix


def read_prose(texts: TextsOfPrompts, prompts: IntArray) -> Prose:
    """Cut prompts (p,), ascending, into sentences, and keep those of prose at their edges that are of no licence."""
    plain = without_scattered(texts(prompts))
    parts = [slice(begin, begin + AT_ONCE) for begin in range(0, max(len(prompts), 1), AT_ONCE)]
    return Prose.joined([_prose_of(prompts[part], plain[part]) for part in parts])


def _prose_of(prompts: IntArray, texts: pa.LargeStringArray) -> Prose:
    flat, offsets, own = split_parts(texts)
    kept = np.flatnonzero(is_prose(flat))
    kept = kept[_at_an_edge(np.searchsorted(kept, offsets), np.searchsorted(kept, own))]
    coded = flat.take(pa.array(kept)).dictionary_encode()
    public = are_of_licences(coded.dictionary)
    kept = kept[~public[coded.indices.to_numpy()]]
    prompt = np.searchsorted(offsets, kept, side="right") - 1
    position = (kept - offsets[prompt]) / np.diff(offsets)[prompt]
    return Prose(prompts, flat.take(pa.array(kept)), np.searchsorted(kept, offsets), position)


def read_sentences(prose: Prose, embed: Embed) -> Sentences:
    """Embed the distinct sentences of prose; of more than MOST_SENTENCES, those of some prompts, evenly chosen."""
    coded = prose.texts.dictionary_encode()
    if len(coded.dictionary) > MOST_SENTENCES:
        some = len(prose.prompts) * MOST_SENTENCES // len(coded.dictionary)
        prose = prose.rows(pick_evenly(np.arange(len(prose.prompts)), some))
        coded = prose.texts.dictionary_encode()
    give_back()
    prompt = np.repeat(np.arange(len(prose.prompts)), np.diff(prose.offsets))
    saying, row = np.unique(prompt, return_inverse=True)
    at = coded.indices.to_numpy().astype(np.int64)
    shape = (len(saying), len(coded.dictionary))
    held = sparse.csr_matrix((np.ones(len(at), dtype=np.float32), (row, at)), shape=shape)
    held.data[:] = 1.0  # a sentence that comes again in a prompt counts once
    position = np.bincount(at, prose.position) / np.bincount(at)
    return Sentences(prose.prompts[saying], coded.dictionary, embed(coded.dictionary), held, position)


def _at_an_edge(offsets: IntArray, own: IntArray) -> Bools:
    """Tell which items are among the first or last EDGE of their text, or the first behind a system prompt of so many.

    offsets: (n + 1,) where each text's begin. own: (n,) where those behind its system prompt do.
    """
    count = np.diff(offsets)
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], count)
    behind = np.repeat(own - offsets[:-1], count)
    asked = (behind >= EDGE) & (place >= behind) & (place < behind + EDGE)
    return np.asarray((place < EDGE) | asked | (place >= np.repeat(count, count) - EDGE))


def nearest_sentences(said: Sentences, *, seed: int) -> Neighbours:
    """Find the sentences that are nearest to each."""
    return knn_graph(said.vectors, NEIGHBOURS, seed=seed, exact_up_to=EXACT_UP_TO, lists=SEARCH)


def group_sentences(said: Sentences, near: Neighbours, senders: sparse.csr_matrix) -> SentenceGroups:
    """Group sentences that other accounts say in other words; near: `nearest_sentences`.

    senders: (n, a) CSR, who sent each prompt of the batch.
    """
    count = len(said.texts)
    of_sentence = np.full(count, -1, dtype=np.int32)
    sent = (said.held.T @ senders[said.prompts]).tocsr()
    accounts = np.diff(sent.indptr)
    first = sent.indices[sent.indptr[:-1]]
    dense = np.flatnonzero(_with_others(near, first) + accounts - 1 >= FEWEST_NEIGHBOURS)
    if len(dense) >= SMALLEST_GROUP:
        of_sentence[dense] = cluster(
            _among(near, dense, count),
            accounts[dense].astype(np.int64),
            min_cluster_size=SMALLEST_GROUP,
            min_samples=MIN_SAMPLES,
            selection="leaf",
            epsilon=SAME_GROUP,
        ).labels
    grouped = np.flatnonzero(of_sentence >= 0)
    ones = np.ones(len(grouped), dtype=np.float32)
    shape = (count, int(of_sentence.max(initial=-1)) + 1)
    held = (said.held @ sparse.csr_matrix((ones, (grouped, of_sentence[grouped])), shape=shape)).tocsr()
    held.data[:] = 1.0
    held.sort_indices()
    return SentenceGroups(of_sentence, held)


def _with_others(near: Neighbours, account: Ids) -> IntArray:
    """Count each sentence's neighbours that say the same and that another account sent, (s,); account: (s,) one of each."""
    same = (near.ids >= 0) & (near.similarity >= SAME_MEANING)
    return np.asarray((same & (account[near.ids] != account[:, None])).sum(axis=1), dtype=np.int64)


def _among(near: Neighbours, rows: IntArray, count: int) -> Neighbours:
    """Return the neighbours of some items among these items alone, numbered anew; count: of all items."""
    rank = np.full(count + 1, -1, dtype=np.int32)
    rank[rows] = np.arange(len(rows))
    ids = rank[near.ids[rows]]
    similarity = np.where(ids >= 0, near.similarity[rows], np.float32(-1.0))
    order = np.argsort(-similarity, axis=1, kind="stable")
    return Neighbours(np.take_along_axis(ids, order, axis=1), np.take_along_axis(similarity, order, axis=1))
