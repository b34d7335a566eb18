from __future__ import annotations

from fingerprint.domain.signature import Reason
from fingerprint.domain.verdict_line import campaign_verdict, verdict_line

LIST = Reason("dealt", 1.3, 4.3, "", "work through one list")
MINUTES = Reason("synchrony", 12.0, 3.2, "", "act within minutes of one another")
PAYMENT = Reason("payment", 5.0, 2.0, "", "share payment hashes")
TOPICS = Reason("topics", 4.0, -4.7, "", "have topics of their own")
PRIOR = Reason("prior", 1.0, -3.0, "most templates are honest")
LITTLE = Reason("alike", 1.0, 0.2, "", "are alike in size")


def test_the_strongest_reasons_make_one_sentence() -> None:
    line = verdict_line([PAYMENT, LIST, PRIOR, LITTLE, MINUTES], 1_420, flagged=True)
    assert line == (
        "1,420 accounts work through one list, act within minutes of one another and share payment hashes"
    )


def test_the_other_side_is_told_after_it() -> None:
    assert verdict_line([MINUTES, TOPICS], 72, flagged=False) == (
        "72 accounts have topics of their own, but act within minutes of one another"
    )
    assert verdict_line([LIST, TOPICS], 72, flagged=True) == (
        "72 accounts work through one list, but have topics of their own"
    )


def test_a_family_of_which_nothing_is_known_has_a_sentence_too() -> None:
    assert verdict_line([PRIOR, LITTLE], 9, flagged=False) == (
        "9 accounts: nothing was seen that tells a campaign from other senders"
    )
    assert verdict_line([LIST], 9, flagged=False) == "9 accounts work through one list"
    assert verdict_line([LIST], 1, flagged=True) == "1 account: work through one list"


def test_a_campaign_has_the_sentence_that_most_of_its_requests_bear_out() -> None:
    large, small = [MINUTES, PAYMENT, PRIOR], [LIST, TOPICS, PRIOR]
    assert campaign_verdict([(large, 900), (small, 100)], 80, flagged=True) == (
        "80 accounts act within minutes of one another and share payment hashes"
    )
    assert campaign_verdict([(large, 100), (small, 900)], 80, flagged=True) == (
        "80 accounts work through one list, but have topics of their own"
    )
    assert "nothing was seen" in campaign_verdict([], 80, flagged=True)
