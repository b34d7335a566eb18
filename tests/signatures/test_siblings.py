from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from support.crafted import Sent, batch_of, words

from fingerprint.discovery.same_fillings import same_fillings
from fingerprint.signatures.siblings import siblings
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


def joined(
    *accounts: range,
    familiar: tuple[float, float, float] = (0.6, 0.1, 0.1),
    length: tuple[int, int, int] = (300, 280, 320),
    born: tuple[bool, bool, bool] = (True, True, True),
    original: tuple[int, int, int] = (-1, -1, -1),
    filled: sparse.csr_matrix = NOTHING,
    same_words: bool = False,
    words: int = 12,
) -> list[int]:
    members, senders = pools(*accounts)
    rare = np.ones((3, 3 * words)) if same_words else np.kron(np.eye(3), np.ones(words))
    wording = Wording(
        [np.empty((0, 4), dtype=np.float32)] * 3,
        members,
        np.array(familiar),
        sparse.csr_matrix(rare),
        np.array(length),
        np.ones(3),
    )
    return siblings(wording, np.array(born), senders, np.array(original, np.int32), filled).tolist()


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
    assert not len(siblings(empty, np.empty(0, np.bool_), nothing, np.empty(0, np.int32), nothing))
    assert same_fillings(batch_of([]).texts_of, nothing).shape == (0, 0)
