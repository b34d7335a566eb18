from __future__ import annotations

import numpy as np
from support.observed import observed, with_pool

from fingerprint.evidence.statistics.copied_prompts import copied


def test_prompts_that_many_accounts_send_are_copied() -> None:
    random = np.random.default_rng(8)
    account, second, families = with_pool(random, np.arange(100), np.arange(100))
    prompt = np.arange(len(account), dtype=np.int32)
    prompt[:100] = 0
    trait = copied(observed(account, second, families, prompt=prompt))
    assert trait.value.tolist() == [1, 0]
    assert trait.evidence[0] > 10
    assert trait.evidence[1] < 1
