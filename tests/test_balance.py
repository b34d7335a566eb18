from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from fingerprint.balance import balance
from fingerprint.columns import Trait


def measure(loads: np.ndarray, related: list[tuple[int, int]] | None = None) -> Trait:
    f = len(loads)
    graph = np.zeros((f, f))
    for a, b in related or []:
        graph[a, b] = graph[b, a] = 1
    return balance(sparse.csr_matrix(loads.astype(np.float64)), sparse.csr_matrix(graph))


def dealt(random: np.random.Generator, accounts: int, each: float, families: int = 1) -> np.ndarray:
    return random.poisson(each, (families, accounts))


def used(random: np.random.Generator, accounts: int, each: float, families: int, spread: float) -> np.ndarray:
    """Loads of people: gamma rates with this coefficient of variation."""
    shape = spread**-2
    return random.poisson(random.gamma(shape, each / shape, (families, accounts)))


@pytest.mark.parametrize("spread", [0.7, 1.0, 1.5])
@pytest.mark.parametrize(("accounts", "each"), [(10, 2.0), (30, 4.0), (200, 3.0)])
def test_what_people_use_is_hardly_ever_balanced(accounts: int, each: float, spread: float) -> None:
    found = measure(used(np.random.default_rng(accounts), accounts, each, 2000, spread))
    for evidence in (1, 2, 3):
        assert (found.evidence > evidence).mean() <= 10.0**-evidence + 0.001


def test_dealt_loads_are_balanced_the_more_accounts_the_clearer() -> None:
    random = np.random.default_rng(1)
    few, many = (measure(dealt(random, accounts, 5.0, 50)) for accounts in (12, 120))
    assert np.median(few.evidence) > 0.5
    assert np.median(many.evidence) > 8
    np.testing.assert_allclose(many.value.mean(), 1, atol=0.1)
    assert measure(np.full((1, 20), 6)).value[0] == 0


def test_families_of_one_pool_are_looked_at_together() -> None:
    random = np.random.default_rng(2)
    loads = dealt(random, 20, 2.0, 6)
    alone = measure(loads)
    whole = measure(loads, [(a, b) for a in range(6) for b in range(a)])
    assert np.median(whole.evidence) > np.median(alone.evidence) + 1


def test_few_accounts_say_nothing() -> None:
    found = measure(np.array([[3, 3, 3, 3, 0, 0], [0, 0, 0, 0, 0, 0]]))
    assert np.isnan(found.value).all()
    assert found.evidence.tolist() == [0, 0]
