from __future__ import annotations

from datetime import date
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse

from fingerprint.evidence.history import History, past
from fingerprint.evidence.null_models import Trait
from fingerprint.evidence.pool_statistics import Traits, traits

DAY = 86_400.0
REQUESTS, ACCOUNTS = 20_000, 1500
TRAITS = [name for name in Traits.__slots__ if name not in ("customer", "company", "circle", "uneven")]


def zipf(random: np.random.Generator, count: int) -> np.ndarray:
    share = 1 / np.arange(1, ACCOUNTS + 1)
    return random.choice(ACCOUNTS, count, p=share / share.sum()).astype(np.int32)


def measure(
    account: np.ndarray,
    second: np.ndarray,
    families: list[np.ndarray],
    *,
    prompt: np.ndarray | None = None,
    metadata: list[str | None] | None = None,
    history: History | None = None,
) -> Traits:
    r = len(account)
    indptr = np.concatenate([[0], np.cumsum([len(f) for f in families])])
    indices = np.concatenate([*(np.sort(f) for f in families), np.empty(0, dtype=np.int64)])
    rows = sparse.csr_matrix((np.ones(len(indices), np.float32), indices, indptr), shape=(len(families), r))
    texts = pa.chunked_array([pa.array(metadata or [None] * r, pa.large_string())])
    own = np.arange(r, dtype=np.int32) if prompt is None else prompt
    return traits(rows, account.astype(np.int32), second, prompt=own, metadata=texts, history=history)


