"""Chooses families and writes them in a format that others take: bytes of ASCII, the same for the same families."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fingerprint.domain.errors import NotFound
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import Signature
from fingerprint.domain.vocabulary import NO_LABEL, ExportFormat
from fingerprint.sharing.formats import FORMATS
from fingerprint.sharing.phrases import phrases_of
from fingerprint.sharing.rules import RuleItem, Terms

_LEAST = Settings().min_accounts


@dataclass(frozen=True, slots=True)
class FamilyChoice:
    """Which families to share: those of `ids`, or all, that all other conditions hold for.

    label: "none" for those without one. least: accounts that must have sent a family.
    """

    ids: tuple[str, ...] = ()
    flagged: bool = False
    label: str | None = None
    campaign: str | None = None
    least: int = _LEAST


@dataclass(frozen=True, slots=True)
class Export:
    """What is shared, as bytes, and which families: those written, and those left out for a reason."""

    content: bytes
    written: tuple[str, ...]
    too_few_accounts: tuple[str, ...] = ()
    too_little_text: tuple[str, ...] = ()


def export(
    signatures: Sequence[Signature],
    changes: Mapping[str, datetime],
    choice: FamilyChoice,
    format_: ExportFormat,
    terms: Terms,
) -> Export:
    """Write the chosen families, with their other wordings, of all stored signatures.

    changes: when each family last changed. Raises NotFound for an id that is not among the signatures.
    """
    chosen = _chosen(signatures, choice)
    items = [
        RuleItem(s, phrases_of(s), changes[s.family_id]) for s in chosen if s.spread.accounts >= choice.least
    ]
    written = [item for item in items if not FORMATS[format_].needs_text or item.phrases is not None]
    names = {item.signature.family_id for item in written}
    return Export(
        FORMATS[format_].write(written, terms),
        tuple(sorted(names)),
        too_few_accounts=tuple(s.family_id for s in chosen if s.spread.accounts < choice.least),
        too_little_text=tuple(n for item in items if (n := item.signature.family_id) not in names),
    )


def _chosen(signatures: Sequence[Signature], choice: FamilyChoice) -> list[Signature]:
    named = {signature.family_id: signature for signature in signatures}
    for family in choice.ids:
        if family not in named:
            raise NotFound(f"no family {family}")
    families = {
        signature.variant_of or signature.family_id
        for signature in (map(named.__getitem__, choice.ids) if choice.ids else signatures)
        if (signature.flagged or not choice.flagged)
        and choice.label in (None, signature.label or NO_LABEL)
        and choice.campaign in (None, signature.campaign_id)
    }
    return [s for s in signatures if (s.variant_of or s.family_id) in families]
