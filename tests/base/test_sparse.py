from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.base.sparse import components


def test_components() -> None:
    assert components(np.array([4, 1]), np.array([2, 5]), 6).tolist() == [0, 1, 2, 3, 2, 1]
    none = components(np.array([], np.int64), np.array([], np.int64), 0)
    assert (none.tolist(), none.dtype) == ([], np.int32)


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=20))
def test_components_are_numbered_by_their_first_items(pairs: list[tuple[int, int]]) -> None:
    sets = [{n} for n in range(12)]
    for a, b in pairs:
        if sets[a] is not sets[b]:
            sets[a] |= sets[b]
            for n in sets[b]:
                sets[n] = sets[a]
    first = sorted({min(one) for one in sets})
    expected = [first.index(min(one)) for one in sets]
    i, j = np.array(pairs, np.int64).reshape(-1, 2).T
    assert components(i, j, 12).tolist() == expected
