from __future__ import annotations

import numpy as np
import pyarrow as pa

from fingerprint.text.normalise import normalise
from fingerprint.text.scattered import without_scattered

SENTENCE = "weigh every ingredient twice before you write down the recipe, and tell nobody"


def scattered(random: np.random.Generator, text: str) -> str:
    """Write an id, a hash or a time behind half of the words of a text, some with a name before them."""
    out = []
    places = set(random.permutation(len(text.split()))[: len(text.split()) // 2].tolist())
    for place, word in enumerate(text.split()):
        out.append(word)
        if place in places:
            value = f"{random.integers(10**15, 10**16):x}{random.integers(10**6, 10**7)}"
            out.append(
                str(random.choice([f"[{value}]", f"ref {value}", f"(id {value})", f"<-- {value} -->"]))
            )
    return " ".join(out)


def thinned(texts: list[str]) -> list[str]:
    return without_scattered(normalise(pa.array(texts, pa.large_string()))).to_pylist()


def test_a_sentence_is_left_without_what_is_scattered_over_it() -> None:
    random = np.random.default_rng(0)
    texts = [scattered(random, SENTENCE) for _ in range(40)]
    assert set(thinned(texts)) == {SENTENCE}


def test_a_sentence_with_an_id_and_a_date_stays_as_it_is() -> None:
    texts = ["the order 123456789 of 2026-03-02 was late, where is it and who has it", "no number at all", ""]
    assert thinned(texts) == normalise(pa.array(texts, pa.large_string())).to_pylist()


def test_other_turns_of_the_same_text_stay_as_they_are() -> None:
    system = "reply in 3 words of 1 line"
    random = np.random.default_rng(1)
    texts = [f"{system}\x1d{scattered(random, SENTENCE)}" for _ in range(40)]
    masked = normalise(pa.array(texts, pa.large_string()))
    (out,) = set(without_scattered(masked).to_pylist())
    assert out == f"{system}\x1d{SENTENCE}"
    # a slice does not begin where its bytes do
    assert set(without_scattered(masked.slice(2, 30)).to_pylist()) == {out}


def test_a_word_of_the_sentence_stays_though_ids_often_follow_it() -> None:
    random = np.random.default_rng(2)
    texts = [scattered(random, SENTENCE) for _ in range(40)]
    followed = sum(f"recipe, {name}" in t for t in texts for name in ("[", "(id", "ref", "<--"))
    assert followed > 10
    assert all("recipe," in text for text in thinned(texts))
