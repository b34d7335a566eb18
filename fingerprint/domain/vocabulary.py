"""Words that all folders share: labels, scopes of API keys, export formats, Traffic Light Protocol, the mark of a slot.

Standard library only: the command line loads this to print `--help`.
"""

from __future__ import annotations

import difflib
from typing import Literal, get_args

SLOT = "⟨…⟩"
"""Stands in a template's text for a slot, the part that varies."""

Section = Literal["system", "developer", "tools", "user", "document", "prompt", "tool_result", "assistant"]
SECTIONS: tuple[Section, ...] = get_args(Section)
"""Where in a request a text may stand; prompt: the field of that name, or a variable of a stored prompt."""

CAMPAIGN, BENIGN, RELAY = "campaign", "benign", "relay"
LABELS = (CAMPAIGN, BENIGN, RELAY)
"""The labels that the engine acts on; analysts may use other words, which are only shown and filtered by.

A relay resells access: many people behind accounts that take turns. It is no campaign, and no honest customer either.
"""

NO_LABEL = "none"
"""What filters call a family without a label."""

FamilySort = Literal["score", "accounts", "requests", "first-seen", "last-seen"]
FAMILY_SORTS: tuple[FamilySort, ...] = get_args(FamilySort)
"""What lists of families may be sorted by, the highest or latest first."""

AccountSort = Literal["score", "requests"]
"""What lists of assessed accounts may be sorted by."""

PoolSort = Literal["requests", "share", "score", "first-seen", "last-seen", "account"]
POOL_SORTS: tuple[PoolSort, ...] = get_args(PoolSort)
"""What the accounts of a family or campaign may be sorted by."""

Scope = Literal["lookup", "read", "label", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""What an API key may do: look prompts up, read families and accounts, label families, manage keys; admin may do all."""

ExportFormat = Literal["json", "stix", "misp", "nova", "yara"]
EXPORT_FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)

TLP_LABELS = ("clear", "green", "amber", "amber+strict", "red")
"""Traffic Light Protocol 2.0."""

DEFAULT_TLP = "amber"

_NEAR = 0.82
"""Ratio of difflib from which on a word is taken for a misspelt label: bening and campain are, design is not."""


def misspelt_label(word: str) -> str | None:
    """Return the one of LABELS that a word is probably meant to be; None for one of them, and for any other word."""
    if word in LABELS:
        return None
    near = difflib.get_close_matches(word.strip().casefold(), LABELS, n=1, cutoff=_NEAR)
    return near[0] if near else None


MODELS = {
    "static": "static-minilm-256",
    "multilingual": "static-multilingual-256",
    "minilm": "all-MiniLM-L6-v2",
}
"""What `--model` calls the models that it knows, and what their stamps do."""

INTENT = "intent"
"""The reason that says what a family asks for."""

ASKS_FOR = "asks for {name}: likeness {value} to known wordings"
"""Its words, off which names are made."""

DEFAULT_MODEL = "multilingual"
"""Of a new home."""
