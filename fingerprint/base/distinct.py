"""Distinct rows of a few columns of whole numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fingerprint.base.types import IntArray


def distinct_rows(*columns: npt.NDArray[np.integer]) -> tuple[IntArray, IntArray, IntArray]:
    """Return the distinct rows of some columns, sorted, (columns, k); which of them each row is; and how often each is.

    Rows become one number each: to sort rows as such takes many times longer.
    """
    key = np.zeros(len(columns[0]), dtype=np.int64)
    least = [int(column.min(initial=0)) for column in columns]
    wide = [int(column.max(initial=0)) - low + 1 for column, low in zip(columns, least, strict=True)]
    for column, low, width in zip(columns, least, wide, strict=True):
        key = key * width + (column.astype(np.int64) - low)
    key, at, count = np.unique(key, return_inverse=True, return_counts=True)
    parts = []
    for low, width in zip(reversed(least), reversed(wide), strict=True):
        key, part = np.divmod(key, width)
        parts.append(part + low)
    return np.stack(parts[::-1]), at, count
