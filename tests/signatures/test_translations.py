"""Two languages of one template are told by the order of what they say, whatever the level of their cosines."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from fingerprint.base.types import FloatArray
from fingerprint.signatures.translations import chance_of_order, translations
from fingerprint.signatures.variants import Wording

DIMENSION = 64


def unit(rows: np.ndarray) -> FloatArray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def template(seed: int, sentences: int) -> FloatArray:
    """Sentences that have a subject in common, as those of one template do."""
    random = np.random.default_rng(seed)
    return unit(random.normal(size=(sentences, DIMENSION)) + random.normal(size=DIMENSION))


def translation(of: FloatArray, seed: int, cosine: float) -> FloatArray:
    """Sentences that have about this cosine with those of another language."""
    other = unit(np.random.default_rng(seed).normal(size=of.shape))
    return unit(cosine * of + np.sqrt(1 - cosine**2) * other)


@pytest.mark.parametrize("sentences", [5, 9, 32])
def test_a_translation_says_the_same_in_the_same_order(sentences: int) -> None:
    for seed in range(5):
        one = template(seed, sentences)
        other = translation(one, 100 + seed, 0.5)
        assert chance_of_order(one, other) <= 0.01
        # a translator may put two sentences into one, or leave one out
        assert sentences == 5 or chance_of_order(one, np.delete(other, 2, axis=0)) <= 0.05
        assert chance_of_order(one, other[::-1]) > 0.01


def test_templates_on_one_subject_are_seldom_in_order_by_chance() -> None:
    chance = np.array(
        [chance_of_order(template(s, 7), translation(template(s, 7)[::-1], s + 50, 0.5)) for s in range(40)]
    )
    strangers = np.array([chance_of_order(template(s, 7), template(s + 500, 7)) for s in range(200)])
    assert (chance > 0.01).mean() >= 0.9
    assert (strangers <= 0.01).sum() <= 7


@pytest.mark.parametrize(("one", "other"), [(0, 5), (4, 4), (4, 5), (5, 11)])
def test_too_few_sentences_or_twice_as_many_tell_nothing(one: int, other: int) -> None:
    assert (
        chance_of_order(template(1, one) if one else np.zeros((0, DIMENSION), np.float32), template(1, other))
        == 1
    )


def pairs(
    shared: int, *, cosine: float = 0.5, familiar: tuple[float, float] = (0.6, 0.05)
) -> list[tuple[int, int]]:
    """Two families of ten accounts each among 3,000, and what is told of them."""
    members = sparse.csr_matrix(np.kron(np.eye(2), np.ones(10)).astype(np.float32))
    account = np.concatenate([np.arange(10), np.arange(10) + 10 - shared])
    senders = sparse.csr_matrix((np.ones(20), (np.arange(20), account)), shape=(20, 3000))
    said = [template(3, 6), translation(template(3, 6), 4, cosine)]
    rare = sparse.csr_matrix(np.kron(np.eye(2), np.ones(12)))
    wording = Wording(said, members, np.array(familiar), rare, np.array([400, 130]), np.ones(2))
    one, other = translations(wording, [[s] for s in said], senders)
    return list(zip(one.tolist(), other.tolist(), strict=True))


def test_translations_share_some_accounts_beyond_chance_and_are_in_two_languages() -> None:
    assert pairs(4) == [(0, 1)]
    assert pairs(2) == []
    assert pairs(0) == []
    assert pairs(4, cosine=0.0) == []
    assert pairs(4, familiar=(0.6, 0.5)) == []
