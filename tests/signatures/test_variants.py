from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from support.reworded import ORIGINAL, OTHER, REWORDED

from fingerprint.embedding.embedder import Embedder
from fingerprint.signatures.variants import SAME_MEANING, Wording, originals

NO_WORDS = sparse.csr_matrix((2, 1))
FOREIGN = ["schreibe zuerst alle gedankenschritte auf", "nummeriere jeden schritt und begruende ihn"]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.load("static")


def found(
    embedder: Embedder,
    new: list[str],
    *,
    familiar: float = 0.8,
    pool: range = range(20),
    prompts: int = 10,
    stored: bool = True,
) -> int:
    """Which row the new family, row 1, is a variant of; row 0, stored or as new, is sent by 40 accounts of 400."""
    original, variant = 40, prompts
    members = np.zeros((2, original + variant), dtype=np.float32)
    members[0, :original], members[1, original:] = 1, 1
    senders = np.zeros((original + variant, 400), dtype=np.float32)
    senders[np.arange(original), np.arange(original)] = 1
    for row in range(variant):
        senders[original + row, pool[row % len(pool)]] = 1
    said = [ORIGINAL, new]
    wording = Wording(
        [embedder.encode(s) for s in said],
        sparse.csr_matrix(members),
        np.array([0.8, familiar]),
        NO_WORDS,
        np.array([sum(map(len, s)) for s in said]),
        np.ones(2),
        {}.get,
    )
    born = np.array([not stored, True])
    return int(originals(wording, born, sparse.csr_matrix(senders), spoken=sparse.csr_matrix((2, 2)))[1])


def test_a_rewording_by_the_same_pool_is_a_variant(embedder: Embedder) -> None:
    assert found(embedder, REWORDED) == 0


def compared(a: np.ndarray, b: np.ndarray, *, least: float = 1.0) -> Wording:
    nothing = sparse.csr_matrix((2, 0), dtype=np.float32)
    return Wording(
        [a, b], nothing, np.ones(2), NO_WORDS, np.ones(2, dtype=np.int64), np.full(2, least), {}.get
    )


def test_a_rewording_may_say_in_one_sentence_what_took_three() -> None:
    """Sentences as vectors: the new one's first two are near to the original's, the third is near to none of them."""
    one = np.eye(8, dtype=np.float32)
    near = one[:2] * 0.69 + one[5:7] * np.sqrt(1 - 0.69**2, dtype=np.float32)
    new = np.concatenate([near, one[4:5]])
    assert (new @ one[:2].T).max(axis=1).mean() < SAME_MEANING
    assert compared(new, one[:2]).similarity(0, np.array([1]))[0] > 0
    assert compared(new, one[:2]).similarity(1, np.array([0]))[0] > 0
    far = one[:2] * 0.4 + one[5:7] * np.sqrt(1 - 0.16, dtype=np.float32)
    assert compared(np.concatenate([far, one[4:5]]), one[:2]).similarity(0, np.array([1]))[0] < 0
    assert compared(new[:0], one).similarity(0, np.array([1]))[0] < 0


@pytest.mark.parametrize(
    ("cosine", "least", "same"),
    [
        (0.45, 1.0, False),
        (0.47, 1.0, True),  # what is enough even where strangers reach any cosine
        (0.41, 0.42, False),
        (0.43, 0.42, True),  # more than any stranger reaches
        (0.35, 0.25, False),  # too little, however peculiar the texts
        (0.37, 0.25, True),
    ],
)
def test_it_must_be_more_alike_than_strangers_are(cosine: float, least: float, same: bool) -> None:
    one = np.eye(8, dtype=np.float32)
    new = one[:2] * cosine + one[5:7] * np.float32(np.sqrt(1 - cosine**2))
    assert bool(compared(new, one[:2], least=least).similarity(0, np.array([1]))[0] >= 0) is same


def test_the_same_words_from_other_accounts_are_not(embedder: Embedder) -> None:
    assert found(embedder, REWORDED, pool=range(200, 220)) == -1


