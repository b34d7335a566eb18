from __future__ import annotations

import numpy as np
import pytest
from support.observed import observed

from fingerprint.evidence.null_models import Trait, unknown_trait
from fingerprint.evidence.observations import Observations, once


@pytest.fixture
def data() -> Observations:
    """Three accounts; the first two send a family."""
    account = np.array([0, 0, 1, 1, 2, 2, 2, 0])
    return observed(account, np.arange(8.0)[::-1], [np.array([0, 2, 7]), np.empty(0, dtype=np.int64)])


def test_a_pool_is_requests_by_account(data: Observations) -> None:
    assert data.families == 2
    assert data.pool.toarray().tolist() == [[2, 1, 0], [0, 0, 0]]
    assert data.requests.tolist() == [3, 0]
    assert data.accounts.tolist() == [2, 0]
    assert data.volume.tolist() == [3, 2, 3]


def test_chance_gives_each_account_its_share_of_the_other_traffic(data: Observations) -> None:
    # of five other requests, and half a request for each account, accounts 0 and 1 sent one each
    np.testing.assert_allclose(data.expected_loads, [3 * 1.5 / 6.5, 3 * 1.5 / 6.5])


def test_ranks_follow_time(data: Observations) -> None:
    assert data.ranks.place.tolist() == [7, 6, 5, 4, 3, 2, 1, 0]


def test_what_statistics_share_is_computed_once_for_each_observations(data: Observations) -> None:
    calls = []

    @once
    def shared(found: Observations) -> Trait:
        calls.append(found)
        return unknown_trait(found.families)

    other = observed(np.zeros(1), np.zeros(1), [])
    assert shared(data) is shared(data)
    assert shared(other).value.shape == (0,)
    assert calls == [data, other]
