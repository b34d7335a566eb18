from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.base.distinct import counted_hashes
from fingerprint.base.hashing import mix


@given(st.integers(0, 2**32), st.integers(0, 9_000), st.sampled_from([1, 40, 100_000]))
def test_hashes_are_counted_as_sorting_counts_them(seed: int, size: int, different: int) -> None:
    numbers = np.random.default_rng(seed).integers(1, different + 1, size)
    hashes = mix(numbers.astype(np.uint64))
    distinct, count = counted_hashes(hashes)
    expected = np.unique(hashes, return_counts=True)
    assert distinct.tolist() == expected[0].tolist()
    assert count.tolist() == expected[1].tolist()
