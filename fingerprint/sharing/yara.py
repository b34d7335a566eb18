r"""YARA rules: byte regexes of a signature's phrases, and how many of them must be found in one prompt.

YARA scans bytes. Words are matched as UTF-8, in either case; what stands between them may be signs, or the \n of a
prompt that is still inside JSON. A file of many prompts satisfies a rule with words from different ones, so scan
prompt by prompt.
"""

from __future__ import annotations

from collections.abc import Sequence

from fingerprint.domain.signature import Signature
from fingerprint.sharing.phrases import SLACK, Phrase, Phrases
from fingerprint.sharing.rules import RuleItem, Terms, joined_rules, rule_facts, rule_name

_SIGN = r"[\x00-\x2f:-@\[-`\x7b-\xbf\xc2\xe2\xe3\xef]|\\[nrt]"
"""A byte of a sign: of ASCII, or of the UTF-8 of the common punctuation and symbols; YARA's \\W is any byte of a letter
of another script."""

_LEADS = (0xC2, 0xE2, 0xE3, 0xEF)


def write(items: Sequence[RuleItem], terms: Terms) -> bytes:
    """Write a rule for each family that has text for one."""
    return joined_rules(items, terms, yara_rule)


def yara_rule(signature: Signature, phrases: Phrases, terms: Terms) -> str:
    """Return one rule, its last line ended."""
    facts = rule_facts(signature, terms)
    return "\n".join(
        [
            f"rule {rule_name(signature.family_id)} : prompt_template",
            "{",
            "    meta:",
            *(f'        {name} = "{value}"' for name, value in facts.items()),
            "    strings:",
            *(f"        $p{n:02d} = /{_regex(p)}/i" for n, p in enumerate(phrases.phrases, 1)),
            "    condition:",
            f"        {phrases.needed} of ($p*)",
            "}",
            "",
        ]
    )


def _regex(phrase: Phrase) -> str:
    out = _escaped(phrase.words[0])
    for gap, word in zip(phrase.gaps, phrase.words[1:], strict=True):
        out += _signs(gap) + _escaped(word)
    return out


def _signs(gap: str) -> str:
    """Ask for signs where the template has these, SLACK bytes more or less; rarer signs only where it has them."""
    rare = "".join(
        f"|{_bytes(c)}" for c in sorted(set(gap)) if not c.isascii() and c.encode()[0] not in _LEADS
    )
    return f"({_SIGN}{rare}){{{min(len(gap), 1)},{len(gap.encode()) + SLACK}}}"


def _escaped(word: str) -> str:
    return "".join(_escaped_character(c) for c in word)


def _escaped_character(c: str) -> str:
    if c in "'’":
        return rf"(\x27|{_bytes('’')})"
    if c.isascii():
        return c if c.isalnum() or c == "_" else f"\\x{ord(c):02x}"
    # /i folds ASCII only
    cases = sorted({c, *(other for other in (c.lower(), c.upper()) if len(other) == 1)})
    return _bytes(c) if len(cases) == 1 else f"({'|'.join(map(_bytes, cases))})"


def _bytes(c: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in c.encode())
