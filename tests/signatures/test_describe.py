from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest
from support.bursts import LONG, in_bursts
from support.crafted import START, Sent, background, batch_of, words
from support.night_families import families_of

from fingerprint.base.types import FloatArray
from fingerprint.discovery.batch import Batch
from fingerprint.discovery.discover import Discovery, discover
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import DayCount, Segment, Signature, Stamp
from fingerprint.matching import ngram_index
from fingerprint.matching.ngram_index import index_ngrams
from fingerprint.signatures import match_score
from fingerprint.signatures.public_text import PUBLIC_ACCOUNTS, PUBLIC_SHARE
from fingerprint.signatures.rewordings import NightFamilies
from fingerprint.text.tokenise import tokens

STAMP = Stamp("n", "s", "words", "r", 64)
SECRET = "zqzqzq"


def embed(texts: pa.Array | pa.ChunkedArray) -> FloatArray:
    """Embed texts as unit sums of one random direction a word."""
    found = tokens(texts)
    out = np.zeros((len(texts), STAMP.dimension), dtype=np.float32)
    for row in range(len(texts)):
        for token in found.hashes[found.row_offsets[row] : found.row_offsets[row + 1]]:
            out[row] += np.random.default_rng(int(token)).standard_normal(STAMP.dimension).astype(np.float32)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)


def worked(
    sent: Sequence[Sent], stored: Sequence[Signature] = (), **settings: float
) -> tuple[Batch, Discovery, NightFamilies]:
    batch, chosen = batch_of(sent), replace(Settings(), **settings)
    found = discover(batch, stored, chosen, lambda stage: None)
    return batch, found, families_of(batch, found, stored, embed, STAMP, chosen)


def night(seed: int, *, count: int = 40, template: str = LONG, day: int = 0, others: int = 200) -> list[Sent]:
    random = np.random.default_rng(seed)
    sent = in_bursts(random, [f"{template} {words(random, 9)}" for _ in range(count)])
    sent += background(random, others)
    return [replace(s, second=s.second + 86_400 * day) for s in sent]


@pytest.fixture(scope="module")
def first() -> tuple[Batch, Discovery, NightFamilies]:
    return worked(night(0))


def test_a_family_becomes_a_signature(first: tuple[Batch, Discovery, NightFamilies]) -> None:
    _, _, described = first
    (signature,) = described.signatures
    assert signature.kind == "template"
    assert [s.text for s in signature.template.segments] == [LONG]
    assert isinstance(signature.template.parts[0], Segment)
    assert signature.stamp == STAMP
    assert described.born.tolist() == [True]
    assert described.label.tolist() == [0] * 40 + [-1] * 200
    assert (described.strength[:40] > 0.9).all()
    assert not described.strength[40:].any()
    assert described.behaviour.requests.tolist() == [40]


def test_weights_are_the_rarity_of_their_own_grams(first: tuple[Batch, Discovery, NightFamilies]) -> None:
    # others start as the template does, so its first grams are common
    random = np.random.default_rng(1)
    common = " ".join(LONG.split()[:6])
    sent = night(1, others=900) + [
        Sent(f"{common} {words(random, 20)}", f"b{n % 50}", n * 900.0) for n in range(90)
    ]
    batch, found, described = worked(sent)
    signature = max(described.signatures, key=lambda s: s.spread.requests)
    assert (np.diff(signature.grams.astype(object)) > 0).all()
    family = described.signatures.index(signature)
    pool = np.unique(batch.senders()[np.flatnonzero(described.label == family)].indices)
    for gram, weight in zip(signature.grams, signature.weights, strict=True):
        row = int(np.flatnonzero(found.shared.hashes == gram)[0])
        holders = found.shared.postings[row].indices
        outside = (described.label[holders] != family).sum()
        strangers = np.setdiff1d(batch.senders()[holders].indices, pool)
        public = len(strangers) >= max(PUBLIC_ACCOUNTS, PUBLIC_SHARE * len(pool))
        rarity = match_score.rarity(np.array([outside]), batch.distinct)[0]
        assert weight == pytest.approx(0.0 if public else rarity, abs=1e-6)
    assert 0 < np.count_nonzero(signature.weights == 0) < 6
    assert signature.weights.min() < 0.5 < signature.weights.max()


@pytest.mark.parametrize("rate", [1e-4, 0.02])
def test_few_non_members_reach_a_threshold(rate: float) -> None:
    random = np.random.default_rng(2)
    part = " ".join(LONG.split()[8:18])
    sent = night(2, others=900) + [
        Sent(f"{words(random, 9)} {part} {words(random, 9)}", f"b{n % 50}", n * 900.0) for n in range(90)
    ]
    batch, found, described = worked(sent, false_positive_rate=rate)
    for family, signature in enumerate(described.signatures):
        shingles = found.shingles
        hits = ngram_index.best_hits(index_ngrams([signature]), shingles.hashes, shingles.offsets)
        reached = (hits.score >= signature.threshold) & (described.label != family)
        assert reached.sum() <= rate * batch.distinct
        members = described.label == family
        assert (hits.score >= signature.threshold)[members].mean() > 0.9


