"""Honest fillings are an account's own, by topic and hour; those of a campaign's pool come from one list.

The statistic is a permutation test of the mean cosine of two fillings of one account (PERMANOVA's kind, Anderson 2001).
"""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support.simulated import LIFELIKE, only, together

from fingerprint.base.types import Doubles, IntArray
from fingerprint.embedding.embedder import Embedder

OWN = ("helper", "extension", "search", "agent", "scheduler")
"""Software whose users fill in what is theirs."""


@pytest.fixture(scope="module")
def longest() -> pa.Table:
    """Return one request of each conversation, the longest, of all days."""
    life = together(LIFELIKE)
    rows: dict[str, tuple[int, int]] = {}
    talks = pc.coalesce(life["session"], life["request_id"].cast(pa.string())).to_pylist()
    for i, (talk, size) in enumerate(zip(talks, pc.utf8_length(life["prompt"]).to_pylist(), strict=True)):
        rows[talk] = max(rows.get(talk, (0, i)), (size, i))
    return life.take(sorted(i for _, i in rows.values()))


def fillings(table: pa.Table) -> list[str]:
    """Return what each request holds beside the sentences that a tenth of them share."""
    whole = [
        f"{system or ''}\n{prompt}"
        for system, prompt in zip(*(table[c].to_pylist() for c in ("system", "prompt")), strict=True)
    ]
    parts = [re.split(r"(?<=[.!?。:])\s+|\n+", text) for text in whole]
    common = Counter(sentence for part in parts for sentence in set(part))
    return [" ".join(s for s in part if common[s] <= max(2, len(parts) / 10))[:4000] for part in parts]


def permuted(vectors: Doubles, account: IntArray, seed: int = 0) -> float:
    """Return how far the mean cosine within accounts is above that of shuffled accounts, in standard deviations."""
    vectors = vectors - vectors.mean(axis=0)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    random = np.random.default_rng(seed)

    count = np.bincount(account)
    starts = np.cumsum(count) - count
    vectors = vectors[np.argsort(account, kind="stable")]

    def within(rows: Doubles) -> float:
        return float((np.add.reduceat(rows, starts) ** 2).sum())

    chance = np.array([within(random.permutation(vectors)) for _ in range(100)])
    return float((within(vectors) - chance.mean()) / chance.std())


def own(table: pa.Table, embedder: Embedder) -> float:
    texts = fillings(table)
    some = [i for i, text in enumerate(texts) if len(text) > 15]
    account = np.unique(np.array(table["account_id"].to_pylist())[some], return_inverse=True)[1]
    vectors = np.asarray(embedder.encode(pa.array([texts[i] for i in some], pa.large_string())), np.float64)
    return permuted(vectors, account)


def test_fillings_of_honest_software_are_an_accounts_own_and_those_of_campaigns_are_not(
    longest: pa.Table,
) -> None:
    embedder = Embedder.load(light=True)
    for kind in OWN:
        for family in pc.unique(only(longest, "kind", kind)["family"]).to_pylist():
            rows = only(longest, "family", family).slice(0, 600)
            if rows.num_rows > 1.5 * len(pc.unique(rows["account_id"])):
                assert own(rows, embedder) > 6, family
    assert own(only(longest, "kind", "person").slice(0, 1_500), embedder) > 6
    for campaign in pc.unique(longest["campaign"]).drop_null().to_pylist():
        rows = only(longest, "campaign", campaign)
        if rows["text"][0].as_py() != "personas":  # each account has a frame of its own
            assert abs(own(rows, embedder)) < 4, campaign
    assert abs(own(only(longest, "kind", "relay"), embedder)) < 4
    assert abs(own(only(longest, "kind", "agency"), embedder)) < 4


def test_hours_of_people_are_their_own_and_those_of_campaigns_are_not(longest: pa.Table) -> None:
    def clocks(table: pa.Table) -> float:
        angle = table["timestamp"].cast(pa.int64()).to_numpy() / 86_400e6 * 2 * np.pi
        account = np.unique(np.array(table["account_id"].to_pylist()), return_inverse=True)[1]
        return permuted(np.stack([np.cos(angle), np.sin(angle)], axis=1), account)

    for kind in ("person", "helper", "extension", "search"):
        assert clocks(only(longest, "kind", kind)) > 6, kind
    for behaviour in ("drip", "blurred", "tidy"):
        for campaign in pc.unique(only(longest, "behaviour", behaviour)["campaign"]).to_pylist():
            assert clocks(only(longest, "campaign", campaign)) < 4, campaign


def test_two_topics_are_further_apart_than_two_texts_of_one() -> None:
    embedder = Embedder.load(light=True)
    topics = words_by_topic()
    assert len(topics) >= 60
    vectors = np.asarray(embedder.encode(pa.array(topics, pa.large_string())), np.float64)
    likeness = vectors @ vectors.T - np.eye(len(topics))
    assert likeness.max() < 0.85
    assert np.median(likeness) < 0.35


def words_by_topic() -> list[str]:
    from fingerprint.simulate.grammar import read_text, sections
    from fingerprint.simulate.lifelike.setup import WORDS

    found = sections("\n".join(map(read_text, WORDS)))
    return [" ".join(line[3:] for line in lines).replace("_", " ").replace("+", "") for _, lines in found]
