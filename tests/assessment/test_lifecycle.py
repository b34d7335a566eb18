from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy import sparse

from fingerprint.assessment.lifecycle import SILENT, events, flag_events
from fingerprint.domain.rows import Event
from fingerprint.domain.signature import Signature, Spread, Stamp, Template

NOW = datetime(2026, 3, 10, tzinfo=UTC)


def family(name: str, *, unseen: timedelta = timedelta(0), variant_of: str | None = None) -> Signature:
    nothing = np.empty(0, dtype=np.float32)
    return Signature(
        family_id=name,
        kind="template",
        template=Template(()),
        grams=np.empty(0, dtype=np.uint64),
        weights=nothing,
        prototypes=nothing.reshape(0, 4),
        threshold=0.5,
        spread=Spread(9, 90, NOW - timedelta(days=20), NOW - unseen, {}),
        stamp=Stamp("1", "1", "m", "0", 4),
        variant_of=variant_of,
    )


def told(signatures: list[Signature], pool: np.ndarray, **flags: list[bool]) -> list[Event]:
    tonight = np.array([int(s.spread.last_seen == NOW) for s in signatures], dtype=np.int64)
    none = np.zeros(len(signatures), dtype=np.bool_)
    born, joined = (np.array(flags[k]) if k in flags else none for k in ("born", "joined"))
    return events(signatures, born, joined, tonight, sparse.csr_matrix(pool.astype(np.float64)), NOW)


def test_births_and_new_wordings() -> None:
    signatures = [family("a"), family("b"), family("c", variant_of="a")]
    found = told(signatures, np.ones((3, 9)), born=[False, True, False], joined=[False, False, True])
    assert found == [Event("b", "born"), Event("c", "merged", {"into": "a"})]


@pytest.mark.parametrize(("kept", "pivots"), [(8, True), (4, False)])
def test_a_pool_that_takes_up_a_new_template_pivots(kept: int, pivots: bool) -> None:
    pool = np.zeros((2, 30))
    pool[0, :10] = 5
    pool[1, 10 - kept : 20 - kept] = 3
    found = told([family("old", unseen=timedelta(days=1)), family("new")], pool, born=[False, True])
    assert (Event("old", "pivoted", {"to": "new"}) in found) is pivots


def test_a_pool_that_goes_on_with_its_template_does_not_pivot() -> None:
    found = told([family("old"), family("new")], np.ones((2, 10)), born=[False, True])
    assert [event.kind for event in found] == ["born"]


@pytest.mark.parametrize(("common", "others", "splits"), [(6, 0, True), (4, 0, False), (6, 8, False)])
def test_a_part_of_a_family_that_goes_on_splits_off(common: int, others: int, splits: bool) -> None:
    old = replace(family("old"), grams=np.arange(20, dtype=np.uint64))
    new = replace(family("new"), grams=np.arange(20 - common, 30 - common, dtype=np.uint64))
    pool = np.zeros((2, 30))
    pool[0, :10] = pool[1, others : 10 + others] = 5
    found = told([old, new], pool, born=[False, True])
    assert (Event("old", "split", {"off": "new"}) in found) is splits


@pytest.mark.parametrize(
    ("unseen", "dies"),
    [
        (SILENT - timedelta(hours=1), False),
        (SILENT + timedelta(hours=1), True),
        (SILENT + timedelta(days=2), False),
    ],
)
def test_a_death_is_told_once(unseen: timedelta, dies: bool) -> None:
    assert [e.kind for e in told([family("a", unseen=unseen)], np.ones((1, 9)))] == ["died"] * dies


def test_variants_do_not_die_apart_from_their_family() -> None:
    silent = replace(
        family("v", variant_of="a"), spread=family("v", unseen=SILENT + timedelta(hours=2)).spread
    )
    assert told([silent], np.ones((1, 9))) == []


def test_flags_come_and_go_and_what_analysts_said_is_no_news() -> None:
    flagged = [replace(family(name), flagged=True) for name in ("new", "old", "labelled")]
    flagged[2] = replace(flagged[2], label="campaign")
    wording = replace(family("wording", variant_of="new"), flagged=True)
    signatures = [*flagged, wording, family("calm"), family("gone")]
    assert flag_events(signatures, {"old", "gone"}) == [Event("new", "flagged"), Event("gone", "cleared")]
