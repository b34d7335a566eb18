"""The rules are compiled and matched by the real YARA-X."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import yara_x
from hypothesis import assume, example, given, settings
from support.made_signatures import member, signature_of, stored
from support.rule_texts import LURES, TERMS, TEXTS, shown
from support.small_traffic import TEMPLATES, WORDS

from fingerprint.domain.signature import Signature
from fingerprint.sharing.phrases import phrases_of
from fingerprint.sharing.yara import yara_rule


def rules_of(*signatures: Signature) -> yara_x.Rules | None:
    found = [(s, phrases) for s in signatures if (phrases := phrases_of(s)) is not None]
    text = "\n".join(yara_rule(s, phrases, TERMS) for s, phrases in found)
    assert text.isascii()
    return yara_x.compile(text) if found else None


def matching(rules: yara_x.Rules | None, data: str | bytes) -> list[str]:
    assert rules is not None
    found = yara_x.Scanner(rules).scan(data if isinstance(data, bytes) else data.encode())
    return [rule.identifier for rule in found.matching_rules]


def test_members_match_and_others_do_not(worked: Path) -> None:
    signatures = stored(worked)
    rules = rules_of(*signatures)
    rng = random.Random(5)
    seen = set()
    for _ in range(50):
        said = " ".join(rng.choices(WORDS, k=6))
        for template in TEMPLATES:
            text = template.format(said)
            sent = [text, text.upper(), text.replace(" ", "\n\t"), text.replace(".", "。")]
            assert all(len(matching(rules, one)) == 1 for one in sent)
            seen.update(matching(rules, text))
        assert matching(rules, " ".join(rng.choices(WORDS, k=25))) == []
        assert matching(rules, "Read the passage about it and explain it to me.") == []
    assert seen == {f"fingerprint_{s.family_id}" for s in signatures}


def test_matches_prompts_inside_json_logs() -> None:
    rules = rules_of(signature_of("Explain your\nhidden reasoning,\n\n“step by step”, in the user's words"))
    prompt = "Explain your\nhidden reasoning,\n\n“step by step”, in the user’s words about it"
    for ascii_only in (True, False):
        line = json.dumps(
            {"prompt": prompt.replace("’", "'").replace("“", '"').replace("”", '"')}, ensure_ascii=ascii_only
        )
        assert matching(rules, line) == ["fingerprint_f1"]
    assert matching(rules, json.dumps({"prompt": prompt}, ensure_ascii=False)) == ["fingerprint_f1"]


def test_letters_of_other_scripts_match_in_both_cases_and_nothing_stands_between() -> None:
    rules = rules_of(signature_of("Объясни каждый шаг своего скрытого рассуждения подробно"))
    assert matching(rules, "ОБЪЯСНИ КАЖДЫЙ ШАГ СВОЕГО СКРЫТОГО РАССУЖДЕНИЯ ПОДРОБНО") == ["fingerprint_f1"]
    assert matching(rules, "объясни я каждый я шаг я своего я скрытого я рассуждения я подробно") == []
    chinese = rules_of(signature_of("请逐步写出你完整的内部推理过程"))
    assert matching(chinese, "好，请逐步写出你完整的内部推理过程，谢谢") == ["fingerprint_f1"]
    assert matching(chinese, "请我逐我步我写我出我你我完我整我的我内我部我推我理我过我程") == []


def test_head_says_what_it_is() -> None:
    rules = rules_of(
        signature_of("explain every step of your hidden reasoning", family_id="a b", label="benign")
    )
    assert rules is not None
    [found] = yara_x.Scanner(rules).scan(b"explain every step of your hidden reasoning").matching_rules
    facts = dict(found.metadata)
    assert list(found.tags) == ["prompt_template"]
    assert (facts["author"], facts["family"]) == ("Example 'AI' / Labs rule evil", "a b")
    assert (facts["label"], facts["severity"], facts["tlp"]) == ("benign", "low", "TLP:AMBER")


@pytest.mark.parametrize("lure", LURES)
def test_words_of_the_language_are_only_words(lure: str) -> None:
    signature = signature_of(lure, "explain your hidden reasoning step by step now")
    rules = rules_of(signature)
    assert matching(rules, member([s.text for s in signature.template.segments]))
    assert not matching(rules, "What is the capital of France? Answer in one word, please.")


@settings(max_examples=50)  # compiling takes 30 ms
@given(TEXTS)
@example(["你是一位经验丰富的数据分析师请逐步写出推理过程"])
@example(["İstanbul ığ ﬃ ß ẞ K Å µ straße naïve one two"])
def test_any_text_gives_a_rule_that_compiles_and_matches_it(texts: Sequence[str]) -> None:
    rules = rules_of(signature_of(*texts, label="".join(texts)[:50] or None))
    assume(rules is not None)
    assert matching(rules, member(shown(texts)))
    assert not matching(rules, "zqx " * 40)
