from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from fingerprint.evidence.pools import pool_groups, sent_by_active_pools

ACCOUNTS = 1_000


def sent(*pools: range | list[int]) -> sparse.csr_matrix:
    """Families, each sent once by every account of its pool."""
    rows = np.repeat(np.arange(len(pools)), [len(p) for p in pools])
    columns = np.concatenate([np.asarray(p, dtype=np.int64) for p in pools])
    return sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(pools), ACCOUNTS))


def found(matrix: sparse.csr_matrix, *together: int, volume: np.ndarray | None = None) -> list[int]:
    seeds = np.zeros(matrix.shape[0], dtype=np.bool_)
    seeds[list(together)] = True
    return np.flatnonzero(
        sent_by_active_pools(matrix, seeds, np.full(ACCOUNTS, 20.0) if volume is None else volume)
    ).tolist()


def test_pools_that_overlap_by_chance_are_not_one() -> None:
    group = pool_groups(sent(range(40), range(20, 60), range(500, 540), range(530, 600)), ACCOUNTS)
    # 10 of 40 are shared far beyond chance, but are a quarter of the smaller pool
    assert group[0] == group[1]
    assert len({*group[1:].tolist()}) == 3


def test_large_pools_overlap_anyway() -> None:
    group = pool_groups(sent(range(700), range(200, 900)), ACCOUNTS)
    assert group[0] != group[1]


def test_a_small_family_of_a_pool_that_acts_together_is_its_kin() -> None:
    matrix = sent(range(30), range(8), [0, 1, 2, *range(500, 508)], range(600, 630))
    assert found(matrix, 0) == [0, 1]
    assert found(matrix, 3) == [3]
    assert found(matrix) == []


def test_pools_of_several_templates_are_joined() -> None:
    # either template alone was sent by too few of the accounts that send the third
    matrix = sent(range(20), range(10, 30), [*range(5), *range(25, 30)])
    assert found(matrix, 0, 1) == [0, 1, 2]
    assert 2 not in found(matrix, 0)


def test_a_pool_of_few_says_nothing() -> None:
    assert found(sent(range(4), range(4)), 0) == []


@pytest.mark.parametrize(("others", "expected"), [(20.0, [0, 1]), (20_000.0, [])])
def test_accounts_that_send_much_else_are_met_by_chance(others: float, expected: list[int]) -> None:
    volume = np.full(ACCOUNTS, 20.0)
    volume[:30] = others
    assert found(sent(range(30), range(8)), 0, volume=volume) == expected
