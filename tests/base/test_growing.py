"""An array that grew begins with what it held."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprint.base.growing import widened


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.uint64, np.float32])
@pytest.mark.parametrize(("size", "room"), [(0, 0), (0, 5), (3, 3), (3, 100)])
def test_what_was_there_stays_at_the_beginning(dtype: type, size: int, room: int) -> None:
    column = np.arange(7, 7 + size).astype(dtype)
    wider = widened(column, room)
    assert (len(wider), wider.dtype) == (room, column.dtype)
    assert wider[:size].tolist() == column.tolist()
    wider[:] = 0
    assert column.tolist() == list(range(7, 7 + size))
