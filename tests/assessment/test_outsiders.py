from __future__ import annotations

import numpy as np
from scipy import sparse
from support.observed import observed

from fingerprint.assessment.outsiders import MIN_OUTSIDERS, insiders, without
from fingerprint.evidence.filling_sample import FillingSample

CAMPAIGN = 30


def pools(*accounts: range) -> sparse.csr_matrix:
    """(f, a) CSR, two requests of each of these accounts."""
    dense = np.zeros((len(accounts), 200))
    for family, senders in enumerate(accounts):
        dense[family, list(senders)] = 2
    return sparse.csr_matrix(dense)


def left_out(*accounts: range, flagged: list[bool] | None = None) -> list[list[int]]:
    pool = pools(*accounts)
    chosen = insiders(pool, np.array(flagged or [True] * len(accounts)))
    return [sorted(chosen[f].indices.tolist()) for f in range(len(accounts))]


def test_a_campaigns_accounts_are_left_out_of_a_larger_pool_that_sends_the_same() -> None:
    assert left_out(range(CAMPAIGN), range(90)) == [[], list(range(CAMPAIGN))]
    # and those of two campaigns
    assert left_out(range(20), range(70, 90), range(90)) == [[], [], [*range(20), *range(70, 90)]]


def test_templates_of_one_pool_are_judged_as_they_are() -> None:
    assert left_out(range(CAMPAIGN), range(CAMPAIGN)) == [[], []]
    assert left_out(range(CAMPAIGN), range(5, CAMPAIGN + 10)) == [[], []]


def test_few_others_are_not_judged_by_themselves() -> None:
    assert left_out(range(CAMPAIGN), range(CAMPAIGN + MIN_OUTSIDERS - 1)) == [[], []]
    assert left_out(range(CAMPAIGN), range(CAMPAIGN + MIN_OUTSIDERS)) == [[], list(range(CAMPAIGN))]


def test_only_a_flagged_pool_is_a_campaigns() -> None:
    assert left_out(range(CAMPAIGN), range(90), flagged=[False, True]) == [[], []]


def test_what_is_seen_without_them_is_what_the_others_sent() -> None:
    random = np.random.default_rng(0)
    own, both = np.repeat(np.arange(CAMPAIGN), 3), np.repeat(np.arange(90), 2)
    account = np.concatenate([own, both, random.integers(90, 200, 500)])
    families = [np.arange(len(own)), len(own) + np.arange(len(both))]
    request = np.concatenate(families)
    sample = FillingSample(
        np.repeat([0, 1], [len(own), len(both)]),
        request,
        np.full(len(request), 9, dtype=np.int32),
        random.normal(size=(len(request), 4)).astype(np.float32),
        common=request / 1_000,
    )
    data = observed(account, random.uniform(0, 86_400, len(account)), families, sample=sample)
    assert data.accounts.tolist() == [CAMPAIGN, 90]
    seen = without(data, insiders(data.pool, np.ones(2, dtype=np.bool_)))
    assert seen.accounts.tolist() == [CAMPAIGN, 90 - CAMPAIGN]
    assert seen.requests.tolist() == [3 * CAMPAIGN, 2 * (90 - CAMPAIGN)]
    assert seen.behaviour.requests.tolist() == seen.requests.tolist()
    assert seen.sample is not None
    assert set(account[seen.sample.request[seen.sample.family == 1]]) == set(range(CAMPAIGN, 90))
    assert (seen.sample.family == 0).sum() == len(own)
    assert seen.sample.common is not None
    assert np.array_equal(seen.sample.common, seen.sample.request / 1_000)
    assert data.accounts.tolist() == [CAMPAIGN, 90]