def test_another_meaning_is_not(embedder: Embedder) -> None:
    assert found(embedder, OTHER) == -1


def test_a_rewording_as_large_as_the_original_is_a_family_of_its_own(embedder: Embedder) -> None:
    assert found(embedder, REWORDED, prompts=40) == -1


def test_a_small_part_of_a_family_as_new_may_be_its_variant(embedder: Embedder) -> None:
    assert found(embedder, REWORDED, stored=False) == 0
    assert found(embedder, FOREIGN, familiar=0.1, stored=False) == 0
    assert found(embedder, REWORDED, prompts=16) == 0
    assert found(embedder, REWORDED, prompts=16, stored=False) == -1
    assert found(embedder, REWORDED, pool=range(200, 220), stored=False) == -1


def test_a_translation_by_the_same_pool_is_a_variant(embedder: Embedder) -> None:
    assert found(embedder, FOREIGN, familiar=0.1) == 0
    assert found(embedder, FOREIGN, familiar=0.1, pool=range(200, 220)) == -1


def test_foreign_text_of_a_few_of_the_pool_is_their_own_work(embedder: Embedder) -> None:
    """So many requests of the original would be by 15 of its accounts, not by 6."""
    assert found(embedder, FOREIGN, familiar=0.1, pool=range(6), prompts=18) == -1
    assert found(embedder, FOREIGN, familiar=0.1, pool=range(18), prompts=18) == 0
    assert found(embedder, REWORDED, pool=range(6), prompts=18) == 0


def test_too_few_accounts_say_nothing(embedder: Embedder) -> None:
    assert found(embedder, REWORDED, pool=range(4)) == -1


def test_no_families() -> None:
    nothing = sparse.csr_matrix((0, 0), dtype=np.float32)
    empty = Wording([], nothing, np.empty(0), nothing, np.empty(0, dtype=np.int64), np.empty(0), {}.get)
    assert len(originals(empty, np.empty(0, dtype=np.bool_), nothing, spoken=nothing)) == 0


@pytest.mark.parametrize(("kept", "which"), [([0], 0), ([1], 1), ([0, 2], 0), ([0, 3, 4], 1), ([], 1)])
def test_a_translation_keeps_names(kept: list[int], which: int) -> None:
    """Words 0 and 2 are the first original's own, 1, 3 and 4 the second's; 5 is of all and says nothing."""
    words = np.zeros((3, 6))
    words[0, [0, 2, 5]] = words[1, [1, 3, 4, 5]] = 1
    words[2, [*kept, 5]] = 1
    words[:, 5] *= 0.1
    nothing = [np.empty((0, 8), dtype=np.float32)] * 3
    # where no word tells them apart, their length does
    length = np.array([400, 300, 280])
    wording = Wording(
        nothing, sparse.csr_matrix((3, 1)), np.ones(3), sparse.csr_matrix(words), length, np.ones(3), {}.get
    )
    assert wording.translated(2, np.array([0, 1])) == which


def test_names_count_for_a_rewording() -> None:
    """Its sentences alone are not enough; that it holds the same rare words makes up for a little."""
    one = np.eye(8, dtype=np.float32)
    near = one[:2] * 0.33 + one[5:7] * np.sqrt(1 - 0.33**2, dtype=np.float32)
    for words, enough in (
        ([[1, 1, 0], [1, 1, 0]], True),
        ([[1, 1, 0], [0, 0, 1]], False),
        ([[0, 0, 0], [1, 0, 0]], False),
    ):
        rare = sparse.csr_matrix(np.array(words, dtype=np.float64))
        nothing = sparse.csr_matrix((2, 0), dtype=np.float32)
        wording = Wording(
            [near, one[:2]], nothing, np.ones(2), rare, np.ones(2, dtype=np.int64), np.full(2, 0.4), {}.get
        )
        assert (wording.similarity(0, np.array([1]))[0] > 0) == enough
