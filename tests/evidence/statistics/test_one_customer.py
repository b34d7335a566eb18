from __future__ import annotations

import numpy as np
import pytest
from support.observed import observed, with_pool

from fingerprint.evidence.statistics.one_customer import one_customer
from fingerprint.evidence.statistics.shared_metadata import address, payment


def test_metadata_tells_one_customer() -> None:
    random = np.random.default_rng(9)
    account, second, families = with_pool(random, np.repeat(np.arange(900, 906), 5))
    shared: list[str | None] = [f'{{"payment_hash": "{"one" if 900 <= a < 906 else a}"}}' for a in account]
    data = observed(account, second, families, metadata=shared)
    assert one_customer(data).value[0] == 1
    assert one_customer(data).evidence[0] == 1
    assert payment(data).value[0] == 1
    assert payment(data).evidence[0] > 5
    assert np.isnan(address(data).value[0])


@pytest.mark.parametrize(
    ("accounts", "sharing", "fields", "evidence"),
    [
        (9, 8, ("payment_hash",), 1),
        (12, 10, ("payment_hash",), 0),
        (12, 11, ("payment_hash",), 1),
        (400, 400, ("payment_hash",), 1),
        (400, 400, ("ip_prefix",), 0),
        (12, 9, ("payment_hash", "ip_prefix"), 1),
        (49, 35, ("payment_hash", "ip_prefix"), 1),
        (60, 50, ("payment_hash", "ip_prefix"), 0),
    ],
)
def test_a_payer_of_nearly_all_is_one_customer_and_fewer_must_share_more(
    accounts: int, sharing: int, fields: tuple[str, ...], evidence: int
) -> None:
    texts: list[str | None] = [
        "{" + ", ".join(f'"{field}": "{"one" if n < sharing else n}"' for field in fields) + "}"
        for n in range(accounts)
    ]
    data = observed(np.arange(accounts), np.arange(float(accounts)), [np.arange(accounts)], metadata=texts)
    assert one_customer(data).evidence.tolist() == [evidence]


def test_a_few_accounts_that_share_a_payment_say_little_of_a_large_pool() -> None:
    texts: list[str | None] = [f'{{"payment_hash": "{"one" if n < 6 else n}"}}' for n in range(1000)]
    six, sixty = np.arange(6), np.arange(60)
    data = observed(np.arange(1000), np.arange(1000.0), [six, sixty], metadata=texts)
    evidence = payment(data).evidence
    assert evidence[0] > 5
    assert evidence[1] < evidence[0] / 5


def test_one_customer_is_shown_with_the_address_blocks_that_its_accounts_send_from() -> None:
    random = np.random.default_rng(9)
    account, second, families = with_pool(random, np.repeat(np.arange(900, 920), 4))
    hidden: list[str | None] = [f'{{"payment_hash": "one", "ip_prefix": "10.{a}.1"}}' for a in account]
    shared: list[str | None] = [f'{{"payment_hash": "one", "ip_prefix": "10.{a % 2}.1"}}' for a in account]
    unknown: list[str | None] = ['{"payment_hash": "one"}' for _ in account]
    blocks = [
        one_customer(observed(account, second, families, metadata=metadata)).expected[0]
        for metadata in (hidden, shared, unknown)
    ]
    np.testing.assert_array_equal(blocks, [20, 2, np.nan])
