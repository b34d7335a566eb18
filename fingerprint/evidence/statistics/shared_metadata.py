"""Which accounts of a family share a payment hash, an address block or a user agent.

What counts is the share of the pool that does: a few accounts that share one are a part of any large pool, and say
nothing of the others. Null: random accounts of the batch; the count is overdispersed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import orjson
import pyarrow as pa
from scipy import sparse

from fingerprint.base.sparse import sum_of
from fingerprint.base.types import Doubles, Ids, IntArray
from fingerprint.evidence.null_models import Trait, counting_share, excess_evidence, trait_where
from fingerprint.evidence.observations import Observations, once

FIELDS = ("payment_hash", "ip_prefix", "user_agent")

STRANGERS_EXPECTED, STRANGERS_EXCESS = 3, 1.5
"""Where chance gives so many pairs of one address block, fewer than so many times as many are strangers'."""


@dataclass(frozen=True, slots=True)
class SharedValue:
    """One metadata field of f families: how many accounts share their value, and the share with the commonest.

    sharing: share of accounts with a known value that some other account of the family has, too; the evidence is that of
    their number, times that share. pairs: of accounts with one value.
    largest_share: (f,) 0 to 1, of the accounts whose value is known; NaN where fewer than two are.
    """

    sharing: Trait
    pairs: Trait
    largest_share: Doubles


def payment(data: Observations) -> Trait:
    """Share of the family's accounts that pay as another one of them does, 0 to 1."""
    return shared_payment(data).sharing


def address(data: Observations) -> Trait:
    """Share of the family's accounts that send from an address block of another one of them, 0 to 1."""
    return shared_address(data).sharing


def agent(data: Observations) -> Trait:
    """Share of the family's accounts that have the user agent of another one of them, 0 to 1."""
    return shared_values(data.pool, account_numbers(data)["user_agent"]).sharing


def strangers(data: Observations) -> Trait:
    """Pairs that share an address block; no test: evidence is 1 where several should and no more do than by chance."""
    return strangers_trait(shared_address(data).pairs)


def strangers_trait(address: Trait) -> Trait:
    """Turn the trait of pairs that share an address block into that of strangers."""
    expected = np.nan_to_num(address.expected)
    is_chance = np.nan_to_num(address.value) < STRANGERS_EXCESS * expected
    evidence = (expected >= STRANGERS_EXPECTED) & is_chance
    return Trait(address.value, address.expected, evidence.astype(np.float64))


@once
def shared_payment(data: Observations) -> SharedValue:
    """Compare payment hashes."""
    return shared_values(data.pool, account_numbers(data)["payment_hash"])


@once
def shared_address(data: Observations) -> SharedValue:
    """Compare address blocks."""
    return shared_values(data.pool, account_numbers(data)["ip_prefix"])


@once
def account_numbers(data: Observations) -> dict[str, IntArray]:
    """Return the values of FIELDS that accounts have as numbers, (a,) each, -1 = none."""
    return account_values(data.metadata, data.account, FIELDS, accounts=data.pool.shape[1])


def account_values(
    metadata: pa.ChunkedArray, account: Ids, fields: Sequence[str], *, accounts: int
) -> dict[str, IntArray]:
    """Return each account's most frequent value of each metadata field as a number, (a,) int64, -1 where it has none.

    metadata: (r,) JSON objects or null, account: (r,). What is no JSON object counts as none, and so do values that are
    neither strings nor whole numbers.
    """
    strings = metadata.combine_chunks() if isinstance(metadata, pa.ChunkedArray) else metadata
    coded = strings if pa.types.is_dictionary(strings.type) else strings.dictionary_encode()
    parsed = [_parsed(text) for text in coded.dictionary.to_pylist()]
    place = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return {
        name: _commonest([_value(p.get(name)) for p in parsed], place, account, accounts) for name in fields
    }


def _commonest(values: list[str | None], place: Ids, account: Ids, accounts: int) -> IntArray:
    """Return each account's most frequent value as a number (a,); place: (r,) into values, -1 = null."""
    numbers = pa.array(values, pa.large_string()).dictionary_encode().indices.fill_null(-1)
    value = np.append(numbers.to_numpy(zero_copy_only=False), -1)[place].astype(np.int64)
    out = np.full(accounts, -1, dtype=np.int64)
    known = np.flatnonzero(value >= 0)
    if len(known):
        pairs, count = np.unique(value[known] * accounts + account[known], return_counts=True)
        pair_value, pair_account = np.divmod(pairs, accounts)
        order = np.lexsort((-pair_value, count))  # the most frequent is written last
        out[pair_account[order]] = pair_value[order]
    return out


def _parsed(text: str) -> dict[str, object]:
    try:
        parsed = orjson.loads(text)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _value(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value) or None


def shared_values(pool: sparse.csr_matrix, value: IntArray) -> SharedValue:
    """Count accounts with the same value; pool: (f, a) CSR, value: (a,) numbers, -1 = none."""
    with_value = np.flatnonzero(value >= 0)
    total = np.bincount(value[with_value]).astype(np.float64) if len(with_value) else np.zeros(1)
    n = total.sum()
    chance = (total * (total - 1)).sum() / max(n * (n - 1), 1.0)
    one_hot = sparse.csr_matrix(
        (np.ones(len(with_value)), (with_value, value[with_value])), shape=(len(value), len(total))
    )
    accounts = (pool.sign() @ one_hot).tocsr()
    known = np.asarray(accounts.sum(axis=1)).ravel()
    largest = accounts.max(axis=1).toarray().ravel() if accounts.nnz else np.zeros(pool.shape[0])
    pairs = sum_of(accounts, accounts.data * (accounts.data - 1)) / 2
    expected = known * (known - 1) / 2 * chance
    some = known >= 2
    trait = trait_where(some, pairs, expected, excess_evidence(pairs, expected))
    count = sum_of(accounts, np.where(accounts.data > 1, accounts.data, 0.0))
    by_chance = known * _chance_to_share(total, known)
    share = count / np.maximum(known, 1)
    sharing = trait_where(
        some,
        share,
        by_chance / np.maximum(known, 1),
        counting_share(share) * excess_evidence(count, by_chance),
    )
    return SharedValue(sharing, trait, np.where(some, largest / np.maximum(known, 1), np.nan))


def _chance_to_share(total: Doubles, known: Doubles) -> Doubles:
    """How likely an account of a random pool of so many (f,) shares its value; total: (v,) accounts of each value."""
    often, count = np.unique(total[total > 0], return_counts=True)
    share = often / max(float(total.sum()), 1.0)
    others = np.maximum(known - 1, 0)[:, None]
    alone = (count * share * (1 - share) ** others).sum(axis=1) if len(often) else np.ones(len(known))
    return np.asarray(1 - alone, dtype=np.float64)
