"""String columns and their buffers say the same, wherever in a larger column they lie."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.base.strings import PIECE_BYTES, buffers, cuts, gather, harmless, plain, sizes_of, strings

columns = st.lists(st.one_of(st.none(), st.text(max_size=8)), max_size=12)


@given(
    values=columns,
    cut=st.integers(0, 12),
    kind=st.sampled_from([pa.string(), pa.large_string(), pa.string_view()]),
)
def test_buffers_are_the_bytes_of_the_texts(values: list[str | None], cut: int, kind: pa.DataType) -> None:
    column = pa.array(values, kind).slice(cut)
    data, offsets = buffers(column)
    assert offsets.dtype == np.int64
    assert [data[a:b].tobytes().decode() for a, b in itertools.pairwise(offsets)] == [
        value or "" for value in values[cut:]
    ]
    assert strings(data, offsets).to_pylist() == plain(column).to_pylist()


@given(parts=st.lists(columns, max_size=4))
def test_chunks_are_joined(parts: list[list[str | None]]) -> None:
    chunked = pa.chunked_array([pa.array(part, pa.string()) for part in parts], pa.string())
    whole = plain(chunked)
    assert whole.type == pa.large_string()
    assert whole.to_pylist() == [value or "" for part in parts for value in part]


@given(
    data=st.binary(min_size=1, max_size=30), cuts=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)))
)
def test_parts_are_gathered_in_their_order(data: bytes, cuts: list[tuple[int, int]]) -> None:
    spans = [(min(a, b, len(data)), min(max(a, b), len(data))) for a, b in cuts]
    begins, ends = (np.array([span[i] for span in spans], np.int64) for i in (0, 1))
    out, offsets = gather(np.frombuffer(data, np.uint8), begins, ends)
    assert out.tobytes() == b"".join(data[a:b] for a, b in spans)
    assert np.diff(offsets).tolist() == [b - a for a, b in spans]


@pytest.mark.parametrize("empty", [pa.array([], pa.string()), pa.chunked_array([], pa.large_string())])
def test_no_texts_have_no_bytes(empty: pa.Array) -> None:
    data, offsets = buffers(empty)
    assert (len(data), offsets.tolist()) == (0, [0])


@pytest.mark.parametrize("rows", [1, 3, 1_000])
def test_pieces_are_small_in_rows_and_in_bytes(rows: int) -> None:
    sizes = np.random.default_rng(0).integers(0, PIECE_BYTES // 4, 200)
    sizes[[7, 50]] = 3 * PIECE_BYTES
    pieces = list(cuts(sizes, rows))
    assert [begin for begin, _ in pieces] == [0, *(end for _, end in pieces[:-1])]
    assert pieces[-1][1] == len(sizes)
    for begin, end in pieces:
        assert 0 < end - begin <= rows
        assert sizes[begin:end].sum() <= PIECE_BYTES or end - begin == 1
    assert list(cuts(sizes[:0], rows)) == []


@pytest.mark.parametrize("cell", ["=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(1)", "\t=1", "\r=1"])
def test_a_cell_that_a_spreadsheet_would_run_is_text(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"
    assert harmless(f"a{cell}") == f"a{cell}"
    assert harmless("") == ""


def test_sizes_are_bytes_and_null_has_none() -> None:
    texts = pa.chunked_array([pa.array(["aé", None], pa.large_string()), pa.array([""], pa.large_string())])
    assert sizes_of(texts).tolist() == [3, 0, 0]
