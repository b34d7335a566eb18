"""Evasions by name: what each does, what its strength means, and which go together."""

from __future__ import annotations

from dataclasses import dataclass

from fingerprint.domain.errors import UsageError

MEANING = {
    "nonce": "1 to 8 random ids, hashes or times at the ends of the prompt",
    "scatter": "nonces between words, up to one after every second word",
    "case": "4 to 44 % of the letters in the other case, as much of spacing and punctuation changed",
    "homoglyph": "the share of letters that give way to look-alikes",
    "invisible": "characters that cannot be seen, up to one after every second letter",
    "inject_start": "the instruction before a genuine text of 60, 250, 500 or 1,100 words",
    "inject_middle": "the instruction inside a genuine text of 60, 250, 500 or 1,100 words",
    "inject_end": "the instruction after a genuine text of 60, 250, 500 or 1,100 words",
    "swap": "the share of sentences that move from the user's turn to the system prompt, or back",
    "shuffle": "the share of sentences in random order, another for each request",
    "drop": "the share of sentences left out, others in each request",
    "reword": "the share of words and constructions changed by rule, anew in each request",
    "paraphrase": "the share of up to 8 whole rewordings that is in use",
    "translation": "the number of languages in use, up to 4",
    "payload_domination": "a payload of 500, 750, 1,000 or 1,400 words after the template",
}
"""What a strength from 0 to 1 means, weakest to strongest."""

EVASIONS = tuple(MEANING)
CHARACTERS = ("nonce", "scatter", "case", "homoglyph", "invisible")
"""Evasions that do not care what the text says."""

MIX = (
    "nonce",
    "case",
    "homoglyph",
    "inject_start",
    "inject_middle",
    "inject_end",
    "swap",
    "shuffle",
    "paraphrase",
    "translation",
    "payload_domination",
    "inject_start+homoglyph",
    "payload_domination+case",
    "paraphrase+nonce",
    "inject_end+nonce",
)
"""What the name `mix` stands for."""

_PLACES = {"inject_start", "inject_middle", "inject_end", "swap", "payload_domination"}
_WHOLE = {"paraphrase", "translation"}
_EXCLUSIVE = (_PLACES, _WHOLE | {"shuffle"}, _WHOLE | {"drop"}, _WHOLE | {"reword"})
"""Of each of these an evasion does one at most."""


@dataclass(frozen=True, slots=True)
class Evasion:
    """One or several evasions done at once, at one strength from 0 to 1."""

    parts: tuple[str, ...]
    strength: float

    @property
    def label(self) -> str:
        """How the truth names it."""
        return "+".join(self.parts) or "none"

    def one_of(self, *names: str) -> str | None:
        """Return the part that is one of these, None if there is none."""
        return next((part for part in self.parts if part in names), None)

    @property
    def place(self) -> str | None:
        """The part that says where the template stands."""
        return self.one_of(*_PLACES)


AS_WRITTEN = Evasion((), 0.0)


def parse(text: str, strength: float) -> tuple[Evasion, ...]:
    """Read `none`, or names with commas between, each `a`, `a+b` or `mix`, and each `:0.3` where it differs from strength.

    Raises UsageError for a name, a strength or a combination that there is not.
    """
    evasions: list[Evasion] = []
    for item in text.split(","):
        name, colon, given = item.strip().partition(":")
        force = _strength(given) if colon else strength
        if name == "none":
            continue
        names = MIX if name == "mix" else (name,)
        evasions.extend(Evasion(_parts(each), force) for each in names)
    return tuple(evasions)


def _strength(given: str) -> float:
    try:
        strength = float(given)
    except ValueError:
        strength = -1.0
    if not 0 <= strength <= 1:
        raise UsageError(f"evasion: a strength from 0 to 1 after the colon expected, {given!r} found")
    return strength


def _parts(name: str) -> tuple[str, ...]:
    parts = tuple(name.split("+"))
    if any(part not in EVASIONS for part in parts):
        raise UsageError(f"evasion: none, mix or {', '.join(EVASIONS)} expected, {name!r} found")
    for group in _EXCLUSIVE:
        exclusive = [part for part in parts if part in group]
        if len(exclusive) > 1:
            raise UsageError(
                f"evasion: one of {', '.join(exclusive)} expected in {name!r}, {len(exclusive)} found"
            )
    if len(set(parts)) < len(parts):
        raise UsageError(f"evasion: each part once expected, {name!r} found")
    return parts
