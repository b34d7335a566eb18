from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support.crafted import Sent, batch_of
from support.stored_nights import make_night, make_signature

from fingerprint.discovery.batch import Batch, Requests, behaviour_of
from fingerprint.discovery.families import members_of
from fingerprint.domain.errors import StoreError
from fingerprint.nights import resume
from fingerprint.nights.checkpoint import Checkpoints
from fingerprint.nights.claims import Claims
from fingerprint.nights.night import Night
from fingerprint.nights.resume import StoredNight, stored_night
from fingerprint.signatures.rewordings import NightFamilies

REPORT = make_night("n1")
UNEXPLAINED = pa.table({"grams": pa.array([[1, 2]])})


def traffic() -> Night:
    """Five requests, the last of which goes on with the first's conversation; three distinct prompts."""
    batch = batch_of([Sent("one"), Sent("two", second=9.0), Sent("ONE", "a1"), Sent("three")])
    second = np.append(batch.second, batch.second[0] + 60.0)
    names = pa.chunked_array([[f"r{n}" for n in range(5)]], pa.large_string())
    requests = Requests(names, np.array([0, 1, 2, 3, 0], np.int32), second)
    return Night(batch, requests, REPORT.ingest, "n1")


def families(batch: Batch) -> NightFamilies:
    label = np.array([0, -1, 0], np.int32)
    flags = np.zeros(4, np.bool_)
    originals = {"f0": None, "f1": None, "f2": "f1", "f3": "f0"}
    return NightFamilies(
        tuple(make_signature(name, variant_of=of) for name, of in originals.items()),
        label,
        np.array([1, 0, 0.123456], np.float32),
        behaviour_of(batch, members_of(label, 4)),
        born=flags,
        joined=flags,
        carrier=np.full(4, -1, np.int32),
    )


def kept(work: Path) -> StoredNight:
    night = traffic()
    # the third prompt holds another family, a rewording of that, and a rewording of its own
    also = Claims(np.array([2, 2, 2]), np.array([1, 2, 3], np.int32), np.array([12, 15, 20], np.int32))
    results = resume.Results(night, families(night.batch), also, UNEXPLAINED)
    return resume.keep(Checkpoints(work, "key"), "asked", REPORT, results)


def test_a_killed_job_hands_out_what_was_kept(tmp_path: Path) -> None:
    kept(tmp_path / "work")
    night = stored_night(tmp_path / "work", "asked", [make_night("n0"), REPORT])
    assert night is not None
    assert night.report == REPORT
    assert night.end == traffic().batch.second[0] + 60.0
    assert night.assignments().to_pydict() == {
        "request_id": ["r0", "r1", "r2", "r3", "r4"],
        "family_id": ["f0", None, "f0", "f0", "f0"],
        "strength": [1.0, 0.0, 1.0, 0.1235, 1.0],
        "families": [
            [{"family_id": "f0", "score": 1.0}],
            [],
            [{"family_id": "f0", "score": 1.0}],
            [{"family_id": "f0", "score": 0.1235}, {"family_id": "f1", "score": 0.75}],
            [{"family_id": "f0", "score": 1.0}],
        ],
    }
    assert night.unexplained().equals(UNEXPLAINED)


def test_only_the_same_request_for_a_night_that_was_stored_is_finished(tmp_path: Path) -> None:
    work = tmp_path / "work"
    assert stored_night(work, "asked", [REPORT]) is None
    kept(work)
    assert stored_night(work, "something else", [REPORT]) is None
    assert stored_night(work, "asked", []) is None  # killed before it was stored
    later = replace(REPORT, started=REPORT.started.replace(year=2027))
    assert stored_night(work, "asked", [later]) is None


def test_what_cannot_be_read_is_a_named_error(tmp_path: Path) -> None:
    night = kept(tmp_path / "work")
    (night.folder / "assignments.arrow").write_bytes(b"torn")
    with pytest.raises(StoreError, match="the night's results cannot be read"):
        night.assignments()
    (night.folder / "loose.arrow").unlink()
    with pytest.raises(StoreError, match="the night's results cannot be read"):
        night.unexplained()
