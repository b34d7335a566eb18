"""What is done about a match: an operator's rules over label, score and account; without any, only looking on.

A policy is a TOML file:

    default = "observe"            # of matches that no rule is about
    unparsed = "mark"              # of gateways' requests in which no text is found: pass, mark, block

    [[rule]]                       # the first rule that holds in all its parts decides
    name = "known campaigns"
    label = ["campaign"]           # "none": a family without a label
    campaign = ["c5776d2826a"]
    min_score = 0.9
    account = ["team-*"]           # shell patterns; "none": a request without an account
    not_account = ["staff-*"]
    known_sender = true
    gateway = ["litellm"]          # who asked: api, litellm, envoy; LiteLLM cannot throttle or mark
    decision = "block"             # observe, throttle, mark, block
    reason = "This use is not permitted."   # told to the client by a gateway that blocks
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, get_args

from fingerprint.domain.errors import UsageError
from fingerprint.domain.results import Match
from fingerprint.domain.vocabulary import NO_LABEL

Action = Literal["observe", "throttle", "mark", "block"]
ACTIONS: tuple[str, ...] = get_args(Action)
Gateway = Literal["api", "litellm", "envoy"]
GATEWAYS: tuple[str, ...] = get_args(Gateway)

REFUSED = "This request is not permitted by the provider's usage policy."
"""What a client is told when a rule gives no reason; it names no family."""


UNREADABLE = "This request cannot be read, so it is not passed on."
"""What a client is told when unparsed = "block"."""

Unparsed = Literal["pass", "mark", "block"]
UNPARSED: tuple[str, ...] = get_args(Unparsed)
"""What is done about a gateway's request in which no text is found."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a request, and the name of the rule that said so (None: no match, or the default)."""

    action: Action
    rule: str | None = None
    reason: str = REFUSED


NOTHING = Decision("observe")


@dataclass(frozen=True, slots=True)
class Rule:
    """Conditions that must all hold, an absent one always does; and what follows."""

    name: str
    decision: Action
    label: tuple[str, ...] = ()
    campaign: tuple[str, ...] = ()
    account: tuple[str, ...] = ()
    not_account: tuple[str, ...] = ()
    min_score: float = 0.0
    known_sender: bool | None = None
    gateway: tuple[str, ...] = ()
    reason: str = REFUSED

    def holds(self, match: Match, account: str | None, gateway: Gateway) -> bool:
        """Tell whether this rule is about a match that this gateway asked for."""
        return (
            (not self.gateway or gateway in self.gateway)
            and match.score >= self.min_score
            and (not self.label or (match.label or NO_LABEL) in self.label)
            and (not self.campaign or (match.campaign_id or "none") in self.campaign)
            and (not self.account or _any(account, self.account))
            and not _any(account, self.not_account)
            and (self.known_sender is None or bool(match.known_sender) == self.known_sender)
        )


@dataclass(frozen=True, slots=True)
class GatewayPolicy:
    """Rules in their order, and what is done about matches that none is about.

    unparsed: what is done about requests of a gateway in which no text is found.
    """

    rules: tuple[Rule, ...] = ()
    default: Action = "observe"
    unparsed: Unparsed = "mark"

    @classmethod
    def load(cls, path: Path) -> GatewayPolicy:
        """Read a policy's file; raises UsageError, naming the rule and what was expected of it."""
        try:
            text = path.read_bytes()
        except OSError as error:
            raise UsageError(f"{path}: a policy as TOML expected, found: {error}") from error
        return cls.read(text, str(path))

    @classmethod
    def read(cls, text: bytes, path: str) -> GatewayPolicy:
        """Read a policy from the text of the file `path`; raises UsageError as `load` does."""
        try:
            table = tomllib.loads(text.decode())
        except ValueError as error:
            raise UsageError(f"{path}: a policy as TOML expected, found: {error}") from error
        if unknown := sorted(set(table) - {"default", "unparsed", "rule"}):
            raise UsageError(f"{path}: default, unparsed and [[rule]] expected, {unknown[0]} found")
        rules = table.get("rule", [])
        if not isinstance(rules, list):
            raise UsageError(f"{path}: [[rule]] expected, [rule] found")
        default = _action(f"{path}: default", table.get("default", "observe"))
        unparsed = _one_of(f"{path}: unparsed", table.get("unparsed", "mark"), UNPARSED)
        return cls(tuple(_rule(path, n, rule) for n, rule in enumerate(rules, 1)), default, unparsed)  # type: ignore[arg-type]

    def decide(self, match: Match, account: str | None, gateway: Gateway) -> Decision:
        """Decide what is done about a request that this gateway asked for."""
        if match.family_id is None:
            return NOTHING
        for rule in self.rules:
            if rule.holds(match, account, gateway):
                return Decision(rule.decision, rule.name, rule.reason)
        return Decision(self.default)


def _any(account: str | None, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase("none" if account is None else account, pattern) for pattern in patterns)


_KINDS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "name": (str, "text"),
    "reason": (str, "text"),
    "min_score": ((int, float), "a number"),
    "known_sender": (bool, "true or false"),
}


def _rule(path: str, number: int, given: dict[str, Any]) -> Rule:
    where = f"{path}: rule {number}"
    known = {field.name for field in fields(Rule)}
    if unknown := sorted(set(given) - known):
        raise UsageError(f"{where}: one of {', '.join(sorted(known))} expected, {unknown[0]} found")
    if "decision" not in given:
        raise UsageError(f"{where}: a decision expected, none found")
    values: dict[str, Any] = {"name": f"rule {number}"}
    for name, value in given.items():
        if name == "decision":
            values[name] = _action(f"{where}, {name}", value)
        elif name in _KINDS:
            kind, words = _KINDS[name]
            if not isinstance(value, kind):
                raise UsageError(f"{where}, {name}: {words} expected, {value!r} found")
            values[name] = value
        else:
            values[name] = _words(f"{where}, {name}", value)
    if unknown := sorted(set(values.get("gateway", ())) - set(GATEWAYS)):
        raise UsageError(f"{where}, gateway: {', '.join(GATEWAYS)} expected, {unknown[0]} found")
    return Rule(**values)


def _words(where: str, value: object) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise UsageError(f"{where}: text or a list of texts expected, {value!r} found")
    return tuple(items)


def _action(where: str, value: object) -> Action:
    action: Action = _one_of(where, value, ACTIONS)  # type: ignore[assignment]
    return action


def _one_of(where: str, value: object, words: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in words:
        raise UsageError(f"{where}: one of {', '.join(words)} expected, {value!r} found")
    return value
