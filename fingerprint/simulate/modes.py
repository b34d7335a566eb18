"""Every way in which a template is sent: as written, and once for each evasion that it does."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .config import SimulationConfig
from .families import LAYOUTS, Family
from .grammar import Grammar
from .render import CASE, FIRST, HOMOGLYPH, IN_SYSTEM, INSIDE, LAST, NONCE, NONE, PLAIN
from .streams import Stream

_DISGUISE = {"nonce": NONCE, "case": CASE, "homoglyph": HOMOGLYPH}


class Modes(NamedTuple):
    """Every way in which some template is sent; one entry a mode, rules by number."""

    instruction: npt.NDArray[np.int32]
    wordings: npt.NDArray[np.int32]  # that many rules from `instruction` on are used alike
    lead: npt.NDArray[np.int32]
    body: npt.NDArray[np.int32]
    tail: npt.NDArray[np.int32]
    layout: npt.NDArray[np.int8]
    disguise: npt.NDArray[np.int8]


class ModeTable:
    """Collects modes; equal ones are kept once, runs of one stream stay together."""

    def __init__(self, config: SimulationConfig, grammar: Grammar) -> None:
        self._config, self._grammar = config, grammar
        self._rows: list[tuple[int, ...]] = [
            (NONE, 1, NONE, grammar.number("background"), NONE, FIRST, PLAIN)
        ]
        self.labels = ["none"]
        self._runs: dict[tuple[str, tuple[str, ...]], tuple[int, int]] = {}

    def run(self, stream: Stream) -> tuple[int, int]:
        """Return first mode and number of modes of a stream: as written, then one for each of its evasions."""
        key = (stream.family.name, stream.evasions)
        if key not in self._runs:
            first = len(self._rows)
            campaign = stream.campaign is not None
            for evasion in ("none", *stream.evasions):
                self._rows.append(self._mode(stream.family, evasion))
                self.labels.append(self._label(stream.family, evasion) if campaign else "none")
            self._runs[key] = first, len(self._rows) - first
        return self._runs[key]

    def table(self) -> Modes:
        """Return the modes as arrays."""
        columns = np.array(self._rows).T
        return Modes(
            *(column.astype(np.int32) for column in columns[:5]),
            *(column.astype(np.int8) for column in columns[5:]),
        )

    @staticmethod
    def _label(family: Family, evasion: str) -> str:
        if not family.injected or evasion.startswith("inject"):
            return evasion
        own = f"inject_{family.place}"
        return own if evasion == "none" else f"{own}+{evasion}"

    def _mode(self, family: Family, evasion: str) -> tuple[int, ...]:
        kind, _, disguise = evasion.partition("+")
        number, name = self._grammar.number, f"fam/{family.name}"
        if kind in _DISGUISE:
            kind, disguise = "none", kind
        instruction, wordings = number(name), 1
        lead, tail, body, layout = (
            number(f"{name}/lead"),
            number(f"{name}/tail"),
            number(family.body),
            LAYOUTS[family.place],
        )
        if kind.startswith("inject_"):
            layout, body, tail = LAYOUTS[kind.removeprefix("inject_")], number("genuine"), NONE
        elif kind == "swap":
            layout = FIRST if layout == IN_SYSTEM else IN_SYSTEM
        elif kind == "shuffle":
            instruction = number(f"{name}/shuffled")
        elif kind in ("paraphrase", "translation"):
            texts = family.paraphrases if kind == "paraphrase" else family.translations
            wordings = max(1, round(self._config.strength * len(texts)))
            instruction = self._grammar.add_run(f"{name}/{kind}/{len(self._rows)}", texts)
        elif kind == "payload_domination":
            body = number(f"payload_{min(2, int(3 * self._config.strength))}")
        if layout in (LAST, INSIDE):
            lead = NONE
        return instruction, wordings, lead, body, tail, layout, _DISGUISE.get(disguise, PLAIN)
