from __future__ import annotations

import numpy as np
from scipy import sparse
from support.observed import REQUESTS, observed, with_pool, zipf

from fingerprint.evidence.history import History
from fingerprint.evidence.statistics.returning import returning


def test_members_that_come_back_are_beyond_chance() -> None:
    random = np.random.default_rng(7)
    account, second, families = with_pool(random, np.repeat(np.arange(900, 920), 3), zipf(random, 60))
    members = np.zeros((2, account.max() + 1))
    members[:, 900:915] = 2
    earlier = History(sparse.csr_matrix(members), np.array([30.0, 30.0]), float(REQUESTS))
    trait = returning(observed(account, second, families, history=earlier))
    assert trait.value[0] == 15
    assert trait.evidence[0] > 5
    assert trait.evidence[1] < 1
