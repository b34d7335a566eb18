from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse
from support.bare_signatures import signature
from support.reworded import ORIGINAL, OTHER, REWORDED

from fingerprint.discovery.batch import Batch
from fingerprint.embedding.embedder import Embedder
from fingerprint.evidence.request_facts import RequestFacts
from fingerprint.signatures import adoption
from fingerprint.signatures.adoption import _inside, _likeliest, nearest_in_meaning

TEXTS = pa.chunked_array(
    [[". ".join(REWORDED) + ": how do tides work?", "what is the height of the eiffel tower?"]]
)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.load("static")


def families(embedder: Embedder, **changes: float) -> list:
    made = [
        replace(signature({1: 1.0}), prototypes=embedder.encode(pa.array(said))) for said in (OTHER, ORIGINAL)
    ]
    return [
        replace(s, **{"similarity": 0.4, "typical_similarity": 0.1, "threshold": 0.5} | changes) for s in made
    ]


def taken(embedder: Embedder, sent: list[list[int]], **changes: float) -> list[int]:
    family, score = nearest_in_meaning(
        lambda rows: TEXTS.take(pa.array(rows)),
        families(embedder, **changes),
        sparse.csr_matrix(sent),
        embedder.encode,
    )
    assert ((score > 0) == (family >= 0)).all()
    assert (score[family >= 0] >= 0.5).all()
    return family.tolist()


def test_a_rewording_by_a_known_sender_is_taken(embedder: Embedder) -> None:
    assert taken(embedder, [[1, 1], [1, 1]]) == [1, -1]


def test_who_does_not_send_the_family_is_not_asked(embedder: Embedder) -> None:
    assert taken(embedder, [[1, 0], [0, 1]]) == [-1, -1]
    assert taken(embedder, [[0, 0], [0, 0]]) == [-1, -1]


def test_the_threshold_decides(embedder: Embedder) -> None:
    assert taken(embedder, [[1, 1], [1, 1]], threshold=0.9999) == [-1, -1]
    assert taken(embedder, [[1, 1], [1, 1]], similarity=0.99) == [-1, -1]


def test_families_without_sentences_take_nothing(embedder: Embedder) -> None:
    bare = [replace(s, prototypes=np.empty((0, 256), np.float32)) for s in families(embedder)]
    family, score = nearest_in_meaning(
        lambda rows: TEXTS.take(pa.array(rows)), bare, sparse.csr_matrix([[1, 1], [1, 1]]), embedder.encode
    )
    assert family.tolist() == [-1, -1]
    assert score.tolist() == [0, 0]


# account 0 sends nothing but the family (prompts 0 and 1) and prompt 2; account 1 sends it once, and 3 and 4; 2 only 5
SENT = [(0, 0), (0, 1), (0, 0), (0, 2), (1, 0), (1, 3), (1, 4), (2, 5)]


def batch() -> Batch:
    account, prompt = np.array(SENT, dtype=np.int32).T
    nothing = pa.chunked_array([], pa.large_string())
    return Batch(
        account=account,
        accounts=pa.array(["a", "b", "c"]),
        second=np.zeros(len(SENT)),
        prompt=prompt,
        texts=nothing,
        shown=nothing,
        token_hashes=np.empty(0, np.uint64),
        section=np.empty(0, np.uint8),
        offsets=np.zeros(7, np.int64),
        metadata=nothing,
        facts=RequestFacts.none(len(SENT)),
    )


@pytest.mark.parametrize(("most", "left"), [(1, [2]), (2, [2, 3]), (3, [2, 3, 4]), (9, [2, 3, 4])])
def test_senders_of_little_else_are_asked_first(
    most: int, left: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adoption, "MAX_ASKED", most)
    unassigned = np.array([2, 3, 4, 5])
    owned = np.array([0, 0, -1, -1, -1, -1], dtype=np.int32)
    own = sparse.csr_matrix(np.array([[1], [1], [1], [0]], dtype=np.float32))
    assert (
        unassigned[np.flatnonzero(np.diff(_likeliest(own, batch(), owned, unassigned).indptr))].tolist()
        == left
    )


def test_what_stands_in_a_carrier_is_only_given_to_what_stands_there_too() -> None:
    own = sparse.csr_matrix(np.ones((3, 4), dtype=np.float32))
    holds = np.array([-1, 3, 2], dtype=np.int32)
    carrier = np.array([3, -1, -1, -1], dtype=np.int32)
    assert _inside(own, holds, carrier).toarray().tolist() == [[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]]
