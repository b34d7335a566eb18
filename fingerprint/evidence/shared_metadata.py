"""Which accounts of a family share a payment hash, an address block or a user agent, against random accounts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import orjson
import pyarrow as pa
from scipy import sparse

from fingerprint.base.sparse import sum_of
from fingerprint.base.types import Doubles, Ids, IntArray
from fingerprint.evidence.null_models import Trait, log_tail


def main_values(
    metadata: pa.ChunkedArray, account: Ids, fields: Sequence[str], *, accounts: int
) -> dict[str, IntArray]:
    """Return each account's most frequent value of each metadata field as a number (a,), -1 where it has none.

    metadata: (r,) JSON objects or null; what is no JSON object, and values but strings and whole numbers, count as none.
    """
    whole = metadata.combine_chunks() if isinstance(metadata, pa.ChunkedArray) else metadata
    coded = whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()
    parsed = [_parsed(text) for text in coded.dictionary.to_pylist()]
    place = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return {name: _main([_value(p.get(name)) for p in parsed], place, account, accounts) for name in fields}


def _main(values: list[str | None], place: Ids, account: Ids, accounts: int) -> IntArray:
    numbers = pa.array(values, pa.large_string()).dictionary_encode().indices.fill_null(-1)
    value = np.append(numbers.to_numpy(zero_copy_only=False), -1)[place].astype(np.int64)
    out = np.full(accounts, -1, dtype=np.int64)
    known = np.flatnonzero(value >= 0)
    if len(known):
        pairs, count = np.unique(value[known] * accounts + account[known], return_counts=True)
        held, who = np.divmod(pairs, accounts)
        order = np.lexsort((-held, count))  # the most frequent is written last
        out[who[order]] = held[order]
    return out


def _parsed(text: str) -> dict[str, object]:
    try:
        found = orjson.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _value(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value) or None


def shared(pool: sparse.csr_matrix, value: IntArray) -> tuple[Trait, Doubles]:
    """Pairs of the pool's accounts with the same value, against random accounts of the batch; and the largest share.

    The share of a pool that has one value in common is NaN where none is known.
    """
    f = pool.shape[0]
    with_value = np.flatnonzero(value >= 0)
    total = np.bincount(value[with_value]).astype(np.float64) if len(with_value) else np.zeros(1)
    n = total.sum()
    chance = (total * (total - 1)).sum() / max(n * (n - 1), 1.0)
    one_hot = sparse.csr_matrix(
        (np.ones(len(with_value)), (with_value, value[with_value])), shape=(len(value), len(total))
    )
    held = (pool.sign() @ one_hot).tocsr()
    known = np.asarray(held.sum(axis=1)).ravel()
    largest = held.max(axis=1).toarray().ravel() if held.nnz else np.zeros(f)
    seen = sum_of(held, held.data * (held.data - 1)) / 2
    expected = known * (known - 1) / 2 * chance
    told = known >= 2
    nan = np.where(told, 0.0, np.nan)
    evidence = np.where(told, -log_tail(seen, expected) / np.log(10), 0.0)
    return Trait(seen + nan, expected + nan, evidence), np.where(told, largest / np.maximum(known, 1), np.nan)
