"""Arrays that grow inside kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprint.base.jit import njit


@njit(cache=True, nogil=True)
def widened(column: npt.NDArray[Any], room: int) -> npt.NDArray[Any]:
    """Return an array (room,) of the same type that begins with a column (n,), n at most `room`; the rest is anything."""
    wider = np.empty(room, column.dtype)
    for i in range(len(column)):  # compiles sooner than an assignment to a slice, which checks shapes
        wider[i] = column[i]
    return wider
