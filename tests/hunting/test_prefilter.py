from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.matched import ASK, END, family

from fingerprint.domain.signature import Signature
from fingerprint.embedding.embedder import Embedder
from fingerprint.hunting.prefilter import Prefilter, _least
from fingerprint.matching import ngram_index
from fingerprint.signatures import match_score
from fingerprint.text.ngrams import shingle
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import tokens

PIECES = [ASK, END, *ASK.split(), *END.split(), "garden", "\n", "?", "2026-03-02", "ünder"]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.load("static")


def passed_by(
    signatures: list[Signature], embedder: Embedder, texts: list[str], *, known_senders: bool = False
) -> npt.NDArray[np.bool_]:
    some = pa.array(texts, pa.large_string())
    own = Prefilter(signatures, embedder, known_senders=known_senders).for_thread(some)
    passed = own.may_match(some)
    assert np.array_equal(own.may_match(some), passed)  # texts that were met before
    return passed


@settings(max_examples=30, deadline=None)
@given(
    texts=st.lists(st.lists(st.sampled_from(PIECES), max_size=25).map(" ".join), min_size=1, max_size=10),
    threshold=st.floats(0.01, 0.999),
    known_senders=st.booleans(),
)
def test_what_matches_by_its_grams_passes(
    embedder: Embedder, texts: list[str], threshold: float, known_senders: bool
) -> None:
    signatures = [family(embedder, ASK, END, threshold=threshold), family(embedder, END, name="f2")]
    normal = normalise(pa.array(texts, pa.large_string()))
    found = tokens(normal)
    grams = shingle(found.hashes, found.section, found.row_offsets)
    hits = ngram_index.best_hits(ngram_index.index_ngrams(signatures), grams.hashes, grams.offsets)
    score = match_score.from_known_sender(hits.score) if known_senders else hits.score
    matches = (hits.family >= 0) & (score >= np.array([s.threshold for s in signatures])[hits.family])
    passed = passed_by(signatures, embedder, texts, known_senders=known_senders)
    assert not (matches & ~passed).any()


def test_other_prompts_are_left_out(embedder: Embedder) -> None:
    signatures = [family(embedder, ASK, END)]
    texts = [f"{ASK} my house {END}", "please act as a pirate", "", "!?"]
    assert passed_by(signatures, embedder, texts).tolist() == [True, False, False, False]


def test_known_senders_need_less(embedder: Embedder) -> None:
    signatures = [family(embedder, ASK, END, threshold=0.95)]
    pieces = f"{ASK} {END}".split()
    texts = [" ".join(pieces[:n]) for n in range(len(pieces))]
    strict = passed_by(signatures, embedder, texts)
    loose = passed_by(signatures, embedder, texts, known_senders=True)
    assert (loose >= strict).all()
    assert loose.sum() > strict.sum()


def test_a_transformer_has_no_bound(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    one = family(embedder, ASK)
    one = replace(one, prototypes=embedder.encode([ASK]), similarity=0.5, typical_similarity=0.2)
    monkeypatch.setattr(Embedder, "is_static", False)
    assert passed_by([one], embedder, ["hello"]).all()


def test_the_least_that_reaches_a_score() -> None:
    most, threshold = np.ones(3, np.float32), np.array([0.25, 1.0, 2.0])
    found = _least(lambda x: x.astype(np.float64) ** 2, most, threshold)
    assert found[0] == pytest.approx(0.5, rel=1e-3)
    assert found[1] == pytest.approx(1.0, rel=1e-3)
    assert found[2] == np.inf
