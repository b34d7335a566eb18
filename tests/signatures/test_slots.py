"""What fills a slot: how many values, how long, of which kind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.signatures.slots import slot, slot_kind
from fingerprint.text.masking import unmask


def described(values: list[str]) -> object:
    data = np.frombuffer("|".join(values).encode() + b"|", np.uint8)
    ends = np.cumsum([len(value.encode()) + 1 for value in values]) - 1
    begins = np.concatenate([[0], ends[:-1] + 1])
    return slot(data, begins.astype(np.int64), ends.astype(np.int64), unmask)


@given(
    values=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="|\uf8ff"), max_size=10), min_size=2
    )
)
def test_values_are_counted_and_measured_in_characters(values: list[str]) -> None:
    made = described(values)
    lengths = [len(value) for value in values]
    assert (made.distinct, made.shortest, made.longest) == (len(set(values)), min(lengths), max(lengths))


def test_fewer_than_two_values_make_no_slot() -> None:
    assert described(["one"]) is None


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["12", "3,400.50", "2026-03-02"], "number"),
        (["⟨number⟩", "⟨date⟩ ⟨time⟩"], "number"),
        (["⟨uuid⟩", "⟨email⟩"], "text"),
        (["the cat sat", "on 12 mats", "by itself"], "text"),
        (["if (x[0] == 1) { return; }", "a = b->c;"], "code"),
        (["猫が座った", "Кошка сидела", "a cat"], "language"),
        # the kind of most values, not of the longest
        (["12", "13", "x" * 100], "number"),
        (["", ""], "text"),
    ],
)
def test_kinds(values: list[str], kind: str) -> None:
    assert slot_kind(values) == kind
