"""Profiles of families: in words, together, and as JSON."""

from __future__ import annotations

import json

from fingerprint.domain.profile import OTHER, Profile, Share, from_json, largest, merged, to_json

ONE = Profile(
    30,
    models=(Share("small", 0.7), Share("large", 0.2), Share(OTHER, 0.1)),
    languages=(Share("English", 1.0),),
    tools=(Share("none", 0.5), Share("9f31c2aa00000000", 0.496), Share(OTHER, 0.004)),
    tool_sets=3,
)


def test_it_is_told_in_words() -> None:
    assert ONE.facts() == [
        ("languages", "English"),
        ("models", "small 70 %, large 20 %, other 10 %"),
        ("tools", "3 different sets: none 50 %, set 9f31c2aa 50 %, other under 1 %"),
    ]
    assert Profile(3).facts() == []
    assert Profile(3, tools=(Share("none", 1.0),)).facts() == [("tools", "none")]


def test_the_largest_are_named_and_the_rest_is_one_share() -> None:
    shares = [Share("a", 0.2), Share(OTHER, 0.1), Share("b", 0.4), Share("c", 0.3)]
    named = largest(shares, 2)
    assert [s.name for s in named] == ["b", "c", OTHER]
    assert round(named[-1].share, 6) == 0.3


def test_families_together_weigh_by_their_conversations() -> None:
    other = Profile(10, models=(Share("large", 1.0),), tool_sets=5)
    both = merged([ONE, other], 5)
    assert both is not None
    assert [(s.name, round(s.share, 3)) for s in both.models] == [
        ("small", 0.525),
        ("large", 0.4),
        (OTHER, 0.075),
    ]
    assert both.languages == ONE.languages  # what one does not know the other tells
    assert (both.conversations, both.tool_sets) == (40, 5)
    assert merged([], 5) is None


def test_it_is_read_back_from_json() -> None:
    assert from_json(json.loads(json.dumps(to_json(ONE)))) == ONE
    assert from_json(to_json(None)) is None
