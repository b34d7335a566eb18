"""English word forms by rule; the word lists hold only words that the rules get right."""

from __future__ import annotations

CLASSES = ("n", "ns", "v", "vs", "vd", "vg", "a")
"""Singular, plural, base verb, third person, past, -ing form, adjective."""

_VOWELS = "aeiou"


def plural(word: str) -> str:
    """Return the plural of a noun, or the third person of a verb."""
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2] not in _VOWELS:
        return word[:-1] + "ies"
    return word + "s"


def past(word: str) -> str:
    """Return the regular past tense; a trailing `+` in the list asks for a doubled consonant."""
    if word.endswith("e"):
        return word + "d"
    if word.endswith("y") and word[-2] not in _VOWELS:
        return word[:-1] + "ied"
    return word + "ed"


def gerund(word: str) -> str:
    """Return the -ing form."""
    if word.endswith("e") and not word.endswith(("ee", "oe", "ye")):
        return word[:-1] + "ing"
    return word + "ing"


def inflect(words: dict[str, str]) -> dict[str, list[str]]:
    """Return all classes of a topic from its lists n, v and a; `plan+` gives planned and planning."""
    nouns, adjectives = words["n"].split(), words["a"].split()
    verbs = words["v"].split()
    base = [v.rstrip("+") for v in verbs]
    stems = [v[:-1] + v[-2] if v.endswith("+") else v for v in verbs]
    return {
        "n": [n.replace("_", " ") for n in nouns],
        "ns": [plural(n).replace("_", " ") for n in nouns],
        "v": base,
        "vs": [plural(v) for v in base],
        "vd": [past(v) for v in stems],
        "vg": [gerund(v) for v in stems],
        "a": adjectives,
    }
