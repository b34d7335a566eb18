from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from support.bursts import in_bursts
from support.crafted import background, batch_of, words

from fingerprint.base.types import Bools, IntArray
from fingerprint.discovery.batch import Batch
from fingerprint.discovery.families import Families
from fingerprint.discovery.proof import MIN_LONG_CORE
from fingerprint.discovery.selection import Selection, select
from fingerprint.domain.settings import Settings

POOL, OTHERS = 40, 600


def traffic() -> Batch:
    """POOL prompts that a pool sends in bursts, then OTHERS of anybody at any time."""
    random = np.random.default_rng(0)
    return batch_of(
        [*in_bursts(random, [words(random, 9) for _ in range(POOL)]), *background(random, OTHERS)]
    )


def families(sizes: list[int], members: list[range]) -> Families:
    """Make families of cores without a gram in common and of these prompts."""
    core = sparse.block_diag([np.ones((1, size)) for size in sizes], format="csr", dtype=np.float32)
    held = np.zeros((len(members), POOL + OTHERS), dtype=np.float32)
    for row, prompts in enumerate(members):
        held[row, list(prompts)] = 1
    return Families(core, sparse.csr_matrix(held), np.full(len(sizes), -1, dtype=np.int32))


def without_outline(some: Families, _: IntArray) -> Bools:
    return np.zeros(len(some), dtype=np.bool_)


def chosen(candidates: Families, batch: Batch | None = None) -> Selection:
    return select(candidates, batch or traffic(), Settings(), outline=without_outline)


def test_a_phrase_that_anybody_sends_gives_its_prompts_back() -> None:
    # the phrase has the longer core, and half of the template's prompts hold it
    found = chosen(families([14, 10], [range(20, 100), range(POOL)]))
    assert found.number.tolist() == [1]
    assert found.label.tolist() == [0] * POOL + [-1] * OTHERS
    assert found.families.members.indices.tolist() == list(range(POOL))


def test_each_prompt_goes_to_one_family() -> None:
    found = chosen(families([10, 10], [range(POOL), range(10, POOL)]))
    assert found.number.tolist() == [0]
    assert found.families.support.tolist() == [POOL]


@pytest.mark.parametrize(("outlined", "kept"), [([0, 2], [0, 2]), ([2], [2]), ([], [])])
def test_an_outline_is_asked_for_where_it_decides(outlined: list[int], kept: list[int]) -> None:
    asked: set[int] = set()

    def outline(some: Families, number: IntArray) -> Bools:
        assert len(some) == len(number)
        asked.update(number.tolist())
        return np.isin(number, outlined)

    # two long texts that anybody sends at any time, and a phrase that is too short to be a template by its outline
    batch = batch_of(background(np.random.default_rng(1), POOL + OTHERS, accounts=90))
    sizes = [2 * MIN_LONG_CORE, MIN_LONG_CORE - 1, 2 * MIN_LONG_CORE]
    found = select(
        families(sizes, [range(80), range(80, 160), range(160, 240)]), batch, Settings(), outline=outline
    )
    assert asked == {0, 2}
    assert found.number.tolist() == kept


def test_families_that_are_derived_anew_keep_their_numbers() -> None:
    candidates = families([10, 10, 10], [range(3), range(60, 63), range(POOL)])

    def renew(some: Families, assigned: sparse.csr_matrix) -> tuple[Families, IntArray]:
        rows = np.flatnonzero(np.diff(assigned.indptr) >= 8)
        return some.take(rows), rows

    found = select(candidates, traffic(), Settings(), outline=without_outline, renew=renew)
    assert found.number.tolist() == [2]


def test_nothing_to_select() -> None:
    found = chosen(families([10], [range(0)]))
    assert len(found.families) == 0
    assert found.label.tolist() == [-1] * (POOL + OTHERS)
