from __future__ import annotations

import numpy as np
import pyarrow as pa
from support.observed import rows_of

from fingerprint.base.strings import sizes_of
from fingerprint.base.types import FloatArray
from fingerprint.evidence.filling_sample import (
    MAX_REQUESTS,
    MAX_REQUESTS_OF_ACCOUNT,
    MIN_TOKENS,
    UNREAD,
    chosen_requests,
    filling_sample,
)
from fingerprint.text.ngrams import shingle
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import tokens

LICENCE = """Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby
granted, provided that the above copyright notice and this permission notice appear in all copies."""
TEMPLATE = "write out every thought before you answer the question below"
SUBJECTS = ["how old is the moon really", "why do cats purr at night", "", "bake rye bread with sourdough"]


def grams_of(text: str) -> np.ndarray:
    words = tokens(normalise(pa.array([text], pa.large_string())))
    return np.unique(shingle(words.hashes, words.section, words.row_offsets).hashes)


def test_what_is_embedded_is_the_filling() -> None:
    texts = normalise(pa.array([f"{TEMPLATE} {s}".strip() for s in SUBJECTS], pa.large_string()))
    seen: list[str] = []

    def embed(fillings: pa.Array | pa.ChunkedArray) -> FloatArray:
        seen.extend(fillings.to_pylist())
        return np.ones((len(fillings), 2), dtype=np.float32)

    prompt = np.array([3, 2, 1, 0, 1], dtype=np.int32)
    account = np.array([0, 0, 1, 2, 3], dtype=np.int32)
    # the template's last grams reach into the filling: those of a text alone do not
    sample = filling_sample(
        rows_of([np.arange(5)], 5),
        account,
        prompt,
        [grams_of(TEMPLATE)],
        lambda p: texts.take(pa.array(p)),
        sizes_of(texts),
        embed,
    )
    assert set(seen) == set(SUBJECTS)
    length = {int(r): int(n) for r, n in zip(sample.request, sample.length, strict=True)}
    assert length == {0: 5, 1: 0, 2: 6, 3: 6, 4: 6}
    empty = sample.length < MIN_TOKENS
    assert (sample.vectors[empty] == 0).all()
    assert (sample.vectors[~empty] == 1).all()


def test_a_licence_is_no_filling() -> None:
    texts = normalise(pa.array([f"{LICENCE}\n{s} {TEMPLATE}" for s in SUBJECTS], pa.large_string()))
    seen: list[str] = []

    def embed(fillings: pa.Array | pa.ChunkedArray) -> FloatArray:
        seen.extend(fillings.to_pylist())
        return np.ones((len(fillings), 2), dtype=np.float32)

    filling_sample(
        rows_of([np.arange(4)], 4),
        np.arange(4, dtype=np.int32),
        np.arange(4, dtype=np.int32),
        [grams_of(TEMPLATE)],
        lambda p: texts.take(pa.array(p)),
        sizes_of(texts),
        embed,
    )
    # n-grams that reach from the licence into a filling are of both
    assert not [filling for filling in seen if "granted" in filling or "notice" in filling]
    assert all(any(" ".join(s.split()[3:]) in filling for filling in seen) for s in SUBJECTS)


def test_of_a_picture_nothing_can_be_read() -> None:
    asked = [f"{TEMPLATE} https://pics.example/{n}" for n in range(3)] + [f"{TEMPLATE}"]
    texts = normalise(pa.array(asked, pa.large_string()))
    four = np.arange(4, dtype=np.int32)
    core = np.unique(np.concatenate([grams_of(asked[0]), grams_of(TEMPLATE)]))
    read = filling_sample(
        rows_of([np.arange(4)], 4),
        four,
        four,
        [core],
        lambda p: texts.take(pa.array(p)),
        sizes_of(texts),
        lambda fillings: np.ones((len(fillings), 2), dtype=np.float32),
    )
    length = {int(r): int(n) for r, n in zip(read.request, read.length, strict=True)}
    assert length == {0: UNREAD, 1: UNREAD, 2: UNREAD, 3: 0}


def test_no_families_give_no_sample() -> None:
    nothing = np.zeros(0, dtype=np.int32)
    sample = filling_sample(
        rows_of([], 0),
        nothing,
        nothing,
        [],
        lambda p: pa.array([], pa.large_string()),
        np.zeros(0, np.int64),
        lambda t: np.zeros((0, 2), np.float32),
    )
    assert len(sample.family) == len(sample.request) == len(sample.vectors) == 0


def test_large_families_and_busy_accounts_are_cut_and_pairs_come_first() -> None:
    random = np.random.default_rng(0)
    account = np.concatenate([np.zeros(500, int), np.arange(1, 2000), np.repeat(np.arange(3000, 3020), 2)])
    account = account[random.permutation(len(account))].astype(np.int32)
    family, request = chosen_requests(
        rows_of([np.arange(len(account)), np.arange(20)], len(account)), account
    )
    assert np.bincount(family)[0] == MAX_REQUESTS
    sent = np.bincount(account[request[family == 0]])
    assert sent.max() == sent[0] == MAX_REQUESTS_OF_ACCOUNT
    assert (sent[3000:3020] == 2).all()
    assert len(np.unique(request[family == 0])) == MAX_REQUESTS
    assert sorted(request[family == 1]) == list(range(20)) or np.bincount(account[:20]).max() > 6


def test_fillings_in_other_scripts_are_kept_as_words_too() -> None:
    asked = [
        f"{TEMPLATE} {s}" for s in (SUBJECTS[0], "почему кошки урчат ночью", "сколько лет луне на самом деле")
    ]
    texts = normalise(pa.array(asked, pa.large_string()))
    three = np.arange(3, dtype=np.int32)
    sample = filling_sample(
        rows_of([np.arange(3)], 3),
        three,
        three,
        [grams_of(TEMPLATE)],
        lambda p: texts.take(pa.array(p)),
        sizes_of(texts),
        lambda fillings: np.ones((len(fillings), 2), dtype=np.float32),
    )
    assert sample.words is not None
    assert sample.words[np.argsort(sample.request)].any(axis=1).tolist() == [False, True, True]
    assert (sample.vectors == 1).all()
