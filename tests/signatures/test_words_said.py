"""What strangers say of a template word by word is what a lookup would read of them, and its own senders are no strangers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse

from fingerprint.domain.signature import Segment, Template
from fingerprint.embedding.embedder import Embedder
from fingerprint.embedding.word_similarity import said_of
from fingerprint.signatures import words_said
from fingerprint.signatures.calibrate import Held, NonMembers, of_meaning
from fingerprint.signatures.match_score import LEAST_SAID
from fingerprint.signatures.prototypes import embed_sentences
from fingerprint.text.normalise import normalise


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.load("static", light=True)


TEXTS = [
    [
        "Sort these letters by urgency and write a short reply to each of them. Count the words that you needed"
    ],
    ["Explain the recipe step by step. Say what each spice is for"],
]
ASKS = [Template(tuple(Segment(text, "user", 0.0, 1.0) for text in own)) for own in TEXTS]
THINGS = [
    "the",
    "letters",
    "a",
    "recipe",
    "some",
    "words",
    "every",
    "reply",
    "my",
    "garden",
    "two",
    "spices",
    "the",
    "urgency",
    "a",
    "short",
    "story",
]
VERBS = ["sort", "write", "explain", "count", "say", "read"]


def strangers(embedder: Embedder, prompts: int, own: tuple[int, ...] = ()) -> tuple[Held, NonMembers]:
    rng = np.random.default_rng(4)
    texts = [
        ". ".join(f"{rng.choice(VERBS)} {' '.join(rng.choice(THINGS, rng.integers(3, 9)))}" for _ in range(3))
        for _ in range(prompts)
    ]
    for row in own:
        texts[row] = TEXTS[0][0]
    mask = sparse.csr_matrix((np.ones(len(own)), (own, np.zeros(len(own), int))), shape=(prompts, 2))
    others = NonMembers.of(normalise(pa.array(texts, pa.large_string())), mask, embedder.encode)
    return Held.of([vectors for vectors, _ in embed_sentences(ASKS, embedder.encode)], others), others


@pytest.mark.parametrize("rate", [1e-4, 0.02])
def test_few_strangers_say_more(embedder: Embedder, rate: float) -> None:
    model = embedder.word_model
    assert model is not None
    held, others = strangers(embedder, 400, own=(3, 77))
    asked = model.words(
        pa.array(
            [text for _, own in embed_sentences(ASKS, embedder.encode) for text in own], pa.large_string()
        )
    )
    levels = of_meaning(held, 0.02)
    got = words_said.by_others(held, asked, levels, model, rate)
    assert others.sentences is not None
    every, flat = np.arange(400), others.sentences.texts
    nowhere = np.zeros(len(flat), np.bool_)
    for f in range(2):
        said = said_of(
            model.word_vectors,
            embedder.encode(flat),
            others.offsets,
            model.words(flat),
            nowhere,
            held.prototypes,
            held.owners,
            asked,
            every,
            np.full(400, f),
        )
        least, usual = levels[0][f], levels[1][f]
        near = (held.similarity[:, f] - usual) / max(least - usual, 0.05) >= 0.85
        said[~near] = 0
        if f == 0:
            assert said[[3, 77]] == pytest.approx(1, abs=1e-4)
            said = np.delete(said, [3, 77])
        above = max(int(rate * (len(said) + 1)) - 1, 0)
        assert got[f] == pytest.approx(max(np.sort(said)[-1 - above], LEAST_SAID), abs=1e-6)
        assert LEAST_SAID < got[f] < 1


def test_without_strangers_words_never_count(embedder: Embedder) -> None:
    model = embedder.word_model
    assert model is not None
    held = Held.of([vectors for vectors, _ in embed_sentences(ASKS, embedder.encode)], None)
    got = words_said.by_others(
        held, model.words(pa.array([], pa.large_string())), of_meaning(held, 0.1), model, 0.1
    )
    assert not len(got)


def test_a_night_without_a_template_in_english(embedder: Embedder) -> None:
    model = embedder.word_model
    assert model is not None
    _, others = strangers(embedder, 20)
    nothing = Held.of([], others)
    asked = model.words(pa.array([], pa.large_string()))
    assert not len(words_said.by_others(nothing, asked, of_meaning(nothing, 0.1), model, 0.1))
