from __future__ import annotations

import numpy as np
import pytest
from support.observed import observed, with_pool, zipf

from fingerprint.evidence.statistics.synchrony import synchrony


def test_accounts_that_send_in_the_same_minutes_are_synchronous() -> None:
    random = np.random.default_rng(3)
    account, second, families = with_pool(random, zipf(random, 100), zipf(random, 100))
    second[:100] = random.choice([20_000, 50_000], 100) + random.uniform(0, 60, 100)
    trait = synchrony(observed(account, second, families))
    assert trait.value[0] > 5 * trait.expected[0]
    assert trait.evidence[0] > 6
    assert trait.evidence[1] < 2


def test_pairs_hardly_more_than_chance_gives_are_none() -> None:
    random = np.random.default_rng(4)
    account, second, families = with_pool(random, zipf(random, 2000))
    # a tenth of the requests in one hour more than else
    second[:200] = random.uniform(40_000, 43_600, 200)
    assert synchrony(observed(account, second, families)).evidence.tolist() == [0]


@pytest.mark.parametrize("seed", [3, 6, 8])
def test_some_accounts_in_step_make_no_pool_of_those_who_send_the_same(seed: int) -> None:
    random = np.random.default_rng(seed)
    people = np.repeat(np.arange(60), 6)
    bots = np.repeat(np.arange(100, 120), 10)
    bursts = np.tile(np.arange(10) * 8_000.0, 20) + random.uniform(0, 60, 200)
    others = random.integers(200, 900, 4_000)
    account = np.concatenate([people, bots, others])
    second = np.concatenate([random.uniform(0, 86_400, 360), bursts, random.uniform(0, 86_400, 4_000)])
    both, alone = np.arange(560), np.arange(360, 560)
    trait = synchrony(observed(account, second, [both, alone]))
    assert trait.evidence[0] == 0
    assert trait.evidence[1] > 10


def test_what_comes_to_all_at_once_is_asked_at_once() -> None:
    random = np.random.default_rng(5)
    account, second, families = with_pool(random, np.tile(np.arange(20), 10))
    second[:200] = np.repeat(np.arange(10) * 8_000.0, 20) + random.uniform(0, 60, 200)
    prompt = np.arange(len(account), dtype=np.int32)
    assert synchrony(observed(account, second, families, prompt=prompt)).evidence[0] > 10
    prompt[:200] = np.repeat(np.arange(10), 20)
    assert synchrony(observed(account, second, families, prompt=prompt)).evidence[0] == 0
