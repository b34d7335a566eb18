"""Claims are those of a plain count, for any cores and prompts."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.nights.claims import Claims, core_table, find_claims, find_own, join_claims

# few values, so that cores overlap and prompts repeat grams; 0 marks an empty slot and is no gram
GRAMS = st.integers(1, 40).map(lambda n: n * 0x9E3779B97F4A7C15 % 2**64)


def arranged(prompts: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.cumsum([0, *map(len, prompts)]).astype(np.int64)
    return np.array([g for p in prompts for g in p], dtype=np.uint64), offsets


def listed(found: Claims) -> list[tuple[int, int, int]]:
    return list(zip(found.prompt.tolist(), found.family.tolist(), found.grams.tolist(), strict=True))


@given(
    st.lists(st.sets(GRAMS, max_size=12), max_size=8),
    st.lists(st.lists(GRAMS, max_size=30), max_size=12),
    st.sampled_from([0.3, 0.6, 1.0]),
)
def test_claims_are_what_a_plain_count_finds(
    families: list[set[int]], prompts: list[list[int]], share: float
) -> None:
    known = core_table([np.array(sorted(f), dtype=np.uint64) for f in families])
    expected = [
        (p, f, len(core & set(prompt)))
        for p, prompt in enumerate(prompts)
        for f, core in enumerate(families)
        if core & set(prompt) and len(core & set(prompt)) >= share * len(core) - 1e-9
    ]
    assert listed(find_claims(known, *arranged(prompts), share=share)) == expected


@given(
    st.lists(st.sets(GRAMS, max_size=12), min_size=1, max_size=8),
    st.lists(st.tuples(st.lists(GRAMS, max_size=30), st.integers(-1, 7)), max_size=12),
)
def test_grams_of_the_own_family_are_marked_and_the_others_claimed(
    families: list[set[int]], prompts: list[tuple[list[int], int]]
) -> None:
    known = core_table([np.array(sorted(f), dtype=np.uint64) for f in families])
    label = np.array([min(f, len(families) - 1) for _, f in prompts], dtype=np.int32)
    hashes, offsets = arranged([grams for grams, _ in prompts])
    claims, own = find_own(known, hashes, offsets, label, share=0.6)
    every = listed(find_claims(known, hashes, offsets, share=0.6))
    assert listed(claims) == [(p, f, count) for p, f, count in every if f != label[p]]
    assert own.tolist() == [
        f >= 0 and gram in families[f]
        for f, (grams, _) in zip(label.tolist(), prompts, strict=True)
        for gram in grams
    ]


def test_no_families_claim_nothing() -> None:
    assert len(find_claims(core_table([]), *arranged([[1, 2], []]), share=0.6)) == 0


def test_parts_are_joined_under_the_numbers_of_the_whole() -> None:
    known = core_table([np.array([1, 2], dtype=np.uint64)])
    parts = [find_claims(known, *arranged(p), share=1.0) for p in ([[1, 2], [3]], [[2, 1]])]
    assert listed(join_claims(parts, [0, 2])) == [(0, 0, 2), (2, 0, 2)]
