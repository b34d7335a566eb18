"""What looks at many bytes at once says what a look at each of them does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from fingerprint.base import simd
from fingerprint.base.simd import WIDE, aligned


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
