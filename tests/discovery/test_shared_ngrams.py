from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from support.crafted import Sent, batch_of, grams_of, words
from support.ngram_prompts import PROMPTS, naive_grams, shingled

from fingerprint.discovery.shared_ngrams import SharedGrams, shared_grams, with_grams
from fingerprint.text.ngrams import GRAM


def senders(accounts_of: list[set[int]], accounts: int) -> sparse.csr_matrix:
    pairs = [(p, a) for p, who in enumerate(accounts_of) for a in sorted(who)]
    rows, cols = zip(*pairs, strict=True) if pairs else ((), ())
    shape = (len(accounts_of), accounts)
    return sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, cols)), shape=shape)


def naive_shared(
    grams: list[list[int]], accounts_of: list[set[int]], min_prompts: int, min_accounts: int
) -> dict[int, tuple[list[int], int]]:
    out = {}
    for gram in {g for row in grams for g in row}:
        holders = [p for p, row in enumerate(grams) if gram in row]
        who = set().union(*(accounts_of[p] for p in holders))
        if len(holders) >= min_prompts and len(who) >= min_accounts:
            out[gram] = (holders, len(who))
    return out


def as_dict(shared: SharedGrams) -> dict[int, tuple[list[int], int]]:
    p = shared.postings
    return {
        int(h): (p.indices[p.indptr[i] : p.indptr[i + 1]].tolist(), int(shared.accounts[i]))
        for i, h in enumerate(shared.hashes)
    }


@settings(max_examples=200)
@given(st.data(), PROMPTS, st.integers(1, 4), st.integers(1, 3))
def test_shared_grams_are_those_of_a_plain_count(
    data: st.DataObject, prompts: list[list[list[int]]], min_prompts: int, min_accounts: int
) -> None:
    who = data.draw(
        st.lists(st.sets(st.integers(0, 4), min_size=1), min_size=len(prompts), max_size=len(prompts))
    )
    found = shingled(prompts)
    grams = [naive_grams(p, GRAM) for p in prompts]
    shared = shared_grams(found, senders(who, 5), min_prompts=min_prompts, min_accounts=min_accounts)
    assert as_dict(shared) == naive_shared(grams, who, min_prompts, min_accounts)
    assert (np.diff(shared.hashes.astype(object)) > 0).all()
    assert (shared.postings.data == 1).all()
    places = [int(shared.hashes[i]) if i >= 0 else None for i in shared.ids]
    kept = set(shared.hashes.tolist())
    assert places == [g if g in kept else None for row in grams for g in row]


def test_text_of_one_account_is_not_shared_however_often_it_comes() -> None:
    random = np.random.default_rng(0)
    sent = [Sent(f"always the very same words here {words(random, 9)}", "one") for _ in range(20)]
    _, shared = grams_of(batch_of(sent))
    assert len(shared.hashes) == 0


def test_a_prompt_counts_once_however_often_it_is_sent_or_holds_a_gram() -> None:
    sent = [Sent("again and again and again and again and again", f"a{n}") for n in range(9)]
    _, shared = grams_of(batch_of([*sent, Sent("again and again and again and so on", "a1")]), min_prompts=2)
    assert shared.postings.sum(axis=1).max() == 2
    assert shared.accounts.max() == 9


def test_known_grams_stay_however_rare_they_are() -> None:
    prompts = [[[1, 2, 3, 4, 5]], [[6, 7, 8, 9]]]
    found = shingled(prompts)
    held, absent = int(found.hashes[0]), 12345
    shared = shared_grams(
        found,
        senders([{0}, {1}], 2),
        min_prompts=5,
        min_accounts=3,
        known=np.array(sorted([held, absent]), dtype=np.uint64),
    )
    assert as_dict(shared) == {absent: ([], 0), held: ([0], 1)}
    assert shared.ids.tolist() == [int(np.searchsorted(shared.hashes, held)), *[-1] * (len(found.hashes) - 1)]


@pytest.mark.parametrize("prompts", [[], [[]], [[], []], [[[1]]]])
def test_little_or_nothing(prompts: list[list[list[int]]]) -> None:
    found = shingled(prompts)
    shared = shared_grams(found, senders([{0}] * len(prompts), 1), min_prompts=2, min_accounts=1)
    assert shared.hashes.shape == shared.accounts.shape == (0,)
    assert shared.postings.shape == (0, len(prompts))
    assert (shared.ids == -1).all()
    assert len(shared.ids) == len(found.hashes)


def test_the_same_input_gives_the_same_bytes() -> None:
    random = np.random.default_rng(1)
    sent = [Sent(words(random, 20) + " and the shared end of all", f"a{n % 7}") for n in range(300)]
    first, second = (grams_of(batch_of(sent)) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        for name in (field.name for field in fields(a)):
            one, two = getattr(a, name), getattr(b, name)
            if sparse.issparse(one):
                assert (one != two).nnz == 0
            else:
                assert one.tobytes() == two.tobytes()


@settings(max_examples=50)
@given(PROMPTS, st.data())
def test_more_grams_are_as_if_they_had_been_known_at_first(
    prompts: list[list[list[int]]], data: st.DataObject
) -> None:
    found, who = shingled(prompts), senders([{p % 3} for p in range(len(prompts))], 3)
    every = np.unique(np.append(found.hashes, np.uint64(7)))
    more = every[data.draw(st.lists(st.sampled_from(range(len(every))), unique=True))]
    first = shared_grams(found, who, min_prompts=2, min_accounts=2)
    expected = shared_grams(found, who, min_prompts=2, min_accounts=2, known=np.union1d(first.hashes, more))

    extended = with_grams(first, found, who, more)

    assert as_dict(extended) == as_dict(expected)
    for name in ("hashes", "accounts", "ids"):
        np.testing.assert_array_equal(getattr(extended, name), getattr(expected, name))
        assert getattr(extended, name).dtype == getattr(expected, name).dtype
    assert with_grams(extended, found, who, more) is extended
