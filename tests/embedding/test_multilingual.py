"""The multilingual model reads thirty languages, and English as the default one does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support.stored_nights import FIRST_ACTIVITY, FIRST_SPREAD, make_night, make_signature

from benchmarks.quality.translations import measure, vectors_of
from fingerprint.domain.errors import StampMismatch
from fingerprint.embedding.embedder import Embedder, stamp_of
from fingerprint.store.store import Store
from fingerprint.text.normalise import normalise


@pytest.fixture(scope="module")
def multilingual() -> Embedder:
    return Embedder.load("multilingual", light=True)


@pytest.fixture(scope="module")
def english() -> Embedder:
    return Embedder.load(light=True)


def test_english_has_the_vectors_of_the_english_model(multilingual: Embedder, english: Embedder) -> None:
    apart = np.abs(vectors_of(multilingual, "en") - vectors_of(english, "en")).max(axis=1)
    # two hold words that several languages spell alike
    assert (apart < 1e-6).sum() >= 98


def test_the_right_translation_is_nearest() -> None:
    shares = {r.language: r.into_english for r in measure("multilingual")}
    assert len(shares) == 12
    assert min(shares.values()) >= 0.8
    assert np.mean(list(shares.values())) >= 0.9
    assert np.mean([r.into_english for r in measure("static")]) < 0.2


@pytest.mark.parametrize(
    ("text", "translated"),
    [
        ("解释冰箱如何让食物保持低温", "explain how a refrigerator keeps food cold"),
        ("번역하세요", "translate"),
        ("Спасибо за перевод текста", "thanks for the translation of a text"),
        ("ตู้เย็นทำให้อาหารเย็น", "the refrigerator keeps food cold"),
    ],
)
def test_scripts_that_the_english_model_cannot_read(
    multilingual: Embedder, english: Embedder, text: str, translated: str
) -> None:
    pair = normalise(pa.array([text, translated], pa.large_string()))
    (own, right), (blind, asked) = multilingual.encode(pair), english.encode(pair)
    assert own @ right > 0.6 > 0.3 > blind @ asked


def test_letters_without_a_known_word_say_nothing(multilingual: Embedder) -> None:
    assert not multilingual.encode(["ฃฅ", "々〆", "ж"]).any()


def test_the_library_reads_it_to_the_same_vectors(multilingual: Embedder) -> None:
    library = Embedder.load("multilingual", device="cpu")
    texts = ["Explain the text", "解释这段文字 with a table", "объясни текст", "번역하세요", "แปลประโยคนี้", ""]
    np.testing.assert_allclose(multilingual.encode(texts), library.encode(texts), atol=1e-6)


def test_a_home_belongs_to_its_model(multilingual: Embedder, english: Embedder, tmp_path: Path) -> None:
    stamp = stamp_of(multilingual)
    assert Embedder.for_stamp(stamp).stamp == multilingual.stamp
    assert Embedder.for_stamp(replace(stamp, model="of one's own")).stamp == english.stamp
    with Store.open(tmp_path) as store:
        store.save_night(
            make_night("n1"),
            [make_signature("f1", stamp=stamp), make_signature("f2", seed=2, stamp=stamp)],
            spread=FIRST_SPREAD,
            activity=FIRST_ACTIVITY,
        )
        with pytest.raises(
            StampMismatch, match=r"model static-multilingual-256.* expected.*use --model multilingual"
        ):
            store.check_stamp(stamp_of(english))
