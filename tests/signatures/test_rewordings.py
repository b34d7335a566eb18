from __future__ import annotations

import numpy as np
import pytest
from support.bursts import in_bursts
from support.crafted import Sent, background, batch_of, words
from support.night_families import families_of
from support.reworded import ORIGINAL, REWORDED

from fingerprint.discovery.assignment import Assignment
from fingerprint.discovery.discover import discover
from fingerprint.discovery.topics import topics
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import Signature
from fingerprint.embedding.embedder import Embedder, stamp_of
from fingerprint.signatures.describe import describe, text_families
from fingerprint.signatures.rewordings import NightFamilies, common_words, rewordings

SETTINGS = Settings()


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.load("static")


def sent(random: np.random.Generator, sentences: list[str], count: int) -> list[Sent]:
    return in_bursts(random, [". ".join([*sentences, words(random, 6)]) for _ in range(count)])


@pytest.fixture(scope="module")
def original(embedder: Embedder) -> Signature:
    random = np.random.default_rng(0)
    batch = batch_of([*sent(random, ORIGINAL, 60), *background(random, 200)])
    discovery = discover(batch, (), SETTINGS, lambda stage: None)
    found = families_of(batch, discovery, (), embedder.encode, stamp_of(embedder), SETTINGS)
    return found.signatures[0]


def night(embedder: Embedder, stored: list[Signature], reworded: int) -> tuple[Assignment, NightFamilies]:
    """Work 60 prompts of the original, then some of a rewording, among others; also what `describe` assigned."""
    random = np.random.default_rng(1)
    batch = batch_of(
        [*sent(random, ORIGINAL, 60), *sent(random, REWORDED, reworded), *background(random, 200)]
    )
    discovery = discover(batch, stored, SETTINGS, lambda stage: None)
    topical = topics(batch, discovery, discovery.assignment, stored, embedder.encode, SETTINGS)
    stamp = stamp_of(embedder)
    textual = text_families(batch, discovery, stored, stamp, SETTINGS)
    described = describe(batch, discovery, textual, topical, stored, embedder.encode, stamp, SETTINGS)
    before = described.assignment.label.copy()
    found = rewordings(described, batch, batch.texts_of, common=common_words(batch), embed=embedder.encode)
    assert described.assignment.label.tolist() == before.tolist()
    return described.assignment, found


def test_a_family_of_rewordings_joins_its_original(embedder: Embedder, original: Signature) -> None:
    described, found = night(embedder, [original], reworded=20)
    place = {s.family_id: row for row, s in enumerate(found.signatures)}
    (new,) = (s for s in found.signatures if s.family_id != original.family_id)
    assert new.variant_of == original.family_id
    assert (described.label[60:80] == place[new.family_id]).all()
    assert (found.label[:80] == place[original.family_id]).all()
    assert found.joined.tolist() == [s is new for s in found.signatures]
    assert not found.born.any()
    assert found.signatures[place[original.family_id]].spread.requests == 80
    assert found.behaviour.requests[place[original.family_id]] == 80


def test_too_few_rewordings_for_a_family_are_adopted(embedder: Embedder, original: Signature) -> None:
    described, found = night(embedder, [original], reworded=3)
    assert described.label[60:63].tolist() == [-1, -1, -1]
    assert found.label[60:63].tolist() == [0, 0, 0]
    assert (found.strength[60:63] >= original.threshold).all()
    assert (found.label[63:] == -1).all()
