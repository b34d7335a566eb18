from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.base.sparse import components, copied, ends_of, ranges, spans_of


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


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=12),
    st.lists(st.integers(0, 11), max_size=20),
    st.sampled_from([np.uint64, np.int64, np.uint8, np.bool_]),
)
def test_rows_are_copied_as_their_places_say(
    lengths: list[int], chosen: list[int], dtype: type[np.generic]
) -> None:
    offsets = np.append(0, np.cumsum(lengths))
    values = np.random.default_rng(0).integers(0, 200, offsets[-1]).astype(dtype)
    rows = np.array([row for row in chosen if row < len(lengths)], dtype=np.int32)
    places, ends = ranges(offsets, rows)
    assert ends_of(offsets, rows).tolist() == ends.tolist()
    out = copied(values, offsets, rows, ends)
    assert out.dtype == dtype
    assert out.tolist() == values[places].tolist()


@given(st.lists(st.integers(0, 4), max_size=12), st.integers(1, 5))
def test_spans_hold_every_value_once(lengths: list[int], count: int) -> None:
    offsets = np.append(0, np.cumsum(lengths)).astype(np.int64)
    spans = spans_of(offsets, count)
    assert len(spans) <= count
    places = [place for begin, end in spans for place in range(offsets[begin], offsets[end])]
    assert places == list(range(offsets[-1]))
