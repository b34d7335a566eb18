from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from fingerprint.evidence.word_vectors import in_other_script, word_vectors
from fingerprint.text.masking import UUID
from fingerprint.text.normalise import normalise

LETTERS = {
    "Russian": "абвгдежзиклмнопрстуфхцчшщыэюя",
    "Korean": "가나다라마바사아자차카타파하",
    "Arabic": "ابتثجحخدذرزسشصضطظعغفقكلمن",
    "Hindi": "कखगघचछजझटठडढतथदधनपफबभमयरलव",
    "Japanese": "日月火水木金土山川田人口車門春夏秋冬東西南北男女子父母兄弟姉妹犬猫馬牛鳥魚花草雨雪風雲海空星石竹糸貝米豆耳目手足首",
}


def texts_of(*texts: str) -> pa.LargeStringArray:
    return normalise(pa.array(texts, pa.large_string()))


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("warum ist der Käse so übermäßig grün geworden", False),
        ("почему небо над морем голубое", True),
        ("なぜ空は青いのですか", True),
        ("use the word наука in one long sentence, please", False),
        (f"{UUID} {UUID} {UUID}", False),
        (f"{UUID} почему {UUID}", True),
        ("", False),
    ],
)
def test_scripts_are_told_by_their_letters(text: str, foreign: bool) -> None:
    read = pa.array([text], pa.large_string())
    # masks are put in after normalising, which would take them out
    assert in_other_script(read if UUID in text else normalise(read)).tolist() == [foreign]


def test_texts_are_as_alike_as_they_share_words() -> None:
    one, half, none = (
        "один два три четыре пять шесть семь восемь",
        "один два три четыре дом лес река поле",
        "утро вечер день ночь зима весна лето осень",
    )
    vectors = word_vectors(texts_of(one, one, half, none, ""), 1_024)
    assert vectors.dtype == np.float32
    likenesses = vectors @ vectors[0]
    assert likenesses[:2] == pytest.approx(1)
    assert likenesses[2] == pytest.approx(0.5, abs=0.15)
    assert abs(likenesses[3]) < 0.2
    assert not vectors[4].any()


@pytest.mark.parametrize("language", LETTERS)
def test_things_of_a_list_lie_apart_and_records_of_one_shape_do_not(language: str) -> None:
    random = np.random.default_rng(7)
    letters = list(LETTERS[language])
    known = ["".join(random.choice(letters, 4)) for _ in range(300)]
    shape = " ".join(random.choice(known, 12))
    things = texts_of(*(" ".join(random.choice(known, 12)) for _ in range(60)))
    records = texts_of(*(f"{shape} {random.choice(known)}" for _ in range(60)))
    assert in_other_script(things).all()
    apart, alike = (1 - (word_vectors(t, 64).mean(axis=0) ** 2).sum() for t in (things, records))
    assert alike < 0.25
    assert apart > 0.5
