from __future__ import annotations

import numpy as np
import pyarrow as pa
from scipy import sparse

from fingerprint.evidence.null_models import Trait
from fingerprint.evidence.slot_values import SLOTS, Fillings, coverage, fillings, repeats
from fingerprint.text.ngrams import shingle
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import tokens


def filled(texts: list[str], template: str, label: list[int] | None = None) -> Fillings:
    def shingled(lines: list[str]) -> tuple[object, ...]:
        found = tokens(normalise(pa.array(lines, pa.large_string())))
        return found, shingle(found.hashes, found.section, found.row_offsets)

    _, core = shingled([template])
    found, mine = shingled(texts)
    labels = np.array(label or [0] * len(texts), dtype=np.int32)
    return fillings(mine, found.hashes, found.row_offsets, labels, [np.sort(core.hashes)])  # type: ignore[attr-defined]


FIXED = "write down all that you know on this subject"


def test_what_stands_beside_the_template_is_the_filling() -> None:
    found = filled(
        [f"{FIXED} red rivers", f"{FIXED} red rivers", f"{FIXED} blue", f"Well {FIXED} blue", "other words"],
        FIXED,
        [0, 0, 0, 0, -1],
    )
    assert found.whole[0] == found.whole[1] != found.whole[2]
    assert found.whole[2] != found.whole[3]
    assert found.slots[2, 0] == found.slots[3, 1] != 0
    assert found.whole[4] == 0
    assert not found.slots[4].any()


def rows_of(sizes: list[int]) -> sparse.csr_matrix:
    ends = np.cumsum([0, *sizes])
    return sparse.csr_matrix((np.ones(ends[-1]), np.arange(ends[-1]), ends), shape=(len(sizes), ends[-1]))


def repeated(random: np.random.Generator, values: list[int]) -> Trait:
    """Families of 200 requests whose fillings are drawn from so many."""
    filling = np.concatenate([random.integers(v, size=200) + 10**6 * f for f, v in enumerate(values)])
    account = random.integers(40, size=len(filling)).astype(np.int32)
    return repeats(rows_of([200] * len(values)), account, filling.astype(np.uint64))


def test_fillings_that_never_come_back_differ_from_those_of_others() -> None:
    found = repeated(np.random.default_rng(1), [10**5, *[400] * 20])
    assert found.value[0] < 3 < 30 < found.expected[0]
    assert found.evidence[0] > 1
    assert (found.evidence[1:] > 1).mean() <= 0.1


def test_where_nothing_comes_back_nothing_is_told() -> None:
    found = repeated(np.random.default_rng(2), [10**9] * 5)
    assert (found.evidence < 0.5).all()
    only = repeats(rows_of([3]), np.zeros(3, np.int32), np.ones(3, np.uint64))
    assert only.evidence.tolist() == [0]


def covered(values: list[np.ndarray]) -> Trait:
    slots = np.zeros((sum(map(len, values)), SLOTS), dtype=np.uint64)
    slots[:, 1] = np.concatenate(values).astype(np.uint64) + 1
    return coverage(rows_of([len(v) for v in values]), slots)


def test_random_choice_from_a_list_is_no_evidence() -> None:
    random = np.random.default_rng(3)
    for size, values in ((60, 20), (200, 50), (200, 130)):
        found = covered([random.integers(values, size=size) for _ in range(500)])
        assert (found.evidence > 2).mean() <= 0.02
    skewed = covered([random.zipf(1.5, 200).clip(max=40) for _ in range(100)])
    assert skewed.evidence.max() < 1


def test_a_list_that_is_worked_through_is_evenly_covered() -> None:
    random = np.random.default_rng(4)
    found = covered([random.permutation(np.resize(np.arange(30), 150)), np.arange(5)])
    assert found.value[0] < 0.1
    assert found.evidence[0] > 5
    assert np.isnan(found.value[1])
