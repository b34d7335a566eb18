from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from fingerprint.domain.errors import UsageError
from fingerprint.domain.results import Match
from fingerprint.service.serving.policy import NOTHING, REFUSED, Decision, Gateway, GatewayPolicy

TEXT = """
default = "mark"

[[rule]]
name = "staff"
account = ["staff-*", "none"]
decision = "observe"

[[rule]]
label = ["campaign"]
min_score = 0.9
not_account = "vip-*"
decision = "block"
reason = "No."

[[rule]]
label = "none"
known_sender = true
decision = "throttle"
"""


@pytest.fixture
def policy(tmp_path: Path) -> GatewayPolicy:
    path = tmp_path / "policy.toml"
    path.write_text(TEXT)
    return GatewayPolicy.load(path)


def match(**changes: object) -> Match:
    facts = {"family_id": "f", "candidate_id": "f", "score": 0.95, "label": "campaign", "campaign_id": "c"}
    return Match(**{**facts, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "account", "expected"),
    [
        (match(), "a", Decision("block", "rule 2", "No.")),
        (match(), "staff-7", Decision("observe", "staff")),
        (match(), None, Decision("observe", "staff")),
        (match(), "vip-1", Decision("mark")),
        (match(score=0.6), "a", Decision("mark")),
        (match(label=None, known_sender=True), "a", Decision("throttle", "rule 3", REFUSED)),
        (match(label=None), "a", Decision("mark")),
        (match(family_id=None), "a", NOTHING),
    ],
)
def test_the_first_rule_that_holds_decides(
    policy: GatewayPolicy, found: Match, account: str | None, expected: Decision
) -> None:
    assert policy.decide(found, account, "api") == expected


def test_a_rule_may_be_for_one_gateway_only(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("""
[[rule]]
gateway = "litellm"
decision = "block"

[[rule]]
gateway = ["api", "envoy"]
decision = "throttle"
""")
    policy = GatewayPolicy.load(path)
    decided = {gateway: policy.decide(match(), "a", gateway).action for gateway in get_args(Gateway)}
    assert decided == {"api": "throttle", "litellm": "block", "envoy": "throttle"}


def test_without_a_policy_all_is_only_looked_at() -> None:
    assert GatewayPolicy().decide(match(), "a", "api") == Decision("observe")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rule", "a policy as TOML expected"),
        ("other = 1", r"default, unparsed and \[\[rule\]\] expected, other found"),
        ('default = "kill"', "one of observe, throttle, mark, block expected, 'kill' found"),
        ("[[rule]]\nlabel='x'", "rule 1: a decision expected, none found"),
        ("[[rule]]\ndecision='block'\nlable='x'", "rule 1: one of .* expected, lable found"),
        ("[[rule]]\ndecision='block'\nmin_score='x'", "min_score: a number expected, 'x' found"),
        (
            "[[rule]]\ndecision='block'\naccount=[1]",
            r"account: text or a list of texts expected, \[1\] found",
        ),
        (
            "[[rule]]\ndecision='block'\ngateway='kong'",
            "rule 1, gateway: api, litellm, envoy expected, kong found",
        ),
        ("[rule]\ndecision='block'", r"\[\[rule\]\] expected, \[rule\] found"),
    ],
)
def test_a_wrong_policy_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        GatewayPolicy.load(path)
    with pytest.raises(UsageError, match="a policy as TOML expected"):
        GatewayPolicy.load(tmp_path / "absent.toml")
