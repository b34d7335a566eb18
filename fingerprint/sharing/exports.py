"""Chooses families and writes them in a format that others take: bytes of ASCII, the same for the same families."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fingerprint.domain import signature_json
from fingerprint.domain.errors import NotFound
from fingerprint.domain.json_fields import Json
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import Signature
from fingerprint.domain.vocabulary import NO_LABEL, ExportFormat
from fingerprint.sharing import misp, stix
from fingerprint.sharing.nova import nova_rule
from fingerprint.sharing.phrases import phrases_of
from fingerprint.sharing.rules import RuleItem, Terms
from fingerprint.sharing.yara import yara_rule

_TAKE_ALL = ("json", "stix")
"""Formats that have a place for families without text for a rule."""

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
    *,
    intrusion_set: str | None = None,
) -> Export:
    """Write the chosen families, with their other wordings, of all stored signatures.

    changes: when each family last changed. Raises NotFound for an id that is not among the signatures.
    """
    chosen = _chosen(signatures, choice)
    items = [
        RuleItem(s, phrases_of(s), changes[s.family_id]) for s in chosen if s.spread.accounts >= choice.least
    ]
    written = [item for item in items if format_ in _TAKE_ALL or item.phrases is not None]
    names = {item.signature.family_id for item in written}
    return Export(
        _content(written, format_, terms, intrusion_set),
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


def _content(
    items: Sequence[RuleItem], format_: ExportFormat, terms: Terms, intrusion_set: str | None
) -> bytes:
    if format_ == "json":
        return b"".join(_line(signature_json.to_json(item.signature)) for item in items)
    if format_ == "stix":
        return _one_a_line(stix.bundle(items, terms, intrusion_set=intrusion_set))
    if format_ == "misp":
        return json.dumps(misp.event(items, terms), indent=1).encode() + b"\n"
    rule = nova_rule if format_ == "nova" else yara_rule
    return "\n".join(rule(i.signature, i.phrases, terms) for i in items if i.phrases is not None).encode()


def _line(obj: Json) -> bytes:
    return json.dumps(obj, allow_nan=False).encode() + b"\n"


def _one_a_line(bundle: Json) -> bytes:
    """Write a bundle with each object on a line of its own, so that two of them can be compared."""
    head = json.dumps({name: value for name, value in bundle.items() if name != "objects"})[:-1]
    objects = ",\n".join(json.dumps(obj, allow_nan=False) for obj in bundle["objects"])
    return f'{head}, "objects": [\n{objects}\n]}}\n'.encode()
