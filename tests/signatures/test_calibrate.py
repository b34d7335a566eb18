from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse
from support.bare_signatures import signature

from fingerprint.signatures import calibrate, match_score
from fingerprint.signatures.calibrate import (
    Held,
    NonMembers,
    of_centre,
    of_meaning,
    stricter,
    with_reliability,
)


def unit(random: np.random.Generator, rows: int) -> np.ndarray:
    made = random.standard_normal((rows, 8)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def others(random: np.random.Generator, prompts: int) -> NonMembers:
    sizes = random.integers(1, 6, prompts)
    return NonMembers(
        unit(random, int(sizes.sum())), np.concatenate([[0], np.cumsum(sizes)]), strangers(prompts)
    )


def strangers(prompts: int, families: int = 3) -> sparse.csr_matrix:
    return sparse.csr_matrix((prompts, families))


@pytest.mark.parametrize("rate", [1e-4, 0.01, 0.2])
def test_few_others_hold_more_of_a_meaning(rate: float) -> None:
    random = np.random.default_rng(0)
    templates = [unit(random, 3), np.empty((0, 8), np.float32), unit(random, 1)]
    seen, fresh = others(random, 2000), others(random, 2000)
    least, usual = of_meaning(Held.of(templates, seen), rate)
    assert (least[1], usual[1]) == (1, 0)
    for f in (0, 2):
        cosines = [
            fresh.vectors[a:b] @ templates[f].T
            for a, b in zip(fresh.offsets, fresh.offsets[1:], strict=False)
        ]
        held = np.array([c.max(axis=0).mean() for c in cosines])
        # of 2,000 others a rate below 1 in 2,000 cannot be told
        told = max(rate, 1 / len(held))
        assert (held > least[f]).mean() <= told + 4 * np.sqrt(told / len(held))
        assert (held > usual[f]).mean() == pytest.approx(0.5, abs=0.06)


def test_a_familys_own_senders_are_no_others() -> None:
    random = np.random.default_rng(3)
    template, every = unit(random, 2), others(random, 500)
    said = np.arange(0, 500, 5)
    # a fifth of the prompts says what the template says
    vectors = every.vectors.copy()
    vectors[every.offsets[said]] = template[0]
    own = sparse.csr_matrix((np.ones(len(said)), (said, np.zeros(len(said), int))), shape=(500, 1))
    strict = of_meaning(Held.of([template], NonMembers(vectors, every.offsets, strangers(500, 1))), 0.01)[0]
    open_ = of_meaning(Held.of([template], NonMembers(vectors, every.offsets, own)), 0.01)[0]
    kept = np.setdiff1d(np.arange(500), said)
    held = [(vectors[every.offsets[n] : every.offsets[n + 1]] @ template.T).max(axis=0).mean() for n in kept]
    assert open_[0] < strict[0]
    assert (np.array(held) > open_[0]).sum() == int(0.01 * 401) - 1


def test_without_others_meaning_never_counts() -> None:
    random = np.random.default_rng(1)
    nobody = NonMembers(np.empty((0, 8), np.float32), np.array([0]), strangers(0))
    for nothing in (None, nobody):
        least, usual = of_meaning(Held.of([unit(random, 2)], nothing), 0.01)
        assert (least.tolist(), usual.tolist()) == ([1], [0])
    assert of_centre(unit(random, 1), np.empty((0, 8), np.float32), 0.01) == (1, 0)
    assert of_centre(np.empty((0, 8), np.float32), unit(random, 5), 0.01) == (1, 0)


def test_a_centre_is_compared_with_whole_prompts() -> None:
    random = np.random.default_rng(2)
    centre, prompts = unit(random, 1), unit(random, 999)
    least, usual = of_centre(centre, prompts, 0.01)
    near = prompts @ centre[0]
    assert (near > least).sum() == 9
    assert usual == pytest.approx(np.median(near))


def test_others_are_chosen_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "SENTENCE_PROMPTS", 3)
    texts = pa.array([f"this is number {n}" for n in range(100)], pa.large_string())
    taken: list[str] = []

    def embed(flat: pa.Array) -> np.ndarray:
        taken.extend(flat.to_pylist())
        return np.zeros((len(flat), 8), np.float32)

    own = sparse.csr_matrix(np.eye(100))
    found = NonMembers.of(texts, own, embed)
    assert found.own.indices.tolist() == [0, 49, 99]
    assert not taken  # until they are compared
    assert found.vectors[1:3].shape == (2, 8)
    assert taken == ["this is number 49", "this is number 99"]
    assert found.offsets.tolist() == [0, 1, 2, 3]


def test_a_threshold_moves_with_the_standing() -> None:
    plain = signature({1: 1.0}, threshold=0.6)
    many = with_reliability(plain, 2000, 0)
    assert many.threshold > 0.6
    assert with_reliability(many, 99, 0).threshold == pytest.approx(0.6)
    assert with_reliability(plain, 10, 5).threshold < 0.6
    assert with_reliability(signature({1: 1.0}, threshold=0.9999), 10**9, 0).threshold == calibrate.HIGHEST


def test_no_night_lowers_a_threshold() -> None:
    old = with_reliability(signature({1: 1.0}, threshold=0.7, similarity=0.5, typical_similarity=0.2), 50, 0)
    lower = with_reliability(
        signature({1: 1.0}, threshold=0.6, similarity=0.4, typical_similarity=0.1), 500, 4
    )
    kept = stricter(old, lower)
    assert (kept.requests_seen, kept.unsynchronised, kept.similarity, kept.typical_similarity) == (
        500,
        4,
        0.5,
        0.2,
    )
    base = match_score.shifted(np.array([kept.threshold]), np.array([-match_score.reliability(500, 4)]))[0]
    assert base == pytest.approx(0.7)
    higher = with_reliability(
        signature({1: 1.0}, threshold=0.8, similarity=0.6, typical_similarity=0.3), 50, 0
    )
    raised = stricter(old, higher)
    assert raised.threshold == pytest.approx(higher.threshold)
    assert (raised.similarity, raised.typical_similarity) == (0.6, 0.3)
    never = with_reliability(signature({1: 1.0}, threshold=0.7), 50, 0)
    assert stricter(never, lower).similarity == 0.4


def test_a_system_prompt_alone_never_reaches_a_threshold_and_a_few_words_more_do() -> None:
    for count in (8, 120, 3_000):
        weights = np.ones(count + 20, np.float32)
        system = np.arange(len(weights)) < count
        lighter = calibrate.without_system_prompts(weights, system)
        total = np.asarray(lighter.sum(), np.float32)
        alone = match_score.score_of(lighter[system].sum(keepdims=True), total)
        assert alone[0] < match_score.FLOOR
        assert match_score.from_known_sender(alone)[0] >= match_score.FLOOR
        assert match_score.score_of(lighter[: count + 3].sum(keepdims=True), total)[0] >= match_score.FLOOR
        assert match_score.score_of(lighter[~system].sum(keepdims=True), total)[0] >= match_score.FLOOR
        assert np.array_equal(lighter[~system], weights[~system])
    short = np.ones(25, np.float32)
    assert np.array_equal(calibrate.without_system_prompts(short, np.arange(25) < 2), short)
