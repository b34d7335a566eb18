from __future__ import annotations

import numpy as np

from fingerprint.matching.own_sentences import clear_own


def test_only_what_a_carrier_says_itself_is_cleared() -> None:
    prototypes = np.eye(4, dtype=np.float32)
    bounds = np.array([0, 1, 3, 4])
    near = np.array([0.95, 0, 0, 0.3122499], np.float32)
    far = np.array([0.85, 0, 0, 0.5267827], np.float32)
    vectors = np.stack([near, far, prototypes[1], prototypes[2], prototypes[3], near, prototypes[0]])
    before = vectors.copy()
    # the last vector is that of a whole text, and not of a sentence
    clear_own(vectors, np.array([0, 3, 5, 6]), np.array([0, 1, -1], np.int32), prototypes, bounds)
    assert np.flatnonzero(~vectors.any(axis=1)).tolist() == [0, 3]
    kept = [1, 2, 4, 5, 6]
    assert (vectors[kept] == before[kept]).all()
