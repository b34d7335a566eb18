"""Texts are compared word by word as the formula says."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprint.embedding.word_similarity import ENOUGH, TRANSLATED, Words, WordVectors, said_of

WORDS, DIMENSION = 50, 8


def drawn(rng: np.random.Generator, texts: int) -> Words:
    ends = np.concatenate([[0], np.cumsum(rng.integers(0, 7, texts))])
    return Words(rng.integers(0, WORDS, ends[-1]).astype(np.int32), ends)


def means(model: WordVectors, words: Words) -> np.ndarray:
    out = np.zeros((len(words.ends) - 1, DIMENSION), np.float32)
    for n, (a, b) in enumerate(zip(words.ends, words.ends[1:], strict=False)):
        if b > a:
            out[n] = model.vectors[words.rows[a:b]].mean(axis=0)
            out[n] /= np.linalg.norm(out[n])
    return out


@pytest.mark.parametrize("seed", range(5))
def test_each_word_counts_as_far_as_any_of_the_sentence_means_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = (rng.standard_normal((WORDS, DIMENSION)) / 5).astype(np.float32)
    model = WordVectors(vectors, np.linalg.norm(vectors, axis=1).astype(np.float32))
    unit = vectors / model.lengths[:, None]
    words, asked = drawn(rng, 12), drawn(rng, 5)
    said, prototypes = means(model, words), means(model, asked)
    foreign = rng.random(12) < 0.3
    offsets, owners = np.array([0, 5, 5, 12]), np.array([0, 2, 5])
    row, family = np.repeat(np.arange(3), 2), np.tile(np.arange(2), 3)
    got = said_of(model, said, offsets, words, foreign, prototypes, owners, asked, row, family)

    def of(p: int, s: int) -> float:
        own = asked.rows[asked.ends[p] : asked.ends[p + 1]]
        theirs = words.rows[words.ends[s] : words.ends[s + 1]]
        best = np.maximum((unit[own] @ unit[theirs].T).max(axis=1, initial=0), 0)
        recall = float((best * model.lengths[own]).sum() / model.lengths[own].sum())
        value = (recall + 0.5 * float(said[s] @ prototypes[p])) / 1.5
        return min(value / float(TRANSLATED), 1.0) if foreign[s] else value

    for n in range(len(row)):
        sentences = np.arange(offsets[row[n]], offsets[row[n] + 1])
        expected = []
        for p in range(owners[family[n]], owners[family[n] + 1]):
            cosines = said[sentences] @ prototypes[p] if len(sentences) else np.empty(0)
            nearest = sentences[np.argsort(-cosines)[:2]]
            near = [s for s in nearest if said[s] @ prototypes[p] > 0]
            near = [s for s in near if said[s] @ prototypes[p] >= 0.6 * (said[near[0]] @ prototypes[p])]
            expected.append(max((of(p, int(s)) for s in near), default=0.0))
        own = range(owners[family[n]], owners[family[n] + 1])
        weights = [model.lengths[asked.rows[asked.ends[p] : asked.ends[p + 1]]].sum() for p in own]
        weights = np.minimum(weights, ENOUGH) + 1e-9
        assert got[n] == pytest.approx(np.average(expected, weights=weights), abs=1e-5)


def test_a_sentence_says_all_of_itself() -> None:
    rng = np.random.default_rng(9)
    vectors = rng.standard_normal((WORDS, DIMENSION)).astype(np.float32)
    model = WordVectors(vectors, np.linalg.norm(vectors, axis=1).astype(np.float32))
    words = Words(np.arange(6, dtype=np.int32), np.array([0, 6]))
    own, one, first = means(model, words), np.array([0, 1]), np.zeros(1, np.int64)
    got = said_of(model, own, one, words, np.array([False]), own, one, words, first, first)
    assert got[0] == pytest.approx(1, abs=1e-5)
