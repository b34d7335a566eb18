from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from fingerprint.evidence.null_models import Trait
from fingerprint.evidence.statistics.shared_metadata import account_values, shared_values, strangers_trait


def column(*texts: str | None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(texts, pa.large_string())])


def values_of(*texts: str | None, account: list[int] | None = None) -> list[int]:
    who = np.array(account or range(len(texts)), dtype=np.int32)
    found = account_values(column(*texts), who, ("ip",), accounts=int(who.max()) + 1)
    return list(map(int, found["ip"]))


def test_equal_values_have_equal_numbers() -> None:
    one, two, other = values_of('{"ip": "1.2.3"}', '{"x": 1, "ip": "1.2.3"}', '{"ip": "4.5.6"}')
    assert one == two != other
    assert min(one, other) >= 0


def test_an_account_has_the_value_it_is_seen_with_most() -> None:
    texts = ['{"ip": "a"}', '{"ip": "b"}', '{"ip": "b"}', '{"ip": "b"}']
    assert len(set(values_of(*texts, account=[0, 0, 0, 1]))) == 1


def test_what_is_no_value_is_none() -> None:
    odd = [
        None,
        "",
        "{",
        "[]",
        '"ip"',
        "7",
        "null",
        "{}",
        '{"ip": null}',
        '{"ip": ""}',
        '{"ip": ["a"]}',
        '{"ip": true}',
    ]
    assert values_of(*odd) == [-1] * len(odd)
    assert values_of('{"ip": 7}', '{"ip": "7"}') == [0, 0]


@given(st.lists(st.none() | st.text(max_size=20) | st.sampled_from(['{"ip": "a"}', '{"ip": 1e400}'])))
def test_any_metadata_is_read(texts: list[str | None]) -> None:
    who = np.zeros(len(texts), dtype=np.int32)
    texts = [t if t is None else t.encode("utf-8", "replace").decode() for t in texts]
    assert len(account_values(column(*texts), who, ("ip", "pay"), accounts=1)["ip"]) == 1


def test_no_metadata_at_all_tells_nothing() -> None:
    value = account_values(column(None, None), np.array([0, 1], dtype=np.int32), ("ip",), accounts=2)["ip"]
    found = shared_values(sparse.csr_matrix(np.ones((3, 2))), value)
    trait, largest = found.pairs, found.largest_share
    assert np.isnan(trait.value).all()
    assert np.isnan(trait.expected).all()
    assert (trait.evidence == 0).all()
    assert np.isnan(largest).all()


def test_pairs_that_share_are_counted_beside_those_of_random_accounts() -> None:
    value = np.array([0, 0, 0, 1, 2, 3, 4, 5, 6, -1])
    pool = np.zeros((3, 10))
    pool[0, [0, 1, 2, 3]] = 5
    pool[1, [3, 4, 5, 6]] = 1
    pool[2, [0, 9]] = 1
    found = shared_values(sparse.csr_matrix(pool), value)
    trait, largest = found.pairs, found.largest_share
    assert trait.value[:2].tolist() == [3, 0]
    np.testing.assert_allclose(trait.expected[:2], 6 * 3 / 36)
    assert trait.evidence[0] > 1 > trait.evidence[1] >= 0
    assert largest[:2].tolist() == [0.75, 0.25]
    assert np.isnan(trait.value[2])


def test_random_pools_share_no_more_than_expected() -> None:
    random = np.random.default_rng(0)
    value = random.zipf(1.5, 3000).clip(0, 500)
    pool = np.zeros((300, 3000))
    for row in pool:
        row[random.choice(3000, 40, replace=False)] = 1
    trait = shared_values(sparse.csr_matrix(pool), value).pairs
    assert (trait.evidence > 2).mean() <= 0.02


def test_strangers_share_a_block_as_often_as_chance_gives() -> None:
    value, expected = np.array([7.0, 31.0, 0.0, np.nan]), np.array([20.0, 20.0, 0.2, np.nan])
    trait = strangers_trait(Trait(value, expected, np.zeros(4)))
    assert trait.evidence.tolist() == [1, 0, 0, 0]
