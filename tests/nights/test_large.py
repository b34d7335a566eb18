from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from fingerprint.domain.errors import StoreError
from fingerprint.evidence.coactivity import Behaviour
from fingerprint.nights import large
from fingerprint.nights.checkpoint import Checkpoints
from fingerprint.signatures.rewordings import NightFamilies


def test_a_full_disk_refuses_what_a_night_keeps_of_itself(tmp_path: Path) -> None:
    none = np.empty(0, dtype=np.int32)
    families = NightFamilies(
        (),
        label=none,
        strength=none.astype(np.float32),
        behaviour=Behaviour(*(none.astype(np.float64) for _ in Behaviour.__slots__)),
        born=none.astype(np.bool_),
        joined=none.astype(np.bool_),
        carrier=none,
    )
    unexplained, work = pa.table({"gram": pa.array(range(10_000), pa.uint64())}), Checkpoints(tmp_path, "key")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, limits[1]))
    try:
        with pytest.raises(StoreError, match="File too large"):
            large.keep(families, unexplained, work)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not work.has("described")
    sent = work.begin("read") / "sent.arrow"
    sent.touch()
    work.finish("read", {})
    large.keep(families, unexplained, work)
    assert not (work.path("read") / sent.name).exists()
    kept = large.finished(work)
    assert kept is not None
    assert kept[1].equals(unexplained)
