from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse
from support.crafted import words

from fingerprint.base.types import HashArray
from fingerprint.discovery.same_fillings import LONGEST, same_fillings
from fingerprint.domain.schemas import SYSTEM_END
from fingerprint.text.masking import NUMBER
from fingerprint.text.ngrams import shingle
from fingerprint.text.tokenise import tokens

MASKED = f"{NUMBER} "
SHORT = [
    "best soup near me",
    "why is ice so wet",
    "tin or lead pipes",
    "oldest oak in town",
    "cheap red bicycle bell",
]


def grams_of(frame: str) -> HashArray:
    read = tokens(pa.array([frame], pa.large_string()))
    # those at the ends, which hold the mark of one, are not the template's
    return np.unique(shingle(read.hashes, read.section, read.row_offsets).hashes[1:-1])


def filled_alike(
    frames: list[str], fillings: list[list[str]], *, before: bool = False, known: bool = True
) -> list[list[bool]]:
    """Whether families are filled alike that put each of their fillings behind (or before) their frame, without a full stop."""
    texts = [
        f"{filling} {frame}" if before else f"{frame} {filling}"
        for frame, own in zip(frames, fillings, strict=True)
        for filling in own
    ]
    family = np.repeat(np.arange(len(frames)), [len(own) for own in fillings])
    prompts = np.arange(len(texts))
    shape = (len(frames), len(texts))
    members = sparse.csr_matrix((np.ones(len(texts)), (family, prompts)), shape=shape)
    grams = [grams_of(frame) if known else np.empty(0, np.uint64) for frame in frames]
    column = pa.array(texts, pa.large_string())
    same: list[list[bool]] = (
        same_fillings(lambda some: column.take(pa.array(some)), members, grams).toarray().tolist()
    )
    return same


def three_frames() -> list[str]:
    random = np.random.default_rng(0)
    return [words(random, 14) for _ in range(3)]


@pytest.mark.parametrize("before", [False, True])
def test_short_questions_that_run_into_frames_fill_them_alike(before: bool) -> None:
    frames, all_of_three = three_frames(), (~np.eye(3, dtype=bool)).tolist()
    assert filled_alike(frames, [SHORT] * 3, before=before) == all_of_three
    assert not np.any(filled_alike(frames, [SHORT] * 3, before=before, known=False))


def test_half_of_the_fewer_and_five_at_least_are_the_same() -> None:
    frames, random = three_frames(), np.random.default_rng(1)
    other = [words(random, 4) for _ in range(20)]
    assert not np.any(filled_alike(frames, [SHORT[:4]] * 3))
    some = filled_alike(frames, [SHORT + other[:5], SHORT + other[5:11], SHORT + other[11:]])
    assert some == [[False, True, True], [True, False, False], [True, False, False]]


def test_a_name_of_a_word_or_two_or_masks_are_no_filling() -> None:
    names = [
        "lisbon portugal",
        "kyoto japan",
        "oslo norway",
        "quito ecuador",
        "turin italy",
        "perth australia",
    ]
    frames = three_frames()[:2]
    assert not np.any(filled_alike(frames, [names] * 2))
    assert filled_alike(frames, [[f"{name} by train" for name in names]] * 2)[0][1]
    masks = [MASKED * n for n in range(6, 12)]
    assert not np.any(filled_alike(frames, [masks] * 2))


def test_what_many_of_a_familys_prompts_hold_is_its_own_text() -> None:
    frames = three_frames()[:2]

    def dealt(questions: list[str]) -> bool:
        both = [[f"{questions[n % len(questions)]} {frame} row {n}" for n in range(30)] for frame in frames]
        return filled_alike(frames, both)[0][1]

    more = [*SHORT, "how old is the moon"]
    assert dealt(more)
    # of those that deal four more often, the others are too few
    assert not dealt([*SHORT[:4] * 4, *more[4:]])


def test_a_long_prompt_shows_its_sentences_only() -> None:
    frames = three_frames()[:2]
    long = [f"{question} {frames[0]} {'x' * LONGEST}" for question in SHORT]
    assert not filled_alike(frames, [long, SHORT])[0][1]
    assert filled_alike(frames, [[f"{question} {frames[0]} {'x' * 99}" for question in SHORT], SHORT])[0][1]


def test_a_filling_ends_where_the_system_prompt_does() -> None:
    frames = three_frames()[:2]
    system = [f"{question}{SYSTEM_END}{n} times {frames[0]}" for n, question in enumerate(SHORT)]
    assert filled_alike([frames[1], frames[0]], [SHORT, system])[0][1]
