from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support.small_traffic import WORDS, done, objects, row, written

from fingerprint.assessment import departures
from fingerprint.evidence.two_sample import MIN_PROMPTS, RANDOM_FEATURES
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
    assert found["departure_q"] < 1e-6  # type: ignore[operator]
    assert "8 prompts in no family are unlike honest traffic" in done(
        "accounts", "--home", worked, "--departed"
    )
    assert objects("accounts", "--home", worked, "--flagged", "--format", "jsonl") == []


def test_what_is_kept_is_a_mean_of_enough_prompts_and_adds_up_over_nights(worked: Path) -> None:
    done("nightly", night(worked.parent, 2, odd=5), "--home", worked)
    with Store.open(worked, read_only=True) as store:
        kept = store.account_features()
        found = store.accounts(departed=True)
    assert "quiet" not in kept["account_id"].to_pylist()
    assert kept["requests"].to_numpy().min() >= MIN_PROMPTS
    assert {len(f) for f in kept["features"].to_pylist()} == {2 * RANDOM_FEATURES}
    assert sorted(kept.filter(pc.equal(kept["account_id"], "odd"))["requests"].to_pylist()) == [5, 8]
    [odd] = found
    assert odd.evidence[0].words.startswith("13 prompts in no family")


def test_windows_of_several_nights_are_sums() -> None:
    rng = np.random.default_rng(1)
    sums = rng.normal(size=(2, RANDOM_FEATURES))
    tonight = departures.AccountFeatures(
        pa.array(["a", "b"], pa.large_string()), np.array([9.0, 5.0]), sums, np.eye(RANDOM_FEATURES)
    )
    kept = departures.storable(tonight)
    both = departures.with_earlier_nights(tonight, pa.concat_tables([kept, kept.slice(1)]))
    assert both.accounts.to_pylist() == ["a", "b"]
    assert both.requests.tolist() == [18, 15]
    np.testing.assert_allclose(both.sums, sums * [[2], [3]], atol=0.02)
