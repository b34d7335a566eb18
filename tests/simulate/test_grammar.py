"""The rules that simulated text is made of."""

from __future__ import annotations

from fingerprint.simulate.grammar import Grammar


def test_a_run_that_is_there_keeps_its_numbers() -> None:
    grammar = Grammar()
    first = grammar.add_run("wordings", ["a", "b", "c"])
    other = grammar.add("other", ["d"])
    assert other == first + 3
    assert grammar.add_run("wordings", ["a", "b", "c"]) == first
    assert grammar.add_run("more", ["e", "f"]) == other + 1
