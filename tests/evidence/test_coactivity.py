from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from support.observed import DAY, rows_of

from fingerprint.base.stats import q_values
from fingerprint.evidence.coactivity import (
    WINDOWS_SECONDS,
    Behaviour,
    behaviour,
    time_ranks,
    unsynchronised,
)


def daily_rhythm(random: np.random.Generator, count: int) -> np.ndarray:
    """Times over one day, most of them in working hours."""
    hour = np.concatenate([random.normal(14, 3, count - count // 4), random.uniform(0, 24, count // 4)])
    return random.permutation(np.clip(hour, 0, 23.99)) * 3600


def zipf_accounts(random: np.random.Generator, count: int, accounts: int) -> np.ndarray:
    share = 1 / np.arange(1, accounts + 1)
    return random.choice(accounts, count, p=share / share.sum()).astype(np.int32)


@pytest.mark.parametrize("size", [2, 8, 30, 200])
def test_p_values_of_random_senders_at_random_times_are_not_too_small(size: int) -> None:
    random = np.random.default_rng(size)
    requests, families = 20_000, 300
    account, second = zipf_accounts(random, requests, 1500), daily_rhythm(random, requests)
    act = behaviour(
        rows_of([random.choice(requests, size, replace=False) for _ in range(families)], requests),
        account,
        second,
    )
    for p in (act.p_pool, act.p_synchrony, act.p_value):
        assert (p < 0.01).mean() <= 0.02
        assert (p < 0.1).mean() <= 0.14
        assert ((p >= 0) & (p <= 1)).all()
    assert not (q_values(act.p_value) <= 0.01).any()
    assert act.expected_accounts.mean() == pytest.approx(act.accounts.mean(), rel=0.05)


def planted(
    random: np.random.Generator, requests: int, pool: int, bursts: int
) -> tuple[np.ndarray, np.ndarray]:
    """Accounts 0 to pool - 1 send together in a few bursts."""
    starts = random.uniform(0, DAY - 300, bursts)
    return (
        random.integers(0, pool, requests).astype(np.int32),
        random.choice(starts, requests) + random.uniform(0, 60, requests),
    )


def among_others(
    account: np.ndarray, second: np.ndarray, *, seed: int = 0, others: int = 20_000
) -> tuple[np.ndarray, np.ndarray, sparse.csr_matrix]:
    """One family's requests, followed by other traffic of the same and of 1,500 other accounts."""
    random = np.random.default_rng(seed)
    everybody = zipf_accounts(random, others, 1500)
    when = daily_rhythm(random, others)
    rows = rows_of([np.arange(len(account))], len(account) + others)
    return np.concatenate([account, everybody]).astype(np.int32), np.concatenate([second, when]), rows


def of_one(account: np.ndarray, second: np.ndarray) -> Behaviour:
    who, when, rows = among_others(account, second)
    return behaviour(rows, who, when)


def test_some_families_tested_anew_take_the_place_of_what_was_known() -> None:
    random = np.random.default_rng(2)
    account, second = planted(random, 90, pool=12, bursts=3)
    who, when, _ = among_others(account, second)
    before = rows_of([np.arange(60), np.arange(90, 140)], len(who))
    after = rows_of([np.arange(30, 90), np.arange(90, 140)], len(who))
    changed = np.array([0])

    mixed = behaviour(before, who, when).replaced(changed, behaviour(after[changed], who, when))

    for field in fields(Behaviour):
        np.testing.assert_array_equal(
            getattr(mixed, field.name), getattr(behaviour(after, who, when), field.name)
        )


def test_a_pool_that_acts_together_stands_out() -> None:
    random = np.random.default_rng(1)
    account, second = planted(random, 100, pool=20, bursts=4)
    act = of_one(account + 1000, second)
    assert act.p_pool[0] < 1e-6
    assert act.p_synchrony[0] < 1e-6
    assert act.p_value[0] < 1e-10
    assert act.pairs[0] > 5 * act.expected_pairs[0]
    assert act.accounts[0] == 20 < 0.5 * act.expected_accounts[0]


def test_synchrony_alone_stands_out() -> None:
    random = np.random.default_rng(2)
    _, second = planted(random, 100, pool=20, bursts=4)
    act = of_one(zipf_accounts(random, 100, 1500), second)
    assert act.p_synchrony[0] < 1e-6
    assert act.p_pool[0] > 0.01


def test_a_small_pool_alone_stands_out() -> None:
    random = np.random.default_rng(3)
    act = of_one((random.integers(0, 10, 100) + 1200).astype(np.int32), daily_rhythm(random, 100))
    assert act.p_pool[0] < 1e-6
    assert act.p_synchrony[0] > 0.01


def test_one_accounts_own_burst_is_no_synchrony() -> None:
    act = of_one(np.full(100, 1400, dtype=np.int32), np.linspace(40_000, 40_100, 100))
    assert act.pairs[0] == 0
    assert act.p_synchrony[0] == 1


def test_each_accounts_own_burst_is_no_synchrony() -> None:
    random = np.random.default_rng(4)
    who = np.repeat(np.arange(20, dtype=np.int32), 10)
    start = daily_rhythm(random, 20)
    act = of_one(who + 1000, np.repeat(start, 10) + random.uniform(0, 60, 200))
    assert act.p_synchrony[0] > 1e-3


def test_pairs_are_those_of_a_plain_loop() -> None:
    random = np.random.default_rng(5)
    r = 400
    account, second = random.integers(0, 9, r).astype(np.int32), random.uniform(0, 3600, r)
    member = random.choice(r, 60, replace=False)
    act = behaviour(rows_of([member], r), account, second)
    before = (np.delete(second, member) < second[member][:, None]).sum(axis=1)
    order = np.argsort(second[member])
    within = np.zeros(60)
    for others in np.unique(before):
        mine = order[before[order] == others]
        within[mine] = (np.arange(len(mine)) + 0.5) / len(mine)
    time = (before + within) / (r - 60 + 1)
    distance = np.abs(time[:, None] - time)
    other = account[member][:, None] != account[member]
    duration = second.max() - second.min()
    seen = {
        round(other.sum() * w, 6): ((distance <= w) & other).sum() // 2
        for w in (min(0.05, seconds / duration) for seconds in WINDOWS_SECONDS)
    }
    # the most telling window is the one that is reported
    assert act.pairs[0] == seen[round(act.expected_pairs[0], 6)]


@pytest.mark.parametrize("others", [2000, 800, 400])
def test_a_pool_that_is_up_to_half_of_the_batch_does_not_hide_in_its_own_bursts(others: int) -> None:
    random = np.random.default_rng(12)
    starts = random.uniform(0, DAY, 8)
    when = random.choice(starts, 400) + random.uniform(0, 240, 400)
    who, times, rows = among_others((1000 + np.arange(400) % 60).astype(np.int32), when, others=others)
    assert behaviour(rows, who, times).p_synchrony[0] < 1e-6


@pytest.mark.parametrize("others", [60, 150, 300])
def test_others_who_come_in_bursts_are_no_clock_for_what_is_most_of_a_batch(others: int) -> None:
    random = np.random.default_rng(14)
    when = random.uniform(0, DAY, 700)
    own = random.integers(1000, 1200, 700).astype(np.int32)
    theirs = random.choice(random.uniform(0, DAY, 6), others) + random.uniform(0, 240, others)
    who = np.concatenate([own, random.integers(0, 40, others).astype(np.int32)])
    times = np.concatenate([when, theirs])
    assert behaviour(rows_of([np.arange(700)], 700 + others), who, times).p_synchrony[0] > 1e-3


@pytest.mark.parametrize("others", [3, 50, 400])
def test_what_is_most_of_a_batch_at_random_times_is_no_synchrony(others: int) -> None:
    random = np.random.default_rng(13)
    when = daily_rhythm(random, 600)
    who, times, rows = among_others(random.integers(1000, 1200, 600).astype(np.int32), when, others=others)
    assert behaviour(rows, who, times).p_synchrony[0] > 1e-2


def test_times_that_are_all_the_same_tell_nothing() -> None:
    # a log of whole days, say; in the file a family's requests may stand together
    who, when, rows = among_others(np.arange(60, dtype=np.int32), np.zeros(60), others=2000)
    act = behaviour(rows, who, np.zeros(len(when)))
    assert act.p_synchrony[0] > 0.01


@given(st.lists(st.integers(0, 9), max_size=60), st.booleans())
def test_ranks_are_those_of_times_and_then_of_a_shuffle(seconds: list[int], ordered: bool) -> None:
    times = np.array(sorted(seconds) if ordered else seconds, dtype=np.float64)
    shuffle = np.random.default_rng(0).permutation(len(times))
    ranks = time_ranks(times)
    assert np.argsort(ranks.place).tolist() == np.lexsort((shuffle, times)).tolist()
    assert ranks.duration == (max(seconds) - min(seconds) if seconds else 0)


def test_times_in_whole_minutes_do_not_depend_on_the_order_of_the_file() -> None:
    random = np.random.default_rng(6)
    who, when, rows = among_others(zipf_accounts(random, 80, 1500), daily_rhythm(random, 80), others=5000)
    when = np.floor(when / 1800) * 1800
    assert behaviour(rows, who, when).p_synchrony[0] > 0.01


def test_a_single_request() -> None:
    act = behaviour(rows_of([np.array([0])], 1), np.zeros(1, dtype=np.int32), np.zeros(1))
    assert (act.requests[0], act.accounts[0], act.pairs[0]) == (1, 1, 0)
    assert act.p_value[0] > 0.1


def test_a_family_without_requests() -> None:
    act = behaviour(rows_of([np.empty(0, dtype=np.int64)], 5), np.arange(5, dtype=np.int32), np.arange(5.0))
    assert (act.requests[0], act.accounts[0], act.pairs[0]) == (0, 0, 0)
    assert act.p_value[0] > 0.1


@pytest.mark.parametrize("requests", [0, 7])
def test_no_families(requests: int) -> None:
    act = behaviour(rows_of([], requests), np.zeros(requests, dtype=np.int32), np.zeros(requests))
    assert all(len(getattr(act, name)) == 0 for name in Behaviour.__slots__)


def test_results_do_not_depend_on_the_order_of_families() -> None:
    random = np.random.default_rng(7)
    r = 3000
    account, second = zipf_accounts(random, r, 200), daily_rhythm(random, r)
    families = [random.choice(r, n, replace=False) for n in (5, 50, 500)]
    forth, back = (behaviour(rows_of(f, r), account, second) for f in (families, families[::-1]))
    for name in Behaviour.__slots__:
        np.testing.assert_array_equal(getattr(forth, name), getattr(back, name)[::-1])


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 86_400)), max_size=30), st.integers(1, 4))
def test_unsynchronised_requests_are_those_without_another_accounts_nearby(
    sent: list[tuple[int, float]], step: int
) -> None:
    account = np.array([a for a, _ in sent], dtype=np.int32)
    second = np.array([t for _, t in sent], dtype=np.float64)
    family = np.arange(0, len(sent), step)
    order = np.lexsort((np.random.default_rng(0).permutation(len(second)), second))
    rank = np.argsort(order) / max(len(sent), 1)
    lasts = second.max() - second.min() if len(sent) else 0.0
    window = min(0.05, 600 / lasts) if lasts > 0 else 0.05
    alone = [
        i
        for i in family
        if not any(account[j] != account[i] and abs(rank[j] - rank[i]) <= window for j in family)
    ]
    assert unsynchronised(rows_of([family], len(sent)), account, second).tolist() == [len(alone)]
