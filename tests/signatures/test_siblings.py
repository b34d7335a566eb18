from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from support.crafted import Sent, batch_of, words

from fingerprint.base.types import FloatArray
from fingerprint.discovery.filling_kinds import filling_discrepancy
from fingerprint.discovery.same_fillings import same_fillings
from fingerprint.embedding.embedder import Embedder
from fingerprint.signatures.siblings import PART_UNLIKE, OnePool, of_one_pool, siblings
from fingerprint.signatures.variants import Wording

ACCOUNTS = 2_000
NOTHING = sparse.csr_matrix((3, 3), dtype=np.bool_)


def pools(*accounts: range) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Members of families with one prompt an account, and who sent each."""
    sizes = [len(a) for a in accounts]
    family = np.repeat(np.arange(len(accounts)), sizes)
    rows = np.arange(len(family))
    members = sparse.csr_matrix((np.ones(len(rows)), (family, rows)), shape=(len(accounts), len(rows)))
    sender = np.concatenate([np.array(a) for a in accounts])
    return members, sparse.csr_matrix((np.ones(len(rows)), (rows, sender)), shape=(len(rows), ACCOUNTS))


def alike(family: int, sentences: int, cosine: float) -> FloatArray:
    """So many orthogonal sentences, each of that cosine with its like in another family."""
    out = np.zeros((sentences, 4 * max(sentences, 1)), dtype=np.float32)
    for n in range(sentences):
        out[n, 4 * n], out[n, 4 * n + 1 + family] = np.sqrt(cosine), np.sqrt(1 - cosine)
    return out


def joined(
    *accounts: range,
    familiar: tuple[float, float, float] = (0.6, 0.1, 0.1),
    length: tuple[int, int, int] = (300, 280, 320),
    born: tuple[bool, bool, bool] = (True, True, True),
    original: tuple[int, int, int] = (-1, -1, -1),
    filled: sparse.csr_matrix = NOTHING,
    same_words: bool = False,
    words: int = 12,
    sentences: int = 0,
    cosine: float = 0.0,
    unlike: float = np.nan,
) -> list[int]:
    """Which family each of three is put to; cosine: of each sentence of one and its like in another."""
    members, senders = pools(*accounts)
    rare = np.ones((3, 3 * words)) if same_words else np.kron(np.eye(3), np.ones(words))
    wording = Wording(
        [alike(family, sentences, cosine) for family in range(3)],
        members,
        np.array(familiar),
        sparse.csr_matrix(rare),
        np.array(length),
        np.ones(3),
    )
    one, other = of_one_pool(members, senders)
    pairs = OnePool(one, other, np.full(len(one), unlike))
    return siblings(wording, np.array(born), np.array(original, np.int32), filled, pairs).tolist()


def test_one_pools_languages_are_one_family_the_largest_being_the_original() -> None:
    assert joined(range(8), range(2, 13), range(4, 12)) == [1, -1, 1]


def test_stored_families_keep_their_place() -> None:
    assert joined(range(8), range(2, 13), range(4, 12), born=(False, True, True)) == [-1, 0, 0]
    assert joined(range(8), range(2, 13), range(4, 12), born=(False, False, False)) == [-1, -1, -1]


@pytest.mark.parametrize(
    "other",
    [
        {"familiar": (0.6, 0.5, 0.5)},  # one language
        {"length": (300, 1_000, 90)},  # one says much more
        {"familiar": (0.1, 0.1, 0.1), "same_words": True},  # one language that few here write
        {"words": 4},  # too few words to tell a language
    ],
)
def test_two_templates_of_one_pool_in_one_language_stay_apart(other: dict[str, object]) -> None:
    if "length" in other:
        assert joined(range(8), range(2, 13), range(100, 108), **other) == [-1, -1, -1]  # type: ignore[arg-type]
    else:
        assert joined(range(8), range(2, 13), range(4, 12), **other) == [-1, -1, -1]  # type: ignore[arg-type]


def test_busy_accounts_among_many_senders_are_no_pool() -> None:
    assert joined(range(8), range(2, 300), range(500, 508)) == [-1, -1, -1]


def test_strangers_in_two_languages_stay_apart() -> None:
    assert joined(range(8), range(20, 31), range(40, 48)) == [-1, -1, -1]


def test_what_is_filled_alike_is_one_family_whoever_sends_it() -> None:
    alike = sparse.csr_matrix(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=np.bool_))
    assert joined(range(8), range(20, 31), range(40, 48), filled=alike) == [1, -1, -1]


def test_what_a_small_family_is_filled_with_stands_in_a_large_one_by_chance() -> None:
    alike = sparse.csr_matrix(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=np.bool_))
    assert joined(range(8), range(20, 60), range(70, 74), filled=alike) == [-1, -1, -1]


ONE_LANGUAGE = (0.6, 0.6, 0.6)


def test_wordings_that_a_pool_deals_evenly_are_one_family() -> None:
    pools = (range(8), range(2, 13), range(100, 108))
    assert joined(*pools, familiar=ONE_LANGUAGE, sentences=2, cosine=0.5) == [1, -1, -1]
    assert joined(*pools, familiar=ONE_LANGUAGE, sentences=2, cosine=0.4) == [-1, -1, -1]


def test_large_templates_of_one_pool_that_say_the_same_stay_apart() -> None:
    pools = (range(30), range(2, 34), range(100, 108))
    assert joined(*pools, familiar=ONE_LANGUAGE, sentences=2, cosine=0.9, unlike=0.0) == [-1, -1, -1]


def test_single_sentences_of_two_families_are_alike_by_chance() -> None:
    pools = (range(8), range(2, 13), range(100, 108))
    assert joined(*pools, familiar=ONE_LANGUAGE, sentences=1, cosine=0.5, unlike=0.0) == [-1, -1, -1]


def test_strangers_who_say_the_same_stay_apart() -> None:
    pools = (range(8), range(20, 31), range(40, 48))
    assert joined(*pools, familiar=ONE_LANGUAGE, sentences=3, cosine=0.9, unlike=0.0) == [-1, -1, -1]


@pytest.mark.parametrize(
    ("cosine", "unlike", "whole"),
    [(0.35, 0.0, True), (0.2, 0.0, False), (0.35, 0.1, False), (0.35, np.nan, False)],
)
def test_three_parts_that_a_pool_fills_alike_are_one_template(
    cosine: float, unlike: float, whole: bool
) -> None:
    pools = (range(8), range(2, 13), range(4, 12))
    result = joined(*pools, familiar=ONE_LANGUAGE, sentences=1, cosine=cosine, unlike=unlike)
    assert result == ([1, -1, 1] if whole else [-1, -1, -1])


def filled(kinds: list[list[str]], embedder: Embedder) -> list[float]:
    """How unlike the first kind of filling is to each other one, every one in a frame of its own."""
    frames = ["answer what follows in one line", "say what you think of this", "read it, and reply to it"]
    sent = [Sent(f"{frame}. {x}", "a") for frame, kind in zip(frames, kinds, strict=False) for x in kind]
    batch = batch_of(sent)
    family = np.repeat(np.arange(len(kinds)), [len(kind) for kind in kinds])
    rows = np.arange(len(sent))
    members = sparse.csr_matrix((np.ones(len(rows)), (family, rows)), shape=(len(kinds), len(rows)))
    others = np.arange(1, len(kinds))
    first = np.zeros(len(others), dtype=np.int64)
    return filling_discrepancy(batch.texts_of, members, first, others, embedder.encode).tolist()


def test_fillings_of_one_kind_are_less_unlike_than_those_of_two() -> None:
    random = np.random.default_rng(5)

    def kind(things: list[str], others: list[str], count: int) -> list[str]:
        return [
            f"where can one {random.choice(things)} the {random.choice(others)} {n}" for n in range(count)
        ]

    pets = (["feed", "wash", "comb", "walk"], ["dog", "cat", "horse", "parrot"])
    money = (["invest", "lend", "borrow", "tax"], ["dividend", "mortgage", "pension", "salary"])
    same, unlike = filled([kind(*pets, 20), kind(*pets, 20), kind(*money, 20)], Embedder.load("static"))
    assert same < PART_UNLIKE
    assert unlike > 3 * PART_UNLIKE
    assert np.isnan(filled([kind(*pets, 20), kind(*pets, 3)], Embedder.load("static"))).all()


def test_variants_of_a_family_that_joins_another_go_with_it() -> None:
    alike = sparse.csr_matrix(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=np.bool_))
    joined_all = joined(range(8), range(20, 31), range(4), original=(-1, -1, 0), filled=alike)
    assert joined_all == [1, -1, 1]


def in_frames(questions: list[str], frames: list[str]) -> sparse.csr_matrix:
    sent = [Sent(f"{frame}: {q}", f"a{n}") for frame in frames for n, q in enumerate(questions)]
    batch = batch_of(sent)
    family = np.repeat(np.arange(len(frames)), len(questions))
    rows = np.arange(len(sent))
    members = sparse.csr_matrix((np.ones(len(rows)), (family, rows)), shape=(len(frames), len(rows)))
    return same_fillings(batch.texts_of, members)


def test_frames_around_the_same_questions_are_filled_alike() -> None:
    random = np.random.default_rng(0)
    questions = [f"how many {words(random, 8)} are left" for _ in range(10)]
    frames = [words(random, 12) for _ in range(3)]
    assert in_frames(questions, frames).toarray().tolist() == (~np.eye(3, dtype=bool)).tolist()


def test_too_few_or_one_text_in_all_is_no_filling() -> None:
    random = np.random.default_rng(1)
    frames = [words(random, 12) for _ in range(2)]
    assert not in_frames([f"how many {words(random, 8)} are left" for _ in range(4)], frames).nnz
    assert not in_frames(
        [f"{words(random, 2)}. what all of them say at the end" for _ in range(10)], frames
    ).nnz


def test_no_families() -> None:
    nothing = sparse.csr_matrix((0, 0))
    empty = Wording([], nothing, np.empty(0), nothing, np.empty(0, dtype=np.int64), np.empty(0))
    none = np.empty(0, dtype=np.int64)
    pairs = OnePool(none, none, np.empty(0))
    assert not len(siblings(empty, np.empty(0, np.bool_), np.empty(0, np.int32), nothing, pairs))
    assert not len(
        filling_discrepancy(batch_of([]).texts_of, nothing, none, none, Embedder.load("static").encode)
    )
    assert same_fillings(batch_of([]).texts_of, nothing).shape == (0, 0)
