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
    assert payment(data).value[0] == 15
    assert payment(data).evidence[0] > 5
    assert np.isnan(address(data).value[0])


@pytest.mark.parametrize(
    ("accounts", "fields", "evidence"),
    [
        (9, ("payment_hash",), 1),
        (12, ("payment_hash",), 0),
        (12, ("payment_hash", "ip_prefix"), 1),
        (49, ("payment_hash", "ip_prefix"), 1),
        (60, ("payment_hash", "ip_prefix"), 0),
    ],
)
def test_the_more_accounts_the_more_they_must_share(
    accounts: int, fields: tuple[str, ...], evidence: int
) -> None:
    text = "{" + ", ".join(f'"{field}": "one"' for field in fields) + "}"
    data = observed(
        np.arange(accounts), np.arange(float(accounts)), [np.arange(accounts)], metadata=[text] * accounts
    )
    assert one_customer(data).evidence.tolist() == [evidence]
