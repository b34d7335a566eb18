from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.ngram_prompts import PROMPTS, columns, naive_grams, shingled

from fingerprint.text.ngrams import GRAM, shingle, spans


@given(PROMPTS, st.integers(2, 6))
def test_grams_are_those_of_a_plain_loop(prompts: list[list[list[int]]], gram: int) -> None:
    found = shingled(prompts, gram)
    assert found.prompts == len(prompts)
    for n, prompt in enumerate(prompts):
        own = found.hashes[found.offsets[n] : found.offsets[n + 1]]
        assert own.tolist() == naive_grams(prompt, gram)


@given(PROMPTS)
def test_grams_cover_every_token_and_never_cross_a_section(prompts: list[list[list[int]]]) -> None:
    hashes, section, offsets = columns(prompts)
    found, at = shingle(hashes, section, offsets), spans(section, offsets)
    assert at.offsets.tolist() == found.offsets.tolist()
    covered = np.zeros(len(hashes), dtype=bool)
    for n in range(len(prompts)):
        for i in range(found.offsets[n], found.offsets[n + 1]):
            first, last = at.first[i], at.last[i]
            assert offsets[n] <= first < last <= offsets[n + 1]
            assert last - first <= GRAM
            assert len(set(section[first:last].tolist())) == 1
            covered[first:last] = True
            if found.joined[i]:
                assert i + 1 < found.offsets[n + 1]
                assert section[at.first[i + 1]] == section[first]
                assert at.last[i + 1] - last in (0, 1)
    assert covered.all()


def test_a_section_too_short_for_a_gram_is_one_gram() -> None:
    found = shingled([[[7], [7, 8]], [[7]]])
    assert found.offsets.tolist() == [0, 2, 3]
    assert found.hashes[0] == found.hashes[2] != found.hashes[1]
    assert not found.joined.any()


def test_the_same_words_at_a_start_and_inside_are_different_grams() -> None:
    at_start, inside = shingled([[[1, 2, 3, 4, 5]]]), shingled([[[9, 1, 2, 3, 4, 5]]])
    assert at_start.hashes[0] not in inside.hashes
    assert at_start.hashes[1] in inside.hashes
