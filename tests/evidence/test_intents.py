from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support.observed import observed

from fingerprint.domain.errors import UsageError
from fingerprint.embedding.embedder import Embedder
from fingerprint.evidence.intents import Intent, catalogue, intent_likeness
from fingerprint.evidence.statistics.intent import intent
from fingerprint.text.normalise import normalise


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.load("static", light=True)


def sentences(embedder: Embedder, *texts: str) -> np.ndarray:
    return embedder.encode(normalise(pa.array(texts, pa.large_string())))


def test_what_a_template_asks_for_is_named(embedder: Embedder) -> None:
    templates = [
        sentences(
            embedder, "Score the candidate's answer against the rubric and award points.", "Thank you."
        ),
        sentences(embedder, "Before the final answer, write out your full reasoning step by step."),
        sentences(embedder, "You are the booking assistant of a small hotel by the sea."),
        np.zeros((0, 256), np.float32),
    ]
    found = intent_likeness(catalogue(), templates, embedder.encode)
    data = observed(np.arange(8), np.arange(8.0), [np.arange(2)] * 4, intents=found)
    trait = intent(data)
    assert trait.names[:2] == ("grades and preferences", "reasoning traces")
    assert (trait.evidence[:2] > 0.3).all()
    assert trait.evidence[2:].tolist() == [0, 0]


def test_a_home_adds_its_own(tmp_path: Path) -> None:
    path = tmp_path / "intents.toml"
    assert catalogue(path) == catalogue()
    path.write_text('[[intent]]\nname = "limericks"\nwordings = ["Write a limerick."]\n')
    assert catalogue(path)[-1] == Intent("limericks", ("Write a limerick.",))


@pytest.mark.parametrize(
    "text", ["[[intent]]\nname = 'x'", "[[intent]]\nname = 'x'\nwordings = []", "intent = 3", "]["]
)
def test_a_wrong_file_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "intents.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"intents\.toml"):
        catalogue(path)
