"""Vectors of texts that a watch embeds round after round: most of its window is the same."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from fingerprint.base.types import FloatArray
from fingerprint.embedding.embedder import Embedder
from fingerprint.embedding.vector_cache import content_keys


class RoundVectors:
    """Embeds texts, remembering this round's vectors and the last one's: most of the window is the same."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._last: dict[bytes, FloatArray] = {}
        self._now: dict[bytes, FloatArray] = {}

    def begin_round(self) -> None:
        """Begin a round."""
        self._last, self._now = self._now, {}

    def __call__(self, texts: pa.Array | pa.ChunkedArray) -> FloatArray:
        """Embed texts, (p, d) float32 unit rows."""
        keys = [key.tobytes() for key in content_keys(texts)]
        flat = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
        for key in keys:
            if key not in self._now and key in self._last:
                self._now[key] = self._last[key]
        missing = [place for place, key in enumerate(keys) if key not in self._now]
        fresh = self._embedder.encode(flat.take(pa.array(missing, pa.int64())))
        self._now.update(zip((keys[place] for place in missing), fresh, strict=True))
        rows = np.array([self._now[key] for key in keys], np.float32)
        return rows.reshape(len(keys), self._embedder.dimension)
