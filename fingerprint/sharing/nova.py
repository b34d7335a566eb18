r"""NOVA rules (nova-hunting): keyword regexes of a signature's phrases, and how many of them must be found.

NOVA reads rules line by line and unescapes nothing, so a pattern is a regex of ASCII letters, digits, classes and
\u escapes only: nothing in it can end a string, a line, a rule or a comment.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fingerprint.domain.signature import Signature
from fingerprint.sharing.phrases import SLACK, Phrase, Phrases
from fingerprint.sharing.rules import RuleItem, Terms, joined_rules, rule_facts, rule_name

_APOSTROPHE = "['’]"  # typed, or made curly by an editor
_SIGN = re.compile("[^0-9A-Za-z_\x80-\U0010ffff]|’")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def write(items: Sequence[RuleItem], terms: Terms) -> bytes:
    """Write a rule for each family that has text for one."""
    return joined_rules(items, terms, nova_rule)


def nova_rule(signature: Signature, phrases: Phrases, terms: Terms) -> str:
    """Return one rule, its last line ended."""
    facts = rule_facts(signature, terms)
    return "\n".join(
        [
            f"rule {rule_name(signature.family_id)}",
            "{",
            "    meta:",
            *(f'        {name} = "{value}"' for name, value in facts.items()),
            "",
            "    keywords:",
            *(f"        $p{n:02d} = /{regex(p)}/i" for n, p in enumerate(phrases.phrases, 1)),
            "",
            "    condition:",
            f"        {phrases.needed} of keywords",
            "}",
            "",
        ]
    )


def regex(phrase: Phrase, *, ascii_only: bool = True) -> str:
    """Return a phrase as a regex to be searched for without regard to case, in ASCII by Python's escapes."""
    out = _escaped(phrase.words[0], ascii_only)
    for gap, word in zip(phrase.gaps, phrase.words[1:], strict=True):
        # signs that are letters to Python, as the modifier apostrophe, only where the template has them
        letters = "".join(sorted({c for c in gap if c.isalnum()}))
        # bounded, for NOVA sets regexes no time limit
        count = f"{{{min(len(gap), 1)},{len(gap) + SLACK}}}"
        out += rf"[\W_{_escaped(letters, ascii_only)}]{count}{_escaped(word, ascii_only)}"
    return out


def _escaped(word: str, ascii_only: bool) -> str:
    signs = _SIGN.sub(lambda match: _APOSTROPHE if match[0] in "'’" else f"\\x{ord(match[0]):02x}", word)
    return _NOT_ASCII.sub(_code, signs) if ascii_only else signs


def _code(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
