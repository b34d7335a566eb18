from __future__ import annotations

import numpy as np
from support.crafted import Sent, batch_of

from fingerprint.discovery.assignment import Assignment, Whole


def assignment(label: list[int], strength: list[float]) -> Assignment:
    return Assignment(np.array(label, dtype=np.int32), np.array(strength, dtype=np.float32))


def test_prompts_get_another_family_in_a_new_assignment() -> None:
    before = assignment([0, -1, -1], [0.75, 0, 0])
    after = before.with_prompts(np.array([2]), np.array([4]), 1.0)
    assert (after.label.tolist(), after.strength.tolist()) == ([0, -1, 4], [0.75, 0, 1])
    assert before.label.tolist() == [0, -1, -1]


def test_who_loses_a_family_loses_its_strength() -> None:
    # the middle one of three families is gone
    after = assignment([0, 1, 2, -1], [0.5, 0.75, 1, 0]).renumbered(np.array([0, -1, 1, -1], dtype=np.int32))
    assert (after.label.tolist(), after.strength.tolist()) == ([0, -1, 1, -1], [0.5, 0, 1, 0])
    assert after.strength.dtype == np.float32


def test_a_sample_overrules_what_text_alone_told_of_its_prompts() -> None:
    night = batch_of([Sent(text) for text in ("one", "two", "three", "four")])
    whole = Whole(night, assignment([0, 0, -1, 1], [0.5, 0.5, 0, 0.75]), np.array([1, 2]), night.texts_of)
    after = whole.carried(assignment([-1, 2], [0, 1]))
    assert (after.label.tolist(), after.strength.tolist()) == ([0, -1, 2, 1], [0.5, 0, 1, 0.75])


def test_a_batch_is_all_of_a_night() -> None:
    night = batch_of([Sent("one"), Sent("two")])
    described = assignment([1, 0], [1, 1])
    assert Whole.of(night, assignment([0, -1], [0.5, 0])).carried(described).label.tolist() == [1, 0]
