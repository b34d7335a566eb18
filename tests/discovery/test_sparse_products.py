"""Counts are the entries of the full product, the large ones or the wanted ones, on one thread or several."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from fingerprint.discovery import sparse_products
from fingerprint.discovery.sparse_products import counts_at, counts_from


def ones(rows: int, columns: int, density: float, seed: int) -> sparse.csr_matrix:
    held = np.random.default_rng(seed).random((rows, columns)) < density
    return sparse.csr_matrix(held.astype(np.float32))


@given(st.integers(0, 9), st.integers(0, 9), st.integers(1, 9), st.integers(0, 99))
def test_counts_are_those_of_the_product(rows: int, inner: int, columns: int, seed: int) -> None:
    a, b = ones(rows, inner, 0.5, seed), ones(inner, columns, 0.5, seed + 1)
    least = np.random.default_rng(seed).integers(0, 4, rows).astype(np.float64)
    whole = a.toarray() @ b.toarray()
    found = counts_from(a, b, least)
    np.testing.assert_array_equal(found.toarray(), np.where(whole >= np.maximum(least, 1)[:, None], whole, 0))
    assert found.has_sorted_indices
    at = ones(rows, columns, 0.5, seed + 2)
    np.testing.assert_array_equal(counts_at(a, b, at), whole[at.nonzero()])


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, at = ones(300, 200, 0.2, 1), ones(200, 400, 0.2, 2), ones(300, 400, 0.1, 3)
    least = np.full(300, 8.0)
    monkeypatch.setattr(sparse_products, "MIN_TERMS", 2**40)
    one = counts_from(a, b, least), counts_at(a, b, at)
    monkeypatch.setattr(sparse_products, "MIN_TERMS", 1)
    several = counts_from(a, b, least), counts_at(a, b, at)
    assert (one[0] != several[0]).nnz == 0
    np.testing.assert_array_equal(one[1], several[1])
    np.testing.assert_array_equal(one[1], (a @ b).toarray()[at.nonzero()])
