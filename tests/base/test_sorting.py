"""Sorting and searching inside kernels."""

import numpy as np
import pytest

from fingerprint.base.sorting import holds, sort_up


@pytest.mark.parametrize("size", [0, 1, 2, 3, 10, 1000])
@pytest.mark.parametrize("kind", [np.int32, np.uint64])
def test_integers_are_sorted_in_place(size: int, kind: type[np.integer]) -> None:
    rng = np.random.default_rng(size)
    values = rng.integers(0, max(size // 2, 1) + 1, size).astype(kind)
    if size and kind is np.uint64:
        values[0] = np.iinfo(np.uint64).max
    expected = np.sort(values)

    sort_up(values)

    assert np.array_equal(values, expected)


def test_a_hash_is_known_only_if_it_is_among_the_others() -> None:
    ascending = np.array([1, 5, 2**64 - 1], dtype=np.uint64)

    assert [bool(holds(ascending, np.uint64(h))) for h in (0, 1, 2, 5, 6, 2**64 - 1)] == [
        False, True, False, True, False, True,
    ]  # fmt: skip
    assert not holds(ascending[:0], np.uint64(1))
