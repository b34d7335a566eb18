"""Array types, and types of callables, that all of the package names alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bools: TypeAlias = npt.NDArray[np.bool_]
Bytes: TypeAlias = npt.NDArray[np.uint8]
Doubles: TypeAlias = npt.NDArray[np.float64]
FloatArray: TypeAlias = npt.NDArray[np.float32]
HashArray: TypeAlias = npt.NDArray[np.uint64]
Ids: TypeAlias = npt.NDArray[np.int32]
IntArray: TypeAlias = npt.NDArray[np.int64]

Embed: TypeAlias = Callable[[pa.Array | pa.ChunkedArray], FloatArray]
"""Texts (n) into unit rows (n, d)."""

TextsOfPrompts: TypeAlias = Callable[[IntArray], pa.Array | pa.ChunkedArray]
"""The numbers of distinct prompts (q,), ascending, into their normalised texts (q,)."""

StageProgress: TypeAlias = Callable[[str, int, int | None], None]
"""Told the stage, how much of it is done, and of how much, None where that is unknown."""
