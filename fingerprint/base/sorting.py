"""Sorting and searching inside kernels: what numba has for NumPy's calls takes a second and more to compile for each type."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprint.base.jit import kernel
from fingerprint.base.types import HashArray


@kernel
def sort_up(values: npt.NDArray[Any]) -> None:
    """Sort integers (n,) in place, ascending (heapsort: Williams 1964, Floyd 1964)."""
    for root in range(len(values) // 2 - 1, -1, -1):
        _sink(values, root, len(values))
    for last in range(len(values) - 1, 0, -1):
        values[0], values[last] = values[last], values[0]
        _sink(values, 0, last)


@kernel
def _sink(values: npt.NDArray[Any], at: int, size: int) -> None:
    """Move a value down a heap of `size` values until none below it is larger."""
    value = values[at]
    below = 2 * at + 1
    while below < size:
        if below + 1 < size and values[below] < values[below + 1]:
            below += 1
        if values[below] <= value:
            break
        values[at] = values[below]
        at, below = below, 2 * below + 1
    values[at] = value


@kernel
def holds(ascending: HashArray, wanted: np.uint64) -> bool:
    """Tell whether a hash is among others (n,) uint64, ascending."""
    low, high = 0, len(ascending)
    while low < high:
        middle = (low + high) // 2
        if ascending[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return bool(low < len(ascending) and ascending[low] == wanted)
