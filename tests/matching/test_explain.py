"""An answer shows which segments a prompt holds, and what stands between them as it was written."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.domain.schemas import TURN_END
from fingerprint.matching.explain import explain
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import tokens

SEGMENTS = ["please act as a reviewer", "answer in one table"]
fillings = st.lists(st.sampled_from(["silver", "bottle", "ünder", "42", "roses"]), max_size=4).map(" ".join)


def explained(text: str, segments: list[str]) -> tuple[list[float], tuple[str, ...]]:
    normal = normalise(pa.array([text], pa.large_string()))
    hits, slots = explain(normal[0].as_py(), tokens(normal), segments)
    assert [hit.text for hit in hits] == segments
    return [hit.coverage for hit in hits], slots


@given(before=fillings, between=fillings, after=fillings)
def test_slots_are_what_stands_around_the_segments(before: str, between: str, after: str) -> None:
    text = f"{before} {SEGMENTS[0].upper()}: {between} {SEGMENTS[1].title()} {after}"
    coverage, slots = explained(text, SEGMENTS)
    assert coverage == [1.0, 1.0]
    folded = normalise(pa.array([before, between, after], pa.large_string())).to_pylist()
    shown = [slot.replace("⟨number⟩", "42") for slot in slots]
    assert shown == [filling for filling in folded if filling]


def test_part_of_a_segment_is_a_share_and_makes_no_slot() -> None:
    coverage, slots = explained("please act as a pirate and sing", SEGMENTS)
    assert coverage == [0.8, 0.0]
    assert slots == ("please act as a pirate and sing",)


def test_masks_in_segments_are_found_again() -> None:
    coverage, slots = explained(
        "review of 2026-03-02 begins here with roses", ["review of ⟨date⟩ begins here"]
    )
    assert coverage == [1.0]
    assert slots == ("with roses",)


def test_segments_in_another_order_are_found_but_only_forward_text_is_a_slot() -> None:
    coverage, slots = explained(f"{SEGMENTS[1]} then {SEGMENTS[0]} end", SEGMENTS)
    assert coverage == [1.0, 1.0]
    assert slots == (f"{SEGMENTS[1]} then", "end")


@pytest.mark.parametrize("segments", [[], [""], ["!?"]])
def test_segments_without_words_are_held_by_nothing(segments: list[str]) -> None:
    coverage, slots = explained("roses", segments)
    assert coverage == [0.0] * len(segments)
    assert slots == ("roses",)


def test_turns_are_shown_as_lines() -> None:
    _, slots = explained(f"roses{TURN_END}weeds {SEGMENTS[0]}", SEGMENTS[:1])
    assert TURN_END not in slots[0]
    assert slots[0].split() == ["roses", "weeds"]
