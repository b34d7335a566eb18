from __future__ import annotations

from dataclasses import replace

from support.made_signatures import signature_of

from fingerprint.assessment.campaign_names import asks_for, campaign_name, family_name
from fingerprint.assessment.features import SCORE_FEATURES
from fingerprint.domain.signature import Reason, Signature
from fingerprint.domain.vocabulary import INTENT
from fingerprint.domain.word_pairs import word_pair
from fingerprint.evidence.intents import catalogue

WORDS = next(feature.words for feature in SCORE_FEATURES if feature.name == INTENT)


def asking(family_id: str, wanted: str | None, requests: int = 10) -> Signature:
    reasons = [Reason("pool", 1.0, 0.1, "sent by 9 accounts")]
    if wanted is not None:
        words = WORDS.format(name=wanted, value="0.71", expected="0.45")
        reasons.append(Reason(INTENT, 0.8, 0.8, words))
    signature = signature_of("Rate the answer", family_id=family_id)
    return replace(signature, reasons=tuple(reasons), spread=replace(signature.spread, requests=requests))


def test_every_intent_is_read_off_the_reason_that_names_it() -> None:
    for intent in catalogue():
        assert asks_for(asking("f1", intent.name).reasons) == intent.name
    assert asks_for(asking("f1", None).reasons) is None


def test_a_campaign_is_named_by_what_most_of_its_requests_ask_for() -> None:
    members = [asking("f1", "grades", 10), asking("f2", "traces", 15), asking("f3", "grades", 10)]
    assert campaign_name("c0123456789", members) == f"grades · {word_pair('c0123456789')}"
    assert campaign_name("c0123456789", [asking("f1", None)]) == word_pair("c0123456789")


def test_a_family_has_its_own_words() -> None:
    assert family_name(asking("f0123456789ab", "traces")) == f"traces · {word_pair('f0123456789ab')}"
