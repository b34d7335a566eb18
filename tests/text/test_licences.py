"""Licences are public text wherever they stand, as written or with a name put in; other text is not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from support.crafted import words

from fingerprint.text.licences import (
    FEWEST,
    _runs,
    are_of_licences,
    in_licences,
    licence_grams,
    own_grams,
    without_licences,
)
from fingerprint.text.ngrams import GRAM, Shingles, shingle
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import tokens

ISC = """Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby
granted, provided that the above copyright notice and this permission notice appear in all copies."""
BSD = """Neither the name of {} nor the names of its contributors may be used to endorse or promote products derived
from this software without specific prior written permission."""


def shingled(*texts: str) -> Shingles:
    read = tokens(normalise(pa.array(texts, pa.large_string())))
    return shingle(read.hashes, read.section, read.row_offsets)


def test_a_licence_is_taken_out_of_what_prompts_share_and_what_stands_beside_it_is_not() -> None:
    task = words(np.random.default_rng(0), 20)
    commented = "# " + ISC.replace("\n", "\n# ")
    both = shingled(f"{commented}\n{task}", f"{ISC.upper()}\n{task}", task)
    apart = without_licences(both)
    left = [set(apart.hashes[a:b].tolist()) for a, b in zip(both.offsets, both.offsets[1:], strict=False)]
    own = set(both.hashes[both.offsets[2] :].tolist())
    assert left[2] == own
    # beside a licence the task has no start of its own
    assert left[0] & left[1] == left[0] & own == left[1] & own
    assert len(own) - len(left[0] & own) <= 1
    assert apart.joined.tolist() == both.joined.tolist()
    assert len(np.unique(apart.hashes[in_licences(both)])) == in_licences(both).sum()


def test_a_licence_with_a_name_put_in_is_one() -> None:
    assert in_licences(shingled(BSD.format("Acme"))).all()


def test_texts_that_quote_a_few_words_of_a_licence_are_not_touched() -> None:
    random = np.random.default_rng(1)
    quoted = " ".join(ISC.split()[:12])
    plain = shingled(f"{words(random, 30)} {quoted} {words(random, 30)}", "", "copy", words(random, 50))
    assert not in_licences(plain).any()
    assert without_licences(plain) is plain


def test_sentences_of_a_licence_are_told_and_others_are_not() -> None:
    licence = [ISC, BSD.format("Acme"), "You may not use this file except in compliance with the License"]
    others = [
        "Rewrite the software above, and say for each change why",
        "this software for any purpose that you can think of, please",
        words(np.random.default_rng(3), 12),
        "copy",
        "",
    ]
    texts = normalise(pa.array([*licence, *others], pa.large_string()))
    assert are_of_licences(texts).tolist() == [True] * len(licence) + [False] * len(others)
    assert not len(are_of_licences(texts[:0]))


def test_a_stored_core_loses_its_licence_and_keeps_a_few_words_of_one() -> None:
    task = np.unique(shingled(words(np.random.default_rng(2), 30)).hashes)
    licence = np.intersect1d(shingled(ISC).hashes, licence_grams())
    assert own_grams(np.union1d(task, licence)).tolist() == task.tolist()
    few = np.union1d(task, licence[: FEWEST - 1])
    assert own_grams(few) is few


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60), st.integers(1, 5))
def test_runs_are_those_of_a_plain_search(places: list[tuple[bool, bool]], fewest: int) -> None:
    known = np.array([k for k, _ in places], dtype=np.bool_)
    joined = np.array([j for _, j in places], dtype=np.bool_)
    if len(joined):
        joined[-1] = False
    expected = np.zeros(len(known), dtype=np.bool_)
    section = np.append(0, np.cumsum(~joined))[:-1] if len(joined) else joined
    at = np.flatnonzero(known)
    new = np.flatnonzero((np.diff(at) > GRAM + 1) | (np.diff(section[at]) > 0)) + 1
    for run in np.split(at, new):
        if len(run) >= fewest:
            for i in range(run[0] - GRAM + 1, run[-1] + GRAM):
                if 0 <= i < len(known) and section[i] == section[run[0]]:
                    expected[i] = True
    assert _runs(known, joined, fewest, GRAM).tolist() == expected.tolist()