def with_pool(
    random: np.random.Generator, pool: np.ndarray, *others: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Families sent by these accounts, then other traffic of everybody; times at random."""
    sent = [pool, *others]
    account = np.concatenate([*sent, zipf(random, REQUESTS)])
    ends = np.cumsum([0, *(len(s) for s in sent)])
    families = [np.arange(a, b) for a, b in pairwise(ends)]
    return account, random.uniform(0, DAY, len(account)), families


@pytest.mark.parametrize("size", [10, 40, 200])
def test_random_senders_are_no_evidence(size: int) -> None:
    random = np.random.default_rng(size)
    account, second = zipf(random, REQUESTS), random.uniform(0, DAY, REQUESTS)
    found = measure(account, second, [random.choice(REQUESTS, size, replace=False) for _ in range(200)])
    for name in TRAITS:
        evidence = getattr(found, name).evidence
        assert (evidence > 2).mean() <= 0.05, name
        assert np.isfinite(evidence).all(), name
    if size >= 40:
        assert np.median(found.uneven.evidence) > 1  # Zipf's law is no dealer


def test_a_pool_that_sends_little_else_is_concentrated() -> None:
    random = np.random.default_rng(1)
    found = measure(*with_pool(random, random.integers(1000, 1020, 400))).concentration
    assert found.value[0] > 0.5 > 2 * found.expected[0]
    assert found.evidence[0] > 10


def test_equal_loads_of_unequal_accounts_are_even() -> None:
    random = np.random.default_rng(2)
    pool = np.unique(np.geomspace(1, 1400, 30).astype(int))
    found = measure(*with_pool(random, np.repeat(pool, 8), zipf(random, 240))).evenness
    assert found.value[0] < 0.1 < 2 < found.expected[0]
    assert found.evidence[0] > 10
    assert found.evidence[1] < 1


def test_accounts_of_one_size_are_alike() -> None:
    random = np.random.default_rng(3)
    found = measure(*with_pool(random, np.repeat(np.arange(700, 760), 3), zipf(random, 180))).alike
    assert found.value[0] < found.expected[0]
    assert found.evidence[0] > 2 > found.evidence[1]


def test_families_of_one_pool_overlap_and_share_its_circle() -> None:
    random = np.random.default_rng(4)
    pool = random.choice(np.arange(500, 1500), 40, replace=False)
    small, large = np.repeat(pool[:6], 2), np.repeat(pool, 2)
    found = measure(*with_pool(random, small, large, zipf(random, 80)))
    assert found.overlap.value[:2].tolist() == [6, 6]
    assert (found.overlap.evidence[:2] > 4).all()
    assert found.overlap.evidence[2] < 1
    assert found.circle[:2].tolist() == [40, 40]


def test_round_the_clock_differs_from_people() -> None:
    random = np.random.default_rng(5)
    account, second, families = with_pool(random, zipf(random, 300), zipf(random, 300))
    second[300:] = np.clip(random.normal(14, 3, len(second) - 300), 0, 23.9) * 3600
    found = measure(account, second, families).clock
    assert found.value[0] > found.expected[0] + 0.3
    assert found.evidence[0] > 5
    assert found.evidence[1] < 2


def test_even_pacing_is_regular_and_bursts_are_not() -> None:
    random = np.random.default_rng(6)
    account, second, families = with_pool(random, *(zipf(random, 200) for _ in range(3)))
    second[:200] = np.linspace(0, DAY, 200)
    second[200:400] = random.uniform(30_000, 31_000, 200)
    found = measure(account, second, families).regularity
    assert found.value[0] < 0.7 < 5 < found.value[1]
    assert found.evidence[0] > 3
    assert (found.evidence[1:] < 2).all()


def test_members_that_come_back_are_beyond_chance() -> None:
    random = np.random.default_rng(7)
    pool = np.repeat(np.arange(900, 920), 3)
    account, second, families = with_pool(random, pool, zipf(random, 60))
    members = np.zeros((2, account.max() + 1))
    members[0, 900:915] = 2
    members[1, 900:915] = 2
    earlier = History(sparse.csr_matrix(members), np.array([30.0, 30.0]), float(REQUESTS))
    found = measure(account, second, families, history=earlier)
    assert found.returning.value[0] == 15
    assert found.returning.evidence[0] > 5
    assert found.returning.evidence[1] < 1
    np.testing.assert_allclose(found.growth.expected, 30, rtol=0.02)
    assert found.growth.evidence[0] > 2


def test_history_knows_only_tonights_accounts_and_all_requests() -> None:
    spread = pa.table(
        {
            "family_id": pa.array(["a", "a", "b", "gone"], pa.large_string()),
            "account_id": pa.array(["x", "left", "y", "x"], pa.large_string()),
            "requests": pa.array([3, 4, 5, 6], pa.int64()),
            "first_day": pa.array([date(2026, 3, 2)] * 4),
        }
    )
    sent = pa.table(
        {
            "account_id": pa.array(["x", "y", "left"], pa.large_string()),
            "requests": pa.array([9, 5, 4], pa.int64()),
            "last_day": pa.array([date(2026, 3, 2)] * 3),
        }
    )
    found = past(spread, sent, ["b", "a", "new"], pa.array(["y", "x"], pa.large_string()))
    assert found.members.toarray().tolist() == [[5, 0], [0, 3], [0, 0]]
    assert found.requests.tolist() == [5, 7, 0]
    assert found.whole == 18
    assert found.comings is not None
    assert found.comings.silent.tolist() == [0, 1]
    nothing = past(spread.slice(0, 0), sent.slice(0, 0), ["a"], pa.array(["x"], pa.large_string()))
    assert nothing.members.nnz == 0
    assert nothing.comings is None


def test_prompts_that_many_accounts_send_are_copied() -> None:
    random = np.random.default_rng(8)
    account, second, families = with_pool(random, np.arange(100), np.arange(100))
    prompt = np.arange(len(account), dtype=np.int32)
    prompt[:100] = 0
    found = measure(account, second, families, prompt=prompt).copied
    assert found.value.tolist() == [1, 0]
    assert found.evidence[0] > 10
    assert found.evidence[1] < 1


def test_metadata_tells_one_customer() -> None:
    random = np.random.default_rng(9)
    account, second, families = with_pool(random, np.repeat(np.arange(900, 906), 5))
    shared: list[str | None] = [f'{{"payment_hash": "{"one" if 900 <= a < 906 else a}"}}' for a in account]
    found = measure(account, second, families, metadata=shared)
    assert found.customer[0] == 1
    assert found.payment.value[0] == 15
    assert found.payment.evidence[0] > 5
    assert np.isnan(found.address.value[0])


@pytest.mark.parametrize("requests", [0, 1, 7])
def test_next_to_nothing(requests: int) -> None:
    account, second = np.zeros(requests, dtype=np.int32), np.arange(requests, dtype=np.float64)
    for families in ([], [np.empty(0, dtype=np.int64)], [np.arange(requests)] * 2):
        found = measure(account, second, families)
        for name in TRAITS:
            trait: Trait = getattr(found, name)
            assert trait.evidence.shape == (len(families),)
            assert np.isfinite(trait.evidence).all(), name
