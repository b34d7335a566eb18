from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse

from fingerprint.discovery.batch import Batch
from fingerprint.signatures import rewordings
from fingerprint.signatures.rewordings import _likeliest

# account 0 sends nothing but the family (prompts 0 and 1) and prompt 2; account 1 sends it once, and 3 and 4; 2 only 5
SENT = [(0, 0), (0, 1), (0, 0), (0, 2), (1, 0), (1, 3), (1, 4), (2, 5)]


def batch() -> Batch:
    account, prompt = np.array(SENT, dtype=np.int32).T
    nothing = pa.chunked_array([], pa.large_string())
    return Batch(
        request_id=nothing,
        account=account,
        accounts=pa.array(["a", "b", "c"]),
        second=np.zeros(len(SENT)),
        prompt=prompt,
        texts=nothing,
        shown=nothing,
        token_hashes=np.empty(0, np.uint64),
        section=np.empty(0, np.uint8),
        offsets=np.zeros(7, np.int64),
        metadata=nothing,
    )


@pytest.mark.parametrize(("most", "left"), [(1, [2]), (2, [2, 3]), (3, [2, 3, 4]), (9, [2, 3, 4])])
def test_senders_of_little_else_are_asked_first(
    most: int, left: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewordings, "MOST_ASKED", most)
    loose = np.array([2, 3, 4, 5])
    whose = np.array([0, 0, -1, -1, -1, -1], dtype=np.int32)
    own = sparse.csr_matrix(np.array([[1], [1], [1], [0]], dtype=np.float32))
    assert loose[np.flatnonzero(np.diff(_likeliest(own, batch(), whose, loose).indptr))].tolist() == left
