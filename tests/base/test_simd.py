"""What looks at many bytes at once says what a look at each of them does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from fingerprint.base import simd
from fingerprint.base.simd import LANES, WIDE, aligned


@njit
def within(data: np.ndarray, i: int, first: int, last: int) -> int:
    return simd.within(data, i, first, last)


@njit
def eight(data: np.ndarray, i: int) -> int:
    return simd.eight(data, i)


@njit
def lowest(bits: np.uint64) -> int:
    return simd.lowest(bits)


@njit
def copied(data: np.ndarray, i: int, size: int, o: int) -> np.ndarray:
    out = np.zeros(o + size + 1, np.uint8)
    simd.copy(out, o, data, i, size)
    return out


@njit
def shifted(data: np.ndarray, i: int, o: int, by: int) -> np.ndarray:
    out = np.zeros(o + WIDE + 1, np.uint8)
    simd.shift_capitals(out, o, data, i, by)
    return out


@given(
    data=st.binary(min_size=WIDE + 8, max_size=WIDE + 8),
    i=st.integers(0, 8),
    a=st.integers(0, 255),
    b=st.integers(0, 255),
)
def test_bytes_of_a_range(data: bytes, i: int, a: int, b: int) -> None:
    first, last = min(a, b), max(a, b)
    bits = within(np.frombuffer(data, np.uint8), i, first, last)
    assert bits == sum(1 << n for n in range(WIDE) if first <= data[i + n] <= last)


@given(data=st.binary(min_size=16, max_size=16), i=st.integers(0, 8))
def test_eight_bytes_are_a_number(data: bytes, i: int) -> None:
    assert eight(np.frombuffer(data, np.uint8), i) == int.from_bytes(data[i : i + 8], "little")


@given(bits=st.integers(0, 2**64 - 1))
def test_the_lowest_bit(bits: int) -> None:
    assert lowest(np.uint64(bits)) == (WIDE if bits == 0 else (bits & -bits).bit_length() - 1)


@given(data=st.binary(max_size=40), i=st.integers(0, 40), size=st.integers(0, 40), o=st.integers(0, 5))
def test_a_copy_writes_nothing_beyond_its_end(data: bytes, i: int, size: int, o: int) -> None:
    i = min(i, len(data))
    size = min(size, len(data) - i)
    out = copied(np.frombuffer(data + b"!", np.uint8), i, size, o).tobytes()
    assert out == bytes(o) + data[i : i + size] + b"\0"


@given(data=st.binary(min_size=WIDE + 8, max_size=WIDE + 8), i=st.integers(0, 8), o=st.integers(0, 5))
def test_capitals_and_no_others_become_small(data: bytes, i: int, o: int) -> None:
    source = np.frombuffer(data, np.uint8)
    assert shifted(source, i, o, 32).tobytes() == bytes(o) + data[i : i + WIDE].lower() + b"\0"
    assert shifted(source, i, o, 0).tobytes() == bytes(o) + data[i : i + WIDE] + b"\0"


@pytest.mark.parametrize(
    ("rows", "columns", "dtype"), [(3, 5, np.float32), (1, 1, np.uint64), (0, 4, np.float32)]
)
def test_aligned_zeros(rows: int, columns: int, dtype: type) -> None:
    room = aligned(rows, columns, dtype)
    assert room.shape == (rows, columns)
    assert room.dtype == dtype
    assert not room.any()
    assert room.ctypes.data % 64 == 0 or not room.size
    room[:] = 1


@njit
def summed(table: np.ndarray, rows: np.ndarray, first: int, last: int) -> np.ndarray:
    out = np.full(table.shape[1], np.float32(7))
    for column in range(0, table.shape[1], simd.LANES):
        simd.sum_rows(table, rows, first, last, column, out)
    return out


@njit
def product(a: np.ndarray, b: np.ndarray, row: int) -> np.float32:
    return simd.product(a, 0, b, row * b.shape[1], b.shape[1])


@njit
def squares(values: np.ndarray) -> np.float32:
    return simd.squares_behind_first(values)


@pytest.mark.parametrize("columns", [LANES, 3 * LANES])
def test_rows_and_products_are_summed(columns: int) -> None:
    # whole numbers, so that the order in which they are added does not matter
    random = np.random.default_rng(columns)
    table = random.integers(-9, 9, (50, columns)).astype(np.float32)
    rows = random.integers(0, 50, 30).astype(np.int32)
    short = (table * 3_000).astype(np.int16)
    assert summed(short, rows, 4, 30).tolist() == (3_000 * table[rows[4:]].sum(axis=0)).tolist()
    assert not summed(short, rows, 4, 4).any()
    values = random.integers(-9, 9, columns + LANES).astype(np.float32)
    for row in (0, 49):
        assert product(values, table, row) == values[:columns] @ table[row]
    assert squares(values) == (values[1:] ** 2).sum()
    assert squares(values[:LANES]) == (values[1:LANES] ** 2).sum()


@pytest.mark.parametrize(("begin", "end"), [(0, 1), (3, 20), (0, 32), (5, 77)])
def test_the_highest_of_a_part_of_a_row(begin: int, end: int) -> None:
    rows = np.random.default_rng(0).standard_normal((3, 77)).astype(np.float32)
    rows[1] = -np.inf
    for row in range(3):
        assert simd.highest(rows, row, begin, end) == rows[row, begin:end].max()
