"""What statistics look at, made of a few arrays: observations, and families of a pool among other traffic."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import sparse

from fingerprint.evidence.coactivity import behaviour
from fingerprint.evidence.observations import Observations

DAY = 86_400.0
REQUESTS, ACCOUNTS = 20_000, 1500


def rows_of(families: list[np.ndarray], requests: int) -> sparse.csr_matrix:
    """(f, r) CSR of ones from each family's request numbers."""
    indptr = np.concatenate([[0], np.cumsum([len(f) for f in families])])
    indices = np.concatenate([*(np.sort(f) for f in families), np.empty(0, dtype=np.int64)])
    ones = np.ones(len(indices), np.float32)
    return sparse.csr_matrix((ones, indices, indptr), shape=(len(families), requests))


def observed(
    account: np.ndarray,
    second: np.ndarray,
    families: list[np.ndarray],
    *,
    metadata: list[str | None] | None = None,
    **fields: Any,
) -> Observations:
    """Observations of families given by their requests; each request is a prompt of its own where not told."""
    r = len(account)
    rows, who = rows_of(families, r), account.astype(np.int32)
    return Observations(
        account=who,
        second=second,
        metadata=pa.chunked_array([pa.array(metadata or [None] * r, pa.large_string())]),
        rows=rows,
        **{
            "prompt": np.arange(r, dtype=np.int32),
            "shares_text": np.ones(len(families), dtype=np.bool_),
            "behaviour": fields.get("behaviour") or behaviour(rows, who, second),
            **fields,
        },
    )


def zipf(random: np.random.Generator, count: int) -> np.ndarray:
    share = 1 / np.arange(1, ACCOUNTS + 1)
    return random.choice(ACCOUNTS, count, p=share / share.sum()).astype(np.int32)


def with_pool(
    random: np.random.Generator, pool: np.ndarray, *others: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Families sent by these accounts, then other traffic of everybody; times at random."""
    sent = [pool, *others]
    account = np.concatenate([*sent, zipf(random, REQUESTS)])
    ends = np.cumsum([0, *(len(s) for s in sent)])
    families = [np.arange(a, b) for a, b in pairwise(ends)]
    return account, random.uniform(0, DAY, len(account)), families
