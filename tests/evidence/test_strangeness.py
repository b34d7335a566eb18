from __future__ import annotations

import numpy as np
import pytest

from fingerprint.evidence.strangeness import REFERENCE, Prompts, reference_of, surprise

DIMENSION = 32


def around(centre: int, count: int, seed: int, spread: float = 0.5) -> np.ndarray:
    """Unit vectors around one of the axes."""
    rows = np.random.default_rng(seed).normal(size=(count, DIMENSION)) * spread / np.sqrt(DIMENSION)
    rows[:, centre] += 1
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def test_honest_prompts_have_a_mean_of_one_and_strange_ones_more() -> None:
    honest = np.concatenate([around(n % 4, 10, n) for n in range(60)])
    vectors = np.concatenate([honest, around(9, 1, 99)])
    owner = np.append(np.repeat(np.arange(60), 10), 60)
    reference = reference_of(owner, suspected=np.arange(61) == 60)
    found = surprise(Prompts(vectors, owner), reference)
    assert found.shape == (601, 2)
    np.testing.assert_allclose(found[:600].mean(axis=0), 1, atol=0.05)
    assert (found[600] == found.max(axis=0)).all()


def test_an_accounts_own_prompts_do_not_vouch_for_it() -> None:
    alone = around(9, 20, 1, spread=0.1)
    vectors = np.concatenate([alone, *(around(n % 4, 10, n) for n in range(30))])
    owner = np.concatenate([np.zeros(20), np.repeat(np.arange(1, 31), 10)]).astype(np.int64)
    reference = reference_of(owner, suspected=np.zeros(31, dtype=np.bool_))
    assert np.isin(np.arange(20), reference).any()
    found = surprise(Prompts(vectors, owner), reference)
    assert found[:20, 0].min() > np.quantile(found[20:, 0], 0.9)


def test_accounts_that_are_suspected_do_not_vouch_for_each_other() -> None:
    vectors = np.concatenate(
        [*(around(9, 10, 100 + n) for n in range(8)), *(around(n % 4, 10, n) for n in range(40))]
    )
    owner = np.repeat(np.arange(48), 10)
    nobody, eight = np.zeros(48, dtype=np.bool_), np.arange(48) < 8
    trusted = surprise(Prompts(vectors, owner), reference_of(owner, suspected=nobody))
    doubted = surprise(Prompts(vectors, owner), reference_of(owner, suspected=eight))
    assert trusted[:80, 0].mean() < 1.5
    assert doubted[:80, 0].mean() > 4


def test_the_reference_takes_accounts_in_turn() -> None:
    owner = np.concatenate([np.zeros(5000), np.repeat(np.arange(1, 501), 3)]).astype(np.int64)
    suspected = np.arange(501) == 7
    chosen = reference_of(owner, suspected=suspected)
    assert len(chosen) == REFERENCE
    counts = np.bincount(owner[chosen], minlength=501)
    assert counts[7] == 0
    assert (np.delete(counts, [0, 7]) == 3).all()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_small_a_reference_finds_nothing_strange(count: int) -> None:
    vectors = around(0, 5, 1)
    owner = np.arange(5)
    assert not surprise(Prompts(vectors, owner), np.arange(count)).any()


def test_prompts_without_a_vector_are_not_strange() -> None:
    vectors = np.concatenate([around(0, 50, 1), np.zeros((1, DIMENSION), dtype=np.float32)])
    owner = np.arange(51)
    reference = reference_of(owner, suspected=np.zeros(51, dtype=np.bool_))
    assert not surprise(Prompts(vectors, owner), reference)[50].any()
