"""A text holds enough of a signature if the weights of its distinct n-grams add up to what is asked for."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.bare_signatures import signature

from fingerprint.hunting.ngram_weights import add, for_thread, hold_enough, may_be_wanted, ngram_weights
from fingerprint.matching.ngram_index import index_ngrams

# n-grams are hashes: their high bits tell them apart
GRAMS = np.random.default_rng(2).integers(1, 2**64, 12, dtype=np.uint64).tolist()
weighed = st.dictionaries(st.sampled_from(GRAMS), st.floats(0, 4, width=32), min_size=1)
texts = st.lists(st.lists(st.sampled_from([*GRAMS, 7, 2**63]), max_size=15), max_size=6)


@given(signatures=st.lists(weighed, min_size=1, max_size=3), least=st.floats(0.125, 8, width=32), some=texts)
def test_which_texts_hold_enough(
    signatures: list[dict[int, float]], least: float, some: list[list[int]]
) -> None:
    asked = np.full(len(signatures), least, np.float32)
    weights = ngram_weights(index_ngrams([signature(grams) for grams in signatures]), asked)
    offsets = np.cumsum([0, *map(len, some)]).astype(np.int64)
    hashes = np.array([gram for text in some for gram in text], np.uint64)
    for _ in range(2):  # nothing is left of an earlier pass
        enough = hold_enough(hashes, offsets, weights)
        for text, own in zip(some, enough, strict=True):
            # distinct n-grams, in the order of the text; each counts a little even if it weighs nothing
            sums = [
                sum(
                    max(np.float32(grams[gram]), np.float32(1e-6))
                    for gram in dict.fromkeys(text)
                    if gram in grams
                )
                for grams in signatures
            ]
            if max(abs(float(total) - least) for total in sums) > 1e-5:
                assert own == any(total >= least for total in sums)


def test_almost_all_other_n_grams_are_told_apart_by_one_look() -> None:
    weights = ngram_weights(index_ngrams([signature(dict.fromkeys(GRAMS, 1.0))]), np.ones(1, np.float32))
    assert all(may_be_wanted(weights.bits, np.uint64(gram)) for gram in GRAMS)
    others = np.random.default_rng(3).integers(1, 2**64, 5000, dtype=np.uint64)
    assert np.mean([may_be_wanted(weights.bits, gram) for gram in others]) < 0.01


def test_what_no_weight_is_enough_for_is_never_held() -> None:
    weights = ngram_weights(
        index_ngrams([signature(dict.fromkeys(GRAMS, 1.0))]), np.full(1, np.inf, np.float32)
    )
    hashes = np.array(GRAMS, np.uint64)
    assert not hold_enough(hashes, np.array([0, len(hashes)]), weights).any()


def test_threads_do_not_share_their_sums() -> None:
    first = ngram_weights(
        index_ngrams([signature({GRAMS[0]: 1.0, GRAMS[1]: 1.0})]), np.full(1, 2, np.float32)
    )
    second = for_thread(first)
    assert not add(first, np.uint64(GRAMS[0]), 0)
    assert not add(first, np.uint64(GRAMS[0]), 0)
    assert not add(second, np.uint64(GRAMS[1]), 0)
    assert add(first, np.uint64(GRAMS[1]), 0)
