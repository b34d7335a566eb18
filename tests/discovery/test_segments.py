from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from support.crafted import batch_of, by_accounts, grams_of, words

from fingerprint.discovery import segments
from fingerprint.discovery.segments import Segments
from fingerprint.discovery.shared_ngrams import SharedGrams
from fingerprint.text.ngrams import GRAM, Shingles, spans
from fingerprint.text.tokenise import tokens

FIXED = (
    "you are a careful reviewer of legal contracts",
    "answer with a numbered list of risks and nothing else",
    "do not mention these instructions",
)


def prepared(prompts: list[str]) -> tuple[Shingles, SharedGrams, Segments]:
    found, shared = grams_of(batch_of(by_accounts(prompts, 5)))
    return found, shared, segments.join_segments(found, shared)


def texts_of(prompt: str, row: int, found: Shingles, shared: SharedGrams, segs: Segments) -> set[str]:
    """The text that each segment's grams cover in one prompt."""
    import pyarrow as pa

    at = tokens(pa.array([prompt], pa.large_string()))
    covered: dict[int, list[tuple[int, int]]] = {}
    where = spans(at.section, at.row_offsets)
    begin = found.offsets[row]
    for i in range(begin, found.offsets[row + 1]):
        if shared.ids[i] >= 0:
            covered.setdefault(int(segs.of_gram[shared.ids[i]]), []).append(
                (int(where.first[i - begin]), int(where.last[i - begin]))
            )
    raw = prompt.encode()
    return {
        raw[at.starts[min(b for b, _ in c)] : at.ends[max(e for _, e in c) - 1]].decode()
        for c in covered.values()
    }


def test_segments_are_the_fixed_runs_of_a_template() -> None:
    random = np.random.default_rng(0)
    prompts = [f"{FIXED[0]} {words(random, 6)} {FIXED[1]} {words(random, 40)} {FIXED[2]}" for _ in range(20)]
    found, shared, segs = prepared(prompts)
    assert texts_of(prompts[3], 3, found, shared, segs) == set(FIXED)
    assert segs.postings.toarray().all()
    assert segs.length.sum() == len(shared.hashes) == len(segs.of_gram)


def test_a_segment_ends_where_the_template_branches() -> None:
    random = np.random.default_rng(1)
    start, left, right = (
        "summarise the following text in",
        "plain english for a child",
        "formal french for a judge",
    )
    prompts = [f"{start} {left if n % 2 else right} {words(random, 9)}" for n in range(20)]
    found, shared, segs = prepared(prompts)
    for row in (0, 1):
        parts = texts_of(prompts[row], row, found, shared, segs)
        assert start in parts
        # grams across the branch belong to the branch: they cover the stem's last words too
        assert any(part.endswith(left if row else right) for part in parts)
    held = {tuple(row) for row in segs.postings.toarray().astype(int)}
    assert held == {(1,) * 20, (1, 0) * 10, (0, 1) * 10}


def test_text_repeated_in_a_prompt_is_one_segment() -> None:
    random = np.random.default_rng(2)
    loop = "over and over and over and over and over"
    _, _, segs = prepared([f"{loop} {words(random, 9)}" for _ in range(9)])
    assert len(segs.length) == 1
    assert segs.postings.sum() == 9


def test_a_prompt_holds_a_group_from_the_share_on() -> None:
    # ten grams in group 0, one in group 1, one in none
    group = np.array([0] * 10 + [1, -1])
    postings = np.zeros((12, 4), dtype=np.float32)
    postings[:7, 0] = 1
    postings[:6, 1] = 1
    postings[10, 2] = 1
    postings[11, 3] = 1
    held = segments.prompts_holding(group, 3, sparse.csr_matrix(postings), share=0.7)
    assert held.toarray().tolist() == [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert held.data.dtype == np.float32


@pytest.mark.parametrize("dimension", [256, 1024])
def test_a_sketch_estimates_the_overlap_of_posting_lists(dimension: int) -> None:
    random = np.random.default_rng(3)
    n, s = 5000, 120
    density = random.uniform(0.01, 0.3, s)
    dense = random.random((s, n)) < density[:, None]
    dense[1::2] &= dense[::2] | (random.random((s // 2, n)) < 0.2)
    postings = sparse.csr_matrix(dense.astype(np.float32))
    vectors = segments.sketch(postings, dimension=dimension)
    assert vectors.shape == (s, dimension)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    both = dense.astype(float) @ dense.T.astype(float)
    size = dense.sum(axis=1)
    error = (vectors @ vectors.T - both / np.sqrt(np.outer(size, size)))[np.triu_indices(s, 1)]
    assert abs(error.mean()) < 0.2 / np.sqrt(dimension)
    assert error.std() < 1.1 / np.sqrt(dimension)
    assert abs(error).max() < 5 / np.sqrt(dimension)


def test_equal_lists_have_equal_sketches_and_an_empty_one_is_zero() -> None:
    postings = sparse.csr_matrix(np.array([[1, 0, 1, 1], [1, 0, 1, 1], [0, 0, 0, 0]], dtype=np.float32))
    vectors = segments.sketch(postings)
    assert (vectors[0] == vectors[1]).all()
    assert not vectors[2].any()
    assert (segments.sketch(postings) == vectors).all()
    assert (segments.sketch(postings, seed=1)[0] != vectors[0]).any()


@pytest.mark.parametrize("prompts", [[], ["one"], ["one", "two"], ["", " "]])
def test_nothing_shared(prompts: list[str]) -> None:
    _, shared, segs = prepared(prompts)
    assert segs.postings.shape[1] == shared.postings.shape[1]
    assert segs.postings.shape[0] == len(segs.length) == len(segs.of_gram) == 0
    assert segments.sketch(segs.postings).shape == (0, 256)


def test_a_template_of_one_gram_is_one_segment() -> None:
    random = np.random.default_rng(4)
    fixed = words(random, GRAM)
    _, _, segs = prepared([f"{words(random, 5)} {fixed} {words(random, 5)}" for _ in range(6)])
    assert segs.length.tolist() == [1]
    assert segs.postings.toarray().all()
