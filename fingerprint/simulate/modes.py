"""Every way in which a template is sent: as written, and once for each evasion that it does."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fingerprint.base.types import Doubles, Ids
from fingerprint.simulate.evasion import AS_WRITTEN, Evasion
from fingerprint.simulate.families import LAYOUTS, Family
from fingerprint.simulate.grammar import Grammar
from fingerprint.simulate.render import (
    CASE,
    FIRST,
    HOMOGLYPH,
    IN_SYSTEM,
    INSIDE,
    INVISIBLE,
    LAST,
    NONCE,
    NONE,
    SCATTER,
)
from fingerprint.simulate.reword import reworded, wordings
from fingerprint.simulate.streams import Stream

_CHARACTERS = {
    "nonce": NONCE,
    "scatter": SCATTER,
    "case": CASE,
    "homoglyph": HOMOGLYPH,
    "invisible": INVISIBLE,
}
_BODIES = 4
"""Lengths of the bodies around an injection, and of payloads."""

REWORDINGS = 8
"""Whole rewordings of a template; those that were not written by hand are made by rule."""


class Modes(NamedTuple):
    """Every way in which some template is sent; one entry a mode, rules by number."""

    instruction: Ids
    wordings: Ids  # that many rules from `instruction` on are used alike
    lead: Ids
    body: Ids
    tail: Ids
    aside: Ids  # the part of the template that stands in the other of user and system turn
    layout: npt.NDArray[np.int8]
    disguise: npt.NDArray[np.int8]
    strength: Doubles  # of the disguise


class ModeTable:
    """Collects modes; equal ones are kept once, runs of one stream stay together."""

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self._rows: list[tuple[float, ...]] = [
            (NONE, 1, NONE, grammar.number("background"), NONE, NONE, FIRST, 0, 0.0)
        ]
        self.labels = ["none"]
        self._runs: dict[tuple[str, tuple[Evasion, ...]], tuple[int, int]] = {}

    def run(self, stream: Stream) -> tuple[int, int]:
        """Return first mode and number of modes of a stream: as written, then one for each of its evasions."""
        key = (stream.family.name, stream.evasions)
        if key not in self._runs:
            first = len(self._rows)
            campaign = stream.campaign is not None
            for evasion in (AS_WRITTEN, *stream.evasions):
                self._rows.append(self.mode(stream.family, evasion))
                self.labels.append(_label(stream.family, evasion) if campaign else "none")
            self._runs[key] = first, len(self._rows) - first
        return self._runs[key]

    def table(self) -> Modes:
        """Return the modes as arrays."""
        *rules, layout, disguise, strength = np.array(self._rows).T
        small = [column.astype(np.int8) for column in (layout, disguise)]
        return Modes._make([*(rule.astype(np.int32) for rule in rules), *small, strength])

    def mode(self, family: Family, evasion: Evasion) -> tuple[float, ...]:
        """Return one way of sending a family that the grammar has: the columns of Modes in their order."""
        number, name = self._grammar.number, f"fam/{family.name}"
        instruction, count, aside = self._wording(family, evasion)
        lead, tail, body, layout = (
            number(f"{name}/lead"),
            number(f"{name}/tail"),
            number(family.body),
            LAYOUTS[family.place],
        )
        step = min(_BODIES - 1, int(_BODIES * evasion.strength))
        place = evasion.one_of("inject_start", "inject_middle", "inject_end")
        if place:
            layout, tail = LAYOUTS[place.removeprefix("inject_")], NONE
            body = number(f"around_{step}")
        elif evasion.one_of("swap") and aside == NONE:
            layout = FIRST if layout == IN_SYSTEM else IN_SYSTEM
        if evasion.one_of("payload_domination"):
            body = number(f"payload_{step}")
        if layout in (LAST, INSIDE):
            lead = NONE
        disguise = sum(_CHARACTERS[part] for part in evasion.parts if part in _CHARACTERS)
        return instruction, count, lead, body, tail, aside, layout, disguise, evasion.strength

    def _wording(self, family: Family, evasion: Evasion) -> tuple[int, int, int]:
        """Return the first rule of the instruction, how many there are to choose from, and the rule of its aside."""
        if not evasion.one_of("shuffle", "drop", "reword", "paraphrase", "translation", "swap"):
            return self._grammar.number(f"fam/{family.name}"), 1, NONE
        name = f"fam/{family.name}/{'_'.join(evasion.parts)}:{evasion.strength:.4f}"
        if whole := evasion.one_of("paraphrase", "translation"):
            texts: Sequence[str] = family.translations
            if whole == "paraphrase":
                made = REWORDINGS - len(family.paraphrases)
                texts = [*family.paraphrases, *wordings(family.sentences, made)][:REWORDINGS]
            return self._grammar.add_run(name, texts), max(1, round(evasion.strength * len(texts))), NONE
        parts = self._sentences(family, evasion, name)
        moved = len(parts)
        if evasion.one_of("swap"):
            moved = max(1, round(evasion.strength * len(parts)))
        aside = NONE
        if moved < len(parts):
            here, there = (parts[moved:], parts[:moved])
            aside, parts = self._ordered(f"{name}/aside", there, evasion), here
        return self._ordered(name, parts, evasion), 1, aside

    def _sentences(self, family: Family, evasion: Evasion, name: str) -> list[str]:
        """Return slots for the sentences of a template, each of which ends in a space."""
        if not evasion.one_of("reword"):
            return [f"«fam/{family.name}/s{i}»" for i in range(len(family.sentences))]
        for i, sentence in enumerate(family.sentences):
            wording = reworded(self._grammar, f"{name}/said{i}", sentence, evasion.strength, first=i == 0)
            self._grammar.add(f"{name}/s{i}", [wording + " "])
        return [f"«{name}/s{i}»" for i in range(len(family.sentences))]

    def _ordered(self, name: str, parts: list[str], evasion: Evasion) -> int:
        """Add the rule of some sentences, left out and in disorder as the evasion wants, and return its number."""
        kept = len(parts)
        if evasion.one_of("drop"):
            kept = max(1, kept - max(1, round(evasion.strength * kept)))
        choices = list(itertools.combinations(parts, kept))
        if evasion.one_of("shuffle"):
            mixed = max(2, round(evasion.strength * kept))
            for i, choice in enumerate(choices):
                self._grammar.add(f"{name}/mixed{i}", ["".join(choice[:mixed])])
                choices[i] = (f"«{name}/mixed{i}!»", *choice[mixed:])
        return self._grammar.add(name, ["".join(choice) for choice in choices])


def _label(family: Family, evasion: Evasion) -> str:
    if not family.injected or (evasion.place or "").startswith("inject"):
        return evasion.label
    own = f"inject_{family.place}"
    return f"{own}+{evasion.label}" if evasion.parts else own
