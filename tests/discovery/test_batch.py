from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.crafted import START, Sent, batch_of, record_batch

from fingerprint.discovery.batch import Batch, collect
from fingerprint.domain.schemas import TURN_END
from fingerprint.evidence.request_facts import RequestFacts
from fingerprint.text.normalise import normalise_batch
from fingerprint.text.tokenise import tokens

# few different words, spellings, systems and accounts, so that prompts come again
WORDS = st.lists(
    st.sampled_from(["one", "ONE", "two", "two,", " three ", "!", TURN_END, "四"]), max_size=5
).map(" ".join)
SENT = st.builds(
    Sent,
    prompt=WORDS,
    account=st.sampled_from(["a", "b", "ä"]),
    second=st.integers(0, 10).map(float),
    system=st.sampled_from([None, "", "be one", "two"]),
)


def same(one: Batch, other: Batch) -> bool:
    def plain(value: object) -> object:
        if isinstance(value, RequestFacts):
            return value.distinct.take(pa.array(value.code)).to_pylist()
        return value.tolist() if isinstance(value, np.ndarray) else value.to_pylist()  # type: ignore[attr-defined]

    return all(plain(getattr(one, n)) == plain(getattr(other, n)) for n in Batch.__slots__)


@given(st.lists(SENT, max_size=25), st.data())
def test_many_small_batches_are_one_large_one(sent: list[Sent], data: st.DataObject) -> None:
    cuts = sorted({0, len(sent), *data.draw(st.lists(st.integers(0, len(sent)), max_size=5))})
    whole = record_batch(sent)
    pieces = [whole.slice(a, b - a) for a, b in itertools.pairwise(cuts)]
    assert same(collect(pieces), batch_of(sent))


@given(st.lists(SENT, max_size=25))
def test_requests_point_at_their_prompts_in_order(sent: list[Sent]) -> None:
    batch = batch_of(sent)
    assert len(batch) == len(sent)
    assert batch.accounts.take(pa.array(batch.account)).to_pylist() == [s.account for s in sent]
    assert (batch.second - START.timestamp()).tolist() == [s.second for s in sent]
    words = tokens(normalise_batch(record_batch(sent)))
    cuts = words.row_offsets
    sequences = [
        (words.hashes[a:b].tolist(), words.section[a:b].tolist()) for a, b in itertools.pairwise(cuts)
    ]
    for row, sequence in enumerate(sequences):
        p = batch.prompt[row]
        a, b = batch.offsets[p], batch.offsets[p + 1]
        assert (batch.token_hashes[a:b].tolist(), batch.section[a:b].tolist()) == sequence
    # distinct prompts are distinct, and in the order in which they first came
    assert batch.distinct == len({str(s) for s in sequences}) == len(batch.texts)
    first = [int(np.flatnonzero(batch.prompt == p)[0]) for p in range(batch.distinct)]
    assert first == sorted(first)
    again = tokens(batch.texts)
    assert again.hashes.tolist() == batch.token_hashes.tolist()
    assert again.row_offsets.tolist() == batch.offsets.tolist()


@given(st.lists(SENT, max_size=25))
def test_matrices(sent: list[Sent]) -> None:
    batch = batch_of(sent)
    counts = Counter(zip(batch.prompt.tolist(), batch.account.tolist(), strict=True))
    senders = batch.senders()
    assert senders.shape == (batch.distinct, len(batch.accounts))
    assert {(int(p), int(a)): int(n) for p, a, n in zip(*_coordinates(senders), strict=True)} == counts
    requests = batch.conversations()
    assert requests.shape == (batch.distinct, len(batch))
    assert requests.sum() == len(sent)
    assert all(requests[p, r] == 1 for r, p in enumerate(batch.prompt))


def _coordinates(matrix: object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    sparse = matrix.tocoo()  # type: ignore[attr-defined]
    return sparse.row, sparse.col, sparse.data


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        (Sent("Hello, World!"), Sent("hello   world"), True),
        (Sent("hello world"), Sent("world hello"), False),
        (Sent("hello world"), Sent("hello", system="world"), False),
        (Sent("hello world"), Sent(f"hello{TURN_END}world"), False),
        (
            Sent("id 3fa85f64-5717-4562-b3fc-2c963f66afa6"),
            Sent("ID: 3fa85f64-5717-4562-b3fc-2c963f66afa6"),
            True,
        ),
        (
            Sent("id 3fa85f64-5717-4562-b3fc-2c963f66afa6"),
            Sent("id 7c9e6679-7425-40de-944b-e07fc1f90ae7"),
            False,
        ),
        (Sent("at 10:15 and 11:30"), Sent("at 11:30 and 10:15"), False),
        (Sent("see https://a.example/1"), Sent("see https://a.example/2"), False),
        (Sent("!!!"), Sent("!!"), False),
        (Sent(""), Sent("  "), True),
    ],
)
def test_which_prompts_are_one(one: Sent, other: Sent, together: bool) -> None:
    assert (batch_of([one, other]).distinct == 1) == together


def test_nothing() -> None:
    batch = collect([])
    assert len(batch) == batch.distinct == 0
    assert batch.senders().shape == batch.conversations().shape == (0, 0)
    assert same(batch, collect([record_batch([])]))
