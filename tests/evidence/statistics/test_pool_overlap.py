from __future__ import annotations

import numpy as np
from support.observed import observed, with_pool, zipf

from fingerprint.evidence.statistics.pool_overlap import overlap, pool_overlaps


def test_families_of_one_pool_overlap_and_share_its_accounts() -> None:
    random = np.random.default_rng(4)
    pool = random.choice(np.arange(500, 1500), 40, replace=False)
    small, large = np.repeat(pool[:6], 2), np.repeat(pool, 2)
    data = observed(*with_pool(random, small, large, zipf(random, 80)))
    trait = overlap(data)
    assert trait.value[:2].tolist() == [6, 6]
    # six of forty accounts say nothing of the others
    assert trait.evidence[0] > 4
    assert trait.evidence[1] == 0
    assert trait.evidence[2] < 1
    assert pool_overlaps(data).wider_accounts[:2].tolist() == [40, 40]
    # six of forty accounts do not make the large family part of the small one
    assert pool_overlaps(data).related.toarray().tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
