"""What every export says of a family, whatever its format: its rule's name, and facts in words."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from fingerprint.domain.signature import Signature
from fingerprint.domain.vocabulary import SLOT
from fingerprint.sharing.phrases import Phrases

_PLAIN_ID = re.compile("[0-9A-Za-z]{1,64}")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

EXCERPT = 160
"""Characters of a template that a rule quotes."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms something is shared: Traffic Light Protocol 2.0 label, author and tags; "" and () for none.

    intrusion_set: whom confirmed campaigns are attributed to, in formats that can say so.
    """

    tlp: str
    author: str = ""
    tags: tuple[str, ...] = ()
    intrusion_set: str | None = None


@dataclass(frozen=True, slots=True)
class RuleItem:
    """A signature, what a rule looks for (None: nothing), and when it or what is said of it last changed."""

    signature: Signature
    phrases: Phrases | None
    changed: datetime


def confirmed(items: Sequence[RuleItem]) -> dict[str, list[RuleItem]]:
    """Group what analysts called a campaign's by campaign; other wordings go with their family."""
    named = {i.signature.family_id: i.signature for i in items}
    out: dict[str, list[RuleItem]] = defaultdict(list)
    for item in items:
        whose = named.get(item.signature.variant_of or "", item.signature)
        if whose.label == "campaign" and whose.campaign_id is not None:
            out[whose.campaign_id].append(item)
    return dict(sorted(out.items()))


def described(signature: Signature) -> str:
    """Describe a family in a sentence or two."""
    spread = signature.spread
    words = f"{spread.requests} requests from {spread.accounts} accounts, score {signature.score:.3f}"
    if signature.label is not None:
        words += f", labelled {signature.label}"
    return f"{words}. Template: {signature.template}" if signature.template.parts else f"{words}."


def rule_name(family_id: str) -> str:
    """Return a name of letters, digits and _ that no other family has; other ids than this project's are hashed."""
    if _PLAIN_ID.fullmatch(family_id):
        return f"fingerprint_{family_id}"
    return f"fingerprint_x{hashlib.sha256(family_id.encode()).hexdigest()[:32]}"


def rule_facts(signature: Signature, terms: Terms) -> dict[str, str]:
    """Return what a rule's head says; one-line ASCII without quotes and backslashes, for NOVA unescapes nothing."""
    facts = {
        "description": f"Prompts of the template: {str(signature.template)[:EXCERPT]}",
        "author": terms.author or "fingerprint",
        "family": signature.family_id,
        "variant_of": signature.variant_of,
        "campaign": signature.campaign_id,
        "label": signature.label,
        "tlp": f"TLP:{terms.tlp.upper()}",
        "tags": ", ".join(terms.tags),
        "severity": severity(signature),
        "score": f"{signature.score:.3f}",
        "accounts": str(signature.spread.accounts),
        "first_seen": f"{signature.spread.first_seen:%Y-%m-%d}",
        "last_seen": f"{signature.spread.last_seen:%Y-%m-%d}",
        "version": str(signature.version),
    }
    return {name: _tame(value) for name, value in facts.items() if value}


def severity(signature: Signature) -> str:
    """Return high for what analysts call a campaign's, medium for what the score does, low for others."""
    if signature.label is not None:
        return "high" if signature.label == "campaign" else "low"
    return "medium" if signature.flagged else "low"


def _tame(value: str) -> str:
    spaced = " ".join(_CONTROLS.sub(" ", value.replace(SLOT, "...")).split())
    return spaced.encode("ascii", "replace").decode().replace('"', "'").replace("\\", "/")


def joined_rules(
    items: Sequence[RuleItem], terms: Terms, rule: Callable[[Signature, Phrases, Terms], str]
) -> bytes:
    """Write a rule for each family that has text for one."""
    return "\n".join(rule(i.signature, i.phrases, terms) for i in items if i.phrases is not None).encode()
