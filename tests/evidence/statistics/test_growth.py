from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from support.observed import REQUESTS, observed, with_pool, zipf

from fingerprint.evidence.history import History
from fingerprint.evidence.statistics.growth import growth


def test_more_requests_than_the_earlier_share_are_growth() -> None:
    random = np.random.default_rng(7)
    account, second, families = with_pool(random, np.repeat(np.arange(900, 920), 3), zipf(random, 60))
    nobody = sparse.csr_matrix((2, account.max() + 1))
    earlier = History(nobody, np.array([30.0, 0.0]), float(REQUESTS))
    trait = growth(observed(account, second, families, history=earlier))
    assert trait.value[0] == 60
    assert trait.expected[0] == pytest.approx(30, rel=0.02)
    assert trait.evidence[0] > 2
    # a family that no earlier night has seen is not known to grow
    assert np.isnan(trait.value[1])
    assert trait.evidence[1] == 0
