from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support.small_traffic import WORDS, done, objects, row, written

from fingerprint.assessment import departures
from fingerprint.base.types import FloatArray, IntArray
from fingerprint.discovery.topics import Unassigned
from fingerprint.evidence.two_sample import MIN_PROMPTS, RANDOM_FEATURES, Sums
from fingerprint.store.store import Store

OTHER = [
    "maison",
    "jardin",
    "fenêtre",
    "voiture",
    "soleil",
    "montagne",
    "rivière",
    "histoire",
    "lumière",
    "silence",
    "chemin",
    "enfant",
    "parole",
    "ville",
    "forêt",
    "matin",
    "hiver",
    "chanson",
    "lettre",
    "ombre",
    "pierre",
    "nuage",
    "village",
    "bateau",
    "sourire",
]
USERS, EACH = 340, 6


def night(folder: Path, day: int, *, odd: int) -> Path:
    """Everybody writes about a few of the same things; one account writes of others in another language."""
    rng = random.Random(day)
    sent = [(f"user{n}", WORDS) for n in range(USERS) for _ in range(EACH)]
    sent += [("odd", OTHER)] * odd + [("quiet", OTHER)] * (MIN_PROMPTS - 1)
    rng.shuffle(sent)
    rows = [
        row(10_000 * day + i, " ".join(rng.choices(words, k=14)), account, 86_400 * day + 30 * i)
        for i, (account, words) in enumerate(sent)
    ]
    return written(folder / f"day{day}.jsonl", rows)


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home after a night with an odd account, and one where it sends less and so do all others."""
    folder = tmp_path_factory.mktemp("judge")
    done("nightly", night(folder, 1, odd=8), "--home", folder / "home")
    return folder / "home"


def test_an_account_unlike_all_others_departs_and_is_not_flagged(worked: Path) -> None:
    [found] = objects("accounts", "--home", worked, "--departed", "--format", "jsonl")
    assert found["account_id"] == "odd"
    assert (found["score"], found["flagged"], found["families"]) == (0.0, False, [])
    assert found["departure"] > 0.05  # type: ignore[operator]
    assert found["departure_q"] < 1e-3  # type: ignore[operator]
    assert found["departure_rank"] < 0.003  # type: ignore[operator]
    assert "8 prompts in no family are unlike honest traffic" in done(
        "accounts", "--home", worked, "--departed"
    )
    assert objects("accounts", "--home", worked, "--flagged", "--format", "jsonl") == []


def test_what_is_kept_is_a_mean_of_enough_prompts_and_adds_up_over_nights(worked: Path) -> None:
    done("nightly", night(worked.parent, 2, odd=5), "--home", worked)
    with Store.open(worked, read_only=True) as store:
        kept = store.account_features()
        found = store.accounts(departed=True)
        usual = store.account("user1")
    assert "quiet" not in kept["account_id"].to_pylist()
    assert kept["requests"].to_numpy().min() >= MIN_PROMPTS
    assert {len(f) for f in kept["features"].to_pylist()} == {2 * departures.KEPT}
    assert sorted(kept.filter(pc.equal(kept["account_id"], "odd"))["requests"].to_pylist()) == [5, 8]
    [odd] = found
    assert usual.departure is not None
    assert not usual.departed
    assert odd.evidence[0].words.startswith("13 prompts in no family")


def test_a_small_home_without_families_tells_who_is_unlike(tmp_path: Path) -> None:
    rng = random.Random(5)
    sent = [(f"user{n}", WORDS) for n in range(30) for _ in range(20)] + [("odd", OTHER)] * 20
    rng.shuffle(sent)
    rows = [
        row(i, " ".join(rng.choices(words, k=14)), account, 300 * i)
        for i, (account, words) in enumerate(sent)
    ]
    done("nightly", written(tmp_path / "day.jsonl", rows), "--home", tmp_path / "home")
    assert objects("families", "--home", tmp_path / "home", "--format", "jsonl") == []
    listed = objects("accounts", "--home", tmp_path / "home", "--format", "jsonl")
    assert len(listed) == 31
    assert [a["account_id"] for a in listed if a["departed"]] == ["odd"]
    assert not any(a["flagged"] for a in listed)


def test_windows_of_several_nights_are_sums() -> None:
    rng = np.random.default_rng(1)
    sums, surprise = rng.normal(size=(2, RANDOM_FEATURES)), np.array([[9.0, 12.0], [5.0, 20.0]])
    requests = np.array([9.0, 5.0])
    tonight = departures.AccountFeatures(
        pa.array(["a", "b"], pa.large_string()),
        Sums(requests, sums, requests, surprise, np.eye(RANDOM_FEATURES)),
    )
    kept = departures.storable(tonight)
    total = departures.with_earlier_nights(tonight, pa.concat_tables([kept, kept.slice(1)]))
    assert total.accounts.to_pylist() == ["a", "b"]
    assert total.sums.requests.tolist() == total.sums.ranked.tolist() == [18, 15]
    np.testing.assert_allclose(total.sums.features, sums * [[2], [3]], atol=0.02)
    np.testing.assert_allclose(total.sums.surprise, surprise * [[2], [3]], rtol=1e-3)


def test_nights_that_kept_features_alone_count_for_the_mean() -> None:
    requests = np.array([9.0])
    tonight = departures.AccountFeatures(
        pa.array(["a"], pa.large_string()),
        Sums(
            requests, np.ones((1, RANDOM_FEATURES)), requests, np.full((1, 2), 9.0), np.eye(RANDOM_FEATURES)
        ),
    )
    kept = departures.storable(tonight)
    short = [data[: 2 * RANDOM_FEATURES] for data in kept["features"].to_pylist()]
    earlier = kept.set_column(2, kept.schema.field(2), pa.array(short, pa.large_binary()))
    total = departures.with_earlier_nights(tonight, earlier).sums
    assert (total.requests.tolist(), total.ranked.tolist()) == ([18.0], [9.0])
    assert total.surprise.tolist() == [[9.0, 9.0]]


def test_attackers_do_not_vouch_for_each_other() -> None:
    rng = np.random.default_rng(2)

    def around(centres: np.ndarray, count: int) -> np.ndarray:
        rows = centres[rng.integers(len(centres), size=count)] + rng.normal(size=(count, 64)) / 2
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)

    usual, strange = rng.normal(size=(20, 64)), rng.normal(size=(5, 64))
    vectors = np.concatenate([around(usual, 150 * 40), around(strange, 12 * 40)])
    account = np.repeat(np.arange(162), 40)
    sums = departures.summed(vectors, np.arange(len(vectors)), account, 162)
    assert (sums.surprise[150:, 0] / 40).min() > 3
    assert sums.surprise[:150, 0].mean() / 40 == pytest.approx(1, abs=0.1)


def test_what_is_embedded_already_is_not_embedded_again() -> None:
    texts = pa.array([f"prompt {number}" for number in range(6)], pa.large_string())
    vectors = np.arange(24, dtype=np.float32).reshape(6, 4) / 24
    asked: list[str] = []

    def embed(some: pa.Array | pa.ChunkedArray) -> FloatArray:
        asked.extend(some.to_pylist())
        return vectors[pc.index_in(some, texts).to_numpy()]

    def of(embedded: Unassigned | None, prompts: list[int]) -> IntArray:
        asked.clear()
        rows = np.array(prompts, dtype=np.int64)
        out = departures.head_vectors(
            rows, embed, lambda some: texts.take(pa.array(some)), np.full(6, 8), embedded
        )
        assert np.array_equal(out, vectors[rows].astype(np.float16))
        assert out.dtype == np.float16
        return np.array([int(text.removeprefix("prompt ")) for text in asked], dtype=np.int64)

    ready = Unassigned(np.array([0, 2, 5]), vectors[[0, 2, 5]])
    assert of(None, [0, 1, 2, 3]).tolist() == [0, 1, 2, 3]
    assert of(ready, [0, 1, 2, 4]).tolist() == [1, 4]
    assert of(ready, [2, 5]).tolist() == []
    assert of(ready, [1, 3]).tolist() == [1, 3]
