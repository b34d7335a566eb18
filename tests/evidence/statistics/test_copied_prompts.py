from __future__ import annotations

import numpy as np
import pytest
from support.observed import observed, with_pool

from fingerprint.evidence.filling_sample import UNREAD, FillingSample
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


@pytest.mark.parametrize(("twice", "known"), [(20, False), (90, True)])
def test_the_same_date_in_two_prompts_is_not_copied_unless_most_are(twice: int, known: bool) -> None:
    random = np.random.default_rng(9)
    account, second, families = with_pool(random, np.arange(100), np.arange(100))
    prompt = np.arange(len(account), dtype=np.int32)
    prompt[:twice] //= 2
    sample = FillingSample(
        np.zeros(100, np.int64),
        np.arange(100),
        np.full(100, UNREAD, np.int32),
        np.zeros((100, 4), np.float32),
    )
    trait = copied(observed(account, second, families, prompt=prompt, sample=sample))
    assert (trait.evidence[0] > 3) == known
    assert np.isnan(trait.value[0]) != known
    worded = FillingSample(sample.family, sample.request, np.full(100, 5, np.int32), sample.vectors)
    assert copied(observed(account, second, families, prompt=prompt, sample=worded)).evidence[0] > 3
