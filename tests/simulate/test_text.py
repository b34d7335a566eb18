"""Templates share little with each other and with their rewordings, and words have their forms."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from support.simulated import grams

from fingerprint.simulate.families import LANGUAGES, MOST_SHARED, Composer, register, written
from fingerprint.simulate.grammar import Grammar, alias_table
from fingerprint.simulate.morphology import gerund, past, plural
from fingerprint.simulate.reword import places, wordings
from fingerprint.simulate.world import RULE_FILES


def test_rules_reword_every_template_and_not_its_slots() -> None:
    chosen = [family for family in written("campaigns.txt") if not family.weak]
    for family in chosen:
        assert places(family.sentences) > 0.35
        texts = wordings(family.sentences, 3)
        assert len(set(texts)) == 3
        whole = " ".join(family.sentences)
        slots = re.findall("«[^»]*»", whole)
        for text in texts:
            assert sorted(re.findall("«[^»]*»", text)) == sorted(slots)
            assert not re.search("[\x01\x02\ue000-\uf8ff]| {2}", text)
            own, new = (grams(re.sub("«[^»]*»", "…", said)) for said in (whole, text))
            assert len(own & new) < 0.5 * len(own)


def test_hand_written_families_compile_and_differ() -> None:
    families = written("campaigns.txt") + written("honest.txt")
    assert sum(family.kind == "campaign" for family in families) >= 24
    assert sum(len(family.paraphrases) >= 6 for family in families) >= 8
    assert sum(len(family.translations) == len(LANGUAGES) for family in families) >= 6
    composer = Composer(1)
    assert [family.name for family in families if not composer.admit(family)] == []
    grammar = Grammar()
    for file in RULE_FILES:
        grammar.declare(
            Path(__file__).parents[2].joinpath("fingerprint/simulate/text", file).read_text("utf-8")
        )
    declared = set(grammar._names)
    for family in families:
        register(grammar, family)
        assert family.body in declared
        for text in (*family.paraphrases, *family.translations):
            assert "«" not in text


def test_composed_families_share_little() -> None:
    composer = Composer(3)
    source = composer.families("campaign", "x")
    texts = [grams(" ".join(next(source).sentences)) for _ in range(150)]
    worst = max(len(a & b) / min(len(a), len(b)) for i, a in enumerate(texts) for b in texts[:i])
    assert worst < MOST_SHARED


def test_word_forms() -> None:
    assert [plural(word) for word in ("box", "city", "day", "cat")] == ["boxes", "cities", "days", "cats"]
    assert [past(word) for word in ("bake", "carry", "play", "mix")] == [
        "baked",
        "carried",
        "played",
        "mixed",
    ]
    assert [gerund(word) for word in ("bake", "agree", "play")] == ["baking", "agreeing", "playing"]


def test_alias_table_keeps_the_weights() -> None:
    accept, other = alias_table([5, 1, 3, 1])
    share: npt.NDArray[np.float64] = np.zeros(4)
    for i, probability in enumerate(accept / 0xFFFFFFFF):
        share[i] += probability / 4
        share[other[i]] += (1 - probability) / 4
    assert share == pytest.approx([0.5, 0.1, 0.3, 0.1], abs=1e-6)
