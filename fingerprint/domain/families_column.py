"""The column `families` of results: every family that a request holds, in one list a row."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from fingerprint.base.types import Doubles, IntArray

_ONE = pa.struct([pa.field("family_id", pa.large_string()), pa.field("score", pa.float64())])


def families_column(row: IntArray, family: pa.Array, score: Doubles, *, rows: int) -> pa.LargeListArray:
    """Return lists of family_id and score, one of each of so many rows, empty where nothing is.

    row: (e,) which row each entry is of, ascending. family: (e,) ids. score: (e,) 0 to 1.
    """
    entries = pa.StructArray.from_arrays([family, pa.array(score)], fields=list(_ONE))
    ends = np.searchsorted(row, np.arange(rows + 1))
    return pa.LargeListArray.from_arrays(pa.array(ends.astype(np.int64)), entries)
