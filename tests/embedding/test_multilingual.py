"""The multilingual model reads thirty languages, and English as the English one does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support.stored_nights import FIRST_ACTIVITY, FIRST_SPREAD, make_night, make_signature

from benchmarks.quality.translations import measure
from fingerprint.domain.errors import StampMismatch
from fingerprint.domain.vocabulary import DEFAULT_MODEL
from fingerprint.embedding.embedder import Embedder, model_of, stamp_of
from fingerprint.store.store import Store
from fingerprint.text.normalise import normalise


def test_the_right_translation_is_nearest() -> None:
    shares = {r.language: r.into_english for r in measure("multilingual")}
    assert len(shares) == 12
    assert min(shares.values()) >= 0.9
    assert np.mean(list(shares.values())) >= 0.94
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


@pytest.mark.parametrize("unknown", ["ฃฅ", "々〆", "щъыщъы"])
def test_letters_without_a_known_word_add_nothing(multilingual: Embedder, unknown: str) -> None:
    known = "объясни этот текст"
    with_them, without = multilingual.encode(
        normalise(pa.array([f"{known} {unknown}", known], pa.large_string()))
    )
    assert without.any()
    np.testing.assert_allclose(with_them, without, atol=1e-6)


def test_a_home_belongs_to_its_model(multilingual: Embedder, english: Embedder, tmp_path: Path) -> None:
    stamp = stamp_of(multilingual)
    assert model_of(stamp) == "multilingual"
    assert model_of(None) == DEFAULT_MODEL
    assert Embedder.for_stamp(stamp).stamp == multilingual.stamp
    assert (
        Embedder.for_stamp(replace(stamp, model="of one's own")).stamp == Embedder.load(DEFAULT_MODEL).stamp
    )
    assert Embedder.for_stamp(stamp_of(english)).stamp == english.stamp
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
