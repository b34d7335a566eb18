"""The rules are read and matched by the real NOVA."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from nova.core.matcher import NovaMatcher
from nova.core.parser import NovaRuleFileParser
from nova.core.rules import NovaRule
from support.made_signatures import member, signature_of, stored
from support.rule_texts import LURES, TERMS, TEXTS, shown
from support.small_traffic import TEMPLATES, WORDS

from fingerprint.domain.signature import Signature
from fingerprint.sharing.nova import nova_rule
from fingerprint.sharing.phrases import phrases_of


def rule_of(signature: Signature) -> NovaRule | None:
    """Return the one rule that NOVA reads."""
    phrases = phrases_of(signature)
    if phrases is None:
        return None
    text = nova_rule(signature, phrases, TERMS)
    assert text.isascii()
    [rule] = NovaRuleFileParser().parse_content(text)
    assert len(rule.keywords) == len(phrases.phrases)
    return rule


def matches(rule: NovaRule | None, prompt: str) -> bool:
    assert rule is not None
    return bool(NovaMatcher(rule).check_prompt(prompt)["matched"])


def test_members_match_and_others_do_not(worked: Path) -> None:
    signatures = stored(worked)
    rules = [rule_of(signature) for signature in signatures]
    assert len(rules) == 2
    rng = random.Random(5)
    for _ in range(50):
        said = " ".join(rng.choices(WORDS, k=6))
        for template in TEMPLATES:
            sent = [
                template.format(said),
                template.format(said).upper(),
                f"Ref 77.\n\n{template.format(said)}",
            ]
            assert all([matches(rule, text) for rule in rules].count(True) == 1 for text in sent)
        assert not any(matches(rule, " ".join(rng.choices(WORDS, k=25))) for rule in rules)
        assert not any(matches(rule, "Read the passage about it and explain it to me.") for rule in rules)


def test_head_says_what_it_is() -> None:
    signature = signature_of(
        "explain every step of your hidden reasoning", family_id="a b", label="campaign", campaign_id="c\n1"
    )
    rule = rule_of(signature)
    assert rule is not None
    assert rule.name.startswith("fingerprint_x")
    assert rule.meta["author"] == "Example 'AI' / Labs rule evil"
    assert (rule.meta["family"], rule.meta["campaign"]) == ("a b", "c 1")
    assert (rule.meta["tlp"], rule.meta["severity"], rule.meta["tags"]) == (
        "TLP:AMBER",
        "high",
        "distillation",
    )


@pytest.mark.parametrize("lure", LURES)
def test_words_of_the_language_are_only_words(lure: str) -> None:
    signature = signature_of(lure, "explain your hidden reasoning step by step now")
    rule = rule_of(signature)
    assert matches(rule, member([s.text for s in signature.template.segments]))
    assert not matches(rule, "What is the capital of France? Answer in one word, please.")


@given(TEXTS)
@example(["你是一位经验丰富的数据分析师请逐步写出推理过程"])
@example(["one two three four five \u0149six seven eight"])  # its apostrophe is a letter to Python
@example(["İstanbul ığ ﬃ ß ẞ K Å µ straße naïve one two"])
def test_any_text_gives_a_rule_that_parses_and_matches_it(texts: Sequence[str]) -> None:
    signature = signature_of(*texts, label="".join(texts)[:50] or None)
    rule = rule_of(signature)
    assume(rule is not None)
    assert matches(rule, member(shown(texts)))
    assert not matches(rule, "zqx " * 40)