def test_spread() -> None:
    sent = [s for day in (0, 1) for s in night(3, day=day, count=20 + 10 * day)]
    _, _, described = worked(sent)
    spread = described.signatures[0].spread
    mine = [s for s in sent if s.account.startswith("pool")]
    assert (spread.requests, spread.accounts) == (50, 15)
    assert spread.first_seen == datetime.fromtimestamp(START.timestamp() + min(s.second for s in mine), UTC)
    assert spread.last_seen == datetime.fromtimestamp(START.timestamp() + max(s.second for s in mine), UTC)
    by_day = {str(date(2026, 3, 2 + d)): [s for s in mine if s.second // 86_400 == d] for d in (0, 1)}
    assert spread.per_day == {d: DayCount(len(s), len({x.account for x in s})) for d, s in by_day.items()}


def test_a_family_of_two_accounts_tonight_keeps_the_template_it_had(
    first: tuple[Batch, Discovery, NightFamilies],
) -> None:
    """Its text is another now, but only two accounts sent it, so nothing of it may be shown."""
    (old,) = first[2].signatures
    changed = " ".join(LONG.split()[: int(len(LONG.split()) * 0.72)])
    random = np.random.default_rng(3)
    sent = [
        replace(s, account=f"pool{n % 2}")
        for n, s in enumerate(in_bursts(random, [f"{changed} {words(random, 12)}" for _ in range(40)]))
    ]
    after = worked([*sent, *background(random, 200)], [old])[2]
    (kept,) = (s for s in after.signatures if s.family_id == old.family_id)
    assert kept.template == old.template
    assert kept.grams.tolist() == old.grams.tolist()
    assert kept.spread.accounts == 2


def test_ids_follow_from_the_content(first: tuple[Batch, Discovery, NightFamilies]) -> None:
    again = worked(night(0)[::-1])[2]
    assert [s.family_id for s in again.signatures] == [s.family_id for s in first[2].signatures]
    other = worked(night(0, template=LONG[::-1]))[2]
    assert other.signatures[0].family_id != again.signatures[0].family_id


def test_a_stored_family_keeps_its_id_label_and_grams(first: tuple[Batch, Discovery, NightFamilies]) -> None:
    (old,) = first[2].signatures
    old = replace(old, label="campaign", campaign_id="c1", version=3)
    _, _, described = worked(night(4, day=1), [old])
    (new,) = described.signatures
    assert described.born.tolist() == [False]
    assert (new.family_id, new.label, new.campaign_id, new.version) == (old.family_id, "campaign", "c1", 3)
    assert new.grams.tolist() == old.grams.tolist()
    assert new.weights.tolist() == old.weights.tolist()
    assert new.threshold >= old.threshold
    assert new.spread.requests == 40  # of this batch; the store adds up


def test_a_stored_family_learns_another_wording(first: tuple[Batch, Discovery, NightFamilies]) -> None:
    (old,) = first[2].signatures
    # two thirds of the text stay, so it is the same family; its old grams would miss the rest
    changed = " ".join([*LONG.split()[:24], words(np.random.default_rng(5), 10)])
    _, _, described = worked(night(6, template=changed), [old])
    (new,) = described.signatures
    assert new.family_id == old.family_id
    assert new.spread.requests == 40
    assert new.template.segments[0].text == changed
    assert 0 < len(np.intersect1d(new.grams, old.grams)) < len(new.grams)


@pytest.mark.parametrize("count", [0, 3])
def test_too_few_members_teach_nothing_but_that_they_were_seen(
    first: tuple[Batch, Discovery, NightFamilies], count: int
) -> None:
    (old,) = first[2].signatures
    _, _, described = worked(night(7, count=count), [old])
    (new,) = described.signatures
    assert new.template == old.template
    assert new.grams.tolist() == old.grams.tolist()
    assert new.threshold == old.threshold
    assert (new.prototypes == old.prototypes).all()
    assert described.behaviour.requests.tolist() == [count]


def test_signatures_hold_no_text_of_few_accounts() -> None:
    # every prompt of one account has its own words in it, often enough to be common among the members
    random = np.random.default_rng(8)
    half = LONG.split()
    own = " ".join([*half[:16], SECRET, "mine alone", *half[16:]])
    sent = [Sent(f"{own} {words(random, 9)}", "pool0", float(n)) for n in range(30)]
    sent += in_bursts(random, [f"{LONG} {words(random, 9)}" for _ in range(30)]) + background(random, 200)
    _, _, described = worked(sent)
    assert described.signatures
    assert all(SECRET not in str(s.template) for s in described.signatures)


def test_nothing() -> None:
    for sent in ([], [Sent("one")], background(np.random.default_rng(9), 30)):
        batch, _, described = worked(sent)
        assert described.signatures == ()
        assert described.label.tolist() == [-1] * batch.distinct
        assert described.strength.shape == (batch.distinct,)
        assert described.born.shape == (0,)
