"""Two languages of one template are told by the order of what they say, whatever the level of their cosines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
from scipy import sparse

from fingerprint.base.types import FloatArray
from fingerprint.signatures.translations import (
    LONGER,
    chance_of_order,
    letters,
    of_two_languages,
    translations,
)
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


ENGLISH = "Read the notice below as a lawyer would. Name each duty that it puts on the tenant, and say by when it is due."
OTHERS = {
    "zh": "请像律师一样阅读下面的通知。列出它要求租户承担的每一项义务,并说明各自的期限。",
    "ja": "以下の通知を弁護士の目で読んでください。借主に課される義務をすべて挙げ、それぞれの期限を述べてください。",
    "ko": "아래 통지문을 변호사처럼 읽으세요. 세입자에게 부과되는 의무를 모두 적고, 각각 언제까지인지 말하세요.",
    "ru": "Прочитай уведомление ниже, как это сделал бы юрист. Назови каждую обязанность арендатора и укажи срок.",
}


@pytest.mark.parametrize("language", OTHERS)
def test_a_text_is_about_as_long_in_letters_in_any_language(language: str) -> None:
    assert len(ENGLISH) / LONGER < letters(OTHERS[language]) < len(ENGLISH) * LONGER
    assert letters(ENGLISH) == len(ENGLISH)


def test_in_characters_it_is_not() -> None:
    assert len(OTHERS["zh"]) < len(ENGLISH) / LONGER


def pairs(
    shared: int,
    *,
    cosine: float = 0.5,
    familiar: tuple[float, float] = (0.6, 0.05),
    named: Mapping[int, str | None] = MappingProxyType({}),
) -> list[tuple[int, int]]:
    """Two families of ten accounts each among 3,000, and what is told of them."""
    members = sparse.csr_matrix(np.kron(np.eye(2), np.ones(10)).astype(np.float32))
    account = np.concatenate([np.arange(10), np.arange(10) + 10 - shared])
    senders = sparse.csr_matrix((np.ones(20), (np.arange(20), account)), shape=(20, 3000))
    said = [template(3, 6), translation(template(3, 6), 4, cosine)]
    rare = sparse.csr_matrix(np.kron(np.eye(2), np.ones(12)))
    wording = Wording(said, members, np.array(familiar), rare, np.array([400, 130]), np.ones(2), named.get)
    one, other = translations(wording, [[s] for s in said], senders)
    return list(zip(one.tolist(), other.tolist(), strict=True))


def test_translations_share_some_accounts_beyond_chance_and_are_in_two_languages() -> None:
    assert pairs(4) == [(0, 1)]
    assert pairs(2) == []
    assert pairs(0) == []
    assert pairs(4, cosine=0.0) == []
    assert pairs(4, familiar=(0.6, 0.5)) == []
    assert pairs(4, named={0: "Spanish", 1: "French"}) == pairs(4, named={0: "Spanish"}) == [(0, 1)]
    assert pairs(4, named={0: "Spanish", 1: "Spanish"}) == []


LANGUAGES = (0.6, 0.1, 0.05)
"""Common words of three languages, of which the first is that of most traffic."""


def of_a_pool(templates: int, cosine: float = 0.5) -> tuple[Wording, sparse.csr_matrix]:
    """Families of one pool of ten accounts among 3,000: so many templates, each in three languages, one after the other."""
    families = templates * len(LANGUAGES)
    members = sparse.csr_matrix(np.kron(np.eye(families), np.ones(10)).astype(np.float32))
    prompts = 10 * families
    senders = sparse.csr_matrix(
        (np.ones(prompts), (np.arange(prompts), np.arange(prompts) % 10)), shape=(prompts, 3000)
    )
    said = [
        translation(template(family // 3, 6), 40 + family, cosine) if family % 3 else template(family // 3, 6)
        for family in range(families)
    ]
    # words of the language, and of the template in it
    rare = np.array(
        [
            np.concatenate([np.kron(np.eye(3)[n % 3], np.ones(12)), np.kron(np.eye(families)[n], np.ones(8))])
            for n in range(families)
        ]
    )
    familiar = np.tile(LANGUAGES, templates)
    length = np.full(families, 300)
    return Wording(
        said, members, familiar, sparse.csr_matrix(rare), length, np.full(families, 0.4), {}.get
    ), senders


@pytest.mark.parametrize("templates", [1, 2, 4])
def test_of_a_pools_templates_a_translation_is_of_the_one_that_it_is_most_like(templates: int) -> None:
    wording, senders = of_a_pool(templates)
    one, other = np.triu_indices(len(wording.length), k=1)
    languages = of_two_languages(wording, one, other)
    in_order = translations(wording, [[s] for s in wording.sentences], senders)
    for ours, theirs in ((one[languages], other[languages]), in_order):
        joined = set(zip(ours.tolist(), theirs.tolist(), strict=True))
        assert all(i // 3 == j // 3 for i, j in joined)
        assert joined >= {(f, f + language) for f in range(0, 3 * templates, 3) for language in (1, 2)}


def test_a_template_in_two_languages_is_no_translation_of_what_its_original_is_not() -> None:
    """Nor where words do not tell that the original is in another language, or it is much longer."""
    wording, _ = of_a_pool(2)
    wording = replace(wording, language=(["English", "Spanish", "German"] * 2).__getitem__)
    wording.familiar[0] = 0.15  # a template of names and tags
    wording.length[0] = 2_000
    one, other = np.triu_indices(len(wording.length), k=1)
    languages = of_two_languages(wording, one, other)
    joined = set(zip(one[languages].tolist(), other[languages].tolist(), strict=True))
    assert not {(i, j) for i, j in joined if i // 3 != j // 3}


def test_a_pools_only_template_has_languages_of_which_the_model_knows_nothing() -> None:
    wording, _ = of_a_pool(1, cosine=0.0)
    assert of_two_languages(wording, *np.triu_indices(3, k=1)).all()
