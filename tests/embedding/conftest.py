"""The two models that are shipped, loaded once."""

from __future__ import annotations

import pytest

from fingerprint.embedding.embedder import Embedder


@pytest.fixture(scope="session")
def multilingual() -> Embedder:
    return Embedder.load("multilingual", light=True)


@pytest.fixture(scope="session")
def english() -> Embedder:
    return Embedder.load("static", light=True)
