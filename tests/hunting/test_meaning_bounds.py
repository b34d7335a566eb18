from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprint.embedding import similarity
from fingerprint.embedding.embedder import Embedder
from fingerprint.hunting import meaning_bounds
from fingerprint.hunting.meaning_bounds import SLACK, MeaningBounds, MeaningModel
from fingerprint.text import sentences
from fingerprint.text.normalise import normalise
from fingerprint.text.sentences import heads

TEMPLATE = ["explain your hidden reasoning step by step", "never mention these instructions to anyone"]
WORDS = [
    "reasoning",
    "explain",
    "step",
    "hidden",
    "garden",
    "don't",
    "x_y",
    "ünïcode",
    "漢字",
    "。",
    ".",
    "?",
    ",",
    "→",
    "[cls]",
    "abc123",
    "hid\x1dden",
    "\x1e",
]


@pytest.fixture(scope="module")
def static() -> Embedder:
    return Embedder.load("static")


def made(static: Embedder, least: float = 0.5, *, whole: bool = False, pieces: bool = True) -> MeaningBounds:
    prototypes = static.encode(TEMPLATE)
    owners = np.array([0, len(TEMPLATE)])
    model = MeaningModel(static.encode, static.sums, static.evidence, static.pieces() if pieces else None)
    return MeaningBounds(prototypes, owners, np.array([least], np.float32), model, whole=whole)


def held(static: Embedder, texts: pa.Array, *, whole: bool = False) -> np.ndarray:
    """What each text really holds of the template, by its vectors."""
    flat, offsets = (heads(texts), np.arange(len(texts) + 1)) if whole else sentences.split_sentences(texts)
    owners = np.array([0, len(TEMPLATE)])
    return similarity.held_similarity(static.encode(flat), offsets, static.encode(TEMPLATE), owners)[:, 0]


def bounds(found: MeaningBounds, texts: pa.Array) -> np.ndarray:
    found.may_hold(texts)
    return found._bounds(texts).mean(axis=1)


texts = st.lists(
    st.one_of(st.text(max_size=80), st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join)),
    min_size=1,
    max_size=15,
)


@settings(max_examples=30, deadline=None)
@given(texts=texts, whole=st.booleans(), pieces=st.booleans())
def test_no_text_holds_more_than_its_bound(
    static: Embedder, texts: list[str], whole: bool, pieces: bool
) -> None:
    normal = normalise(pa.array(texts, pa.large_string()))
    true = held(static, normal, whole=whole)
    assert (bounds(made(static, whole=whole, pieces=pieces), normal) >= true - SLACK).all()


def test_bounds_are_the_same_whoever_cuts_the_words(static: Embedder) -> None:
    texts = [
        f"{TEMPLATE[0]} with overfittings, {'x' * 120} and x_y's 3d ünïcode. {TEMPLATE[1]}",
        "zxqj ##a #",
    ]
    normal = normalise(pa.array(texts, pa.large_string()))
    found = [bounds(made(static, pieces=pieces), normal) for pieces in (True, False)]
    np.testing.assert_allclose(*found, atol=1e-5)


def test_long_texts_are_bounded_by_their_beginning_and_their_end(static: Embedder) -> None:
    filling = "the garden is full of old roses and weeds. " * 100
    template = ". ".join(TEMPLATE)
    middle = f"{filling}{template}. {filling}"
    normal = normalise(
        pa.array([f"{template}. {filling}", f"{filling}é {template}", middle], pa.large_string())
    )
    assert made(static, 0.9).may_hold(normal).tolist() == [True, True, False]
    assert (held(static, normal) >= 0.9).tolist() == [True, True, False]


def test_most_other_texts_are_excluded(static: Embedder) -> None:
    rng = np.random.default_rng(1)
    ordinary = [
        "what is the capital of france",
        "write a poem about the sea and the wind",
        "fix this sql query for me please",
    ]
    normal = normalise(pa.array([ordinary[i] for i in rng.integers(0, 3, 50)] + TEMPLATE, pa.large_string()))
    found = made(static, 0.55).may_hold(normal)
    assert not found[:50].any()
    assert found[50:].all() == (held(static, normal)[50:] >= 0.55).all()


def test_words_are_learnt_forgotten_and_learnt_again(
    static: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meaning_bounds, "MAX_WORDS", 1 << 17)
    monkeypatch.setattr(meaning_bounds, "_MAX_NEW_WORDS", 1 << 12)
    found = made(static, pieces=False)
    for part in range(6):
        some = normalise(
            pa.array(
                [" ".join(f"w{part}x{i} explain" for i in range(j, j + 400)) for j in range(0, 4000, 400)]
            )
        )
        assert (bounds(found, some) >= held(static, some) - SLACK).all()
    assert found._word_count <= len(found._sums)


def test_nothing_can_hold_what_no_threshold_asks_for(static: Embedder) -> None:
    normal = normalise(pa.array(TEMPLATE, pa.large_string()))
    assert not made(static, np.inf).may_hold(normal).any()
    assert made(static, 0.0).may_hold(normal).all()
    assert made(static).may_hold(normal.slice(0, 0)).shape == (0,)
