"""Takes the sentences that a carrier says itself out of the texts that hold it: what is left is asked inside it."""

from __future__ import annotations

import numpy as np

from fingerprint.base.jit import njit
from fingerprint.base.types import FloatArray, Ids, IntArray
from fingerprint.embedding.similarity import held_by

SAME_SENTENCE = np.float32(0.9)
"""A sentence of a text is its carrier's from this cosine on: a word or two may differ in it."""


@njit(cache=True, nogil=True)
def clear_own(
    vectors: FloatArray, offsets: IntArray, carrier: Ids, prototypes: FloatArray, bounds: IntArray
) -> None:
    """Make zeros of the vectors (s, d) of the sentences that carriers say themselves.

    offsets: (q + 1,), where each text's sentences begin; what lies behind the last stays. carrier: (q,), the family whose text
    each holds, -1 = none. prototypes: (p, d), bounds: (f + 1,), where those of each family begin. Rows are of unit length.
    """
    for row in range(len(carrier)):
        f = carrier[row]
        if f < 0:
            continue
        for s in range(offsets[row], offsets[row + 1]):
            for p in range(bounds[f], bounds[f + 1]):
                if held_by(vectors, (s, s + 1), prototypes, (p, p + 1)) >= SAME_SENTENCE:
                    vectors[s] = 0
                    break
