from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from support.observed import observed, with_pool

from fingerprint.evidence.null_models import Trait
from fingerprint.evidence.statistics.load_balance import balance, balance_traits


def measure(loads: np.ndarray, related: list[tuple[int, int]] | None = None) -> tuple[Trait, Trait]:
    """Families of these loads by account; those related have the same accounts."""
    f = len(loads)
    volume = np.geomspace(1, 1000, loads.shape[1]) + loads.sum(axis=0)
    graph = np.zeros((f, f))
    for a, b in related or []:
        graph[a, b] = graph[b, a] = 1
    return balance_traits(sparse.csr_matrix(loads.astype(np.float64)), sparse.csr_matrix(graph), volume)


def dealt(random: np.random.Generator, accounts: int, each: float, families: int = 1) -> np.ndarray:
    return random.poisson(each, (families, accounts))


def used(random: np.random.Generator, accounts: int, each: float, families: int, spread: float) -> np.ndarray:
    """Loads of people: gamma rates with this coefficient of variation."""
    shape = spread**-2
    return random.poisson(random.gamma(shape, each / shape, (families, accounts)))


def twice(loads: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Put beside each family another, of the same accounts on other nights, that adds nothing tonight."""
    f = len(loads)
    return np.concatenate([loads, np.zeros_like(loads)]), [(a, a + f) for a in range(f)]


@pytest.mark.parametrize("spread", [0.7, 1.0, 1.5])
@pytest.mark.parametrize(("accounts", "each"), [(10, 3.0), (30, 4.0), (200, 3.0)])
def test_what_people_use_is_uneven_and_hardly_ever_balanced(
    accounts: int, each: float, spread: float
) -> None:
    loads = used(np.random.default_rng(accounts), accounts, each, 1000, spread)
    even, _ = measure(*twice(loads))
    for evidence in (1, 2, 3):
        assert (even.evidence[:1000] > evidence).mean() <= 10.0**-evidence + 0.002
    _, uneven = measure(loads)
    assert np.median(uneven.evidence) > (0 if accounts < 30 else 0.5)


def test_dealt_loads_are_balanced_the_more_accounts_the_clearer() -> None:
    random = np.random.default_rng(1)
    few, many = (measure(*twice(dealt(random, accounts, 5.0, 50)))[0] for accounts in (12, 120))
    assert np.median(few.evidence[:50]) > 0.5
    assert np.median(many.evidence[:50]) > 8
    np.testing.assert_allclose(measure(dealt(random, 120, 9.0, 50))[1].value.mean(), 1, atol=0.1)


def test_even_loads_of_a_single_template_say_nothing_either_way() -> None:
    even, uneven = measure(dealt(np.random.default_rng(2), 60, 5.0, 50))
    assert np.isnan(even.value).all()
    assert even.evidence.tolist() == [0] * 50
    assert (uneven.evidence > 1).mean() <= 0.05


def test_even_loads_of_accounts_that_send_evenly_anyway_are_no_evidence() -> None:
    loads, related = twice(dealt(np.random.default_rng(3), 60, 5.0))
    graph = sparse.csr_matrix(([1.0], ([a for a, _ in related], [b for _, b in related])), shape=(2, 2))
    pool = sparse.csr_matrix(loads.astype(np.float64))
    assert balance_traits(pool, graph, np.full(60, 100.0))[0].evidence[0] < 1.5
    assert balance_traits(pool, graph, np.geomspace(20, 1000, 60))[0].evidence[0] > 3


def test_families_of_one_pool_are_looked_at_together() -> None:
    random = np.random.default_rng(2)
    loads = dealt(random, 20, 2.0, 6)
    alone, _ = measure(loads, [(0, 1), (2, 3), (4, 5)])
    whole, _ = measure(loads, [(a, b) for a in range(6) for b in range(a)])
    assert np.median(whole.evidence) > np.median(alone.evidence) + 1


def test_few_accounts_say_nothing() -> None:
    for found in measure(np.array([[3, 3, 3, 3, 0, 0], [0, 0, 0, 0, 0, 0]]), [(0, 1)]):
        assert np.isnan(found.value).all()
        assert found.evidence.tolist() == [0, 0]


def test_people_who_share_a_subject_are_no_pool_however_evenly_they_send() -> None:
    pool = np.repeat(np.arange(900, 940), 6)
    account, second, families = with_pool(np.random.default_rng(4), pool, pool)
    data = observed(account, second, families, shares_text=np.array([True, False]))
    trait = balance(data)
    assert trait.evidence[0] > 3
    assert trait.evidence[1] == 0
    assert np.isfinite(trait.value).all()
