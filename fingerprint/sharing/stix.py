"""STIX 2.1 bundles of signatures, for OpenCTI and others, and back.

A family becomes an indicator with its NOVA rule, one with a pattern on ai-prompt observables, the ai-prompt that its
template is, and relationships between them. The first indicator carries the whole signature in an extension of its
own (STIX 2.1, section 7.3), from which it is read back exactly. A campaign that an analyst confirmed becomes a
campaign that the indicators indicate. Ids are made of author and content, so the same families give the same bytes (D-027).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from fingerprint.domain import signature_json
from fingerprint.domain.errors import InputError
from fingerprint.domain.json_fields import Json
from fingerprint.domain.signature import Signature
from fingerprint.domain.signature_json import FORMAT, FORMAT_VERSION
from fingerprint.domain.vocabulary import BENIGN, LABELS, RELAY
from fingerprint.sharing.nova import nova_rule, regex
from fingerprint.sharing.phrases import Phrases
from fingerprint.sharing.rules import RuleItem, Terms, confirmed, described, severity

EXTENSION = "extension-definition--be7c9ebe-49ad-41a6-80c2-48566ee34138"
"""The property extension that carries a signature."""

SCO_NAMESPACE = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
"""For the ids of observables (STIX 2.1, section 2.9)."""

OPENCTI = "extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba"
OPENCTI_OBSERVABLES = "extension-definition--f93e2c80-4231-4f9a-af8b-95c9bd566a82"
"""OpenCTI's own extensions: of its entities, and of observables that STIX does not have, as ai-prompt."""

CONFIRMED = 90
"""Confidence in what an analyst said: "confirmed by other sources" of the Admiralty scale (STIX 2.1, appendix A)."""

_OWN = uuid.UUID("c0c9c485-62e2-44fe-b70d-1be009bbed0b")
_RELEASED = "2026-11-25T00:00:00.000Z"
_MARKED = "2017-01-20T00:00:00.000Z"
_TLP_1 = {
    "clear": ("white", "613f2e26-407d-48c7-9eca-b8e91df99dc9"),
    "green": ("green", "34098fce-860f-48ae-8e50-ebd3cc5e41da"),
    "amber": ("amber", "f88d31f6-486f-44da-b317-01333bde0b82"),
    "red": ("red", "5e57c739-391a-4eb3-b6be-7d15ca92d5ed"),
}
_AMBER_STRICT = "marking-definition--826578e1-40ad-459f-bc73-ede076f81f37"  # OpenCTI's; STIX 2.1 has none


def bundle(items: Sequence[RuleItem], terms: Terms, *, intrusion_set: str | None = None) -> Json:
    """Return a bundle of these families; `intrusion_set` names whom confirmed campaigns are attributed to."""
    maker = _Maker(terms)
    objects = list(maker.head())
    for item in items:
        objects += maker.family(item)
    for name, members in confirmed(items).items():
        objects += maker.campaign(name, members, intrusion_set)
    unique = {obj["id"]: obj for obj in objects}
    ids = json.dumps(sorted((obj["id"], obj.get("modified", "")) for obj in unique.values()))
    return {"type": "bundle", "id": f"bundle--{uuid.uuid5(_OWN, ids)}", "objects": list(unique.values())}


def write(items: Sequence[RuleItem], terms: Terms) -> bytes:
    """Write a bundle with each object on a line of its own, so that two of them can be compared."""
    made = bundle(items, terms, intrusion_set=terms.intrusion_set)
    head = json.dumps({name: value for name, value in made.items() if name != "objects"})[:-1]
    objects = ",\n".join(json.dumps(obj, allow_nan=False) for obj in made["objects"])
    return f'{head}, "objects": [\n{objects}\n]}}\n'.encode()


def signatures_in(value: object) -> tuple[list[tuple[str, object]], int]:
    """Return the id and signature, still as JSON, of every indicator in a bundle that carries one.

    value: a bundle, or a TAXII envelope, which has its objects, too. Also returns how many indicators are revoked,
    which are left out. Raises InputError where it is no bundle.
    """
    if not isinstance(value, dict) or not isinstance(value.get("objects"), list):
        raise InputError("bundle: an object with a list of objects expected")
    signatures, revoked = [], 0
    for obj in value["objects"]:
        carried = _carried(obj)
        if carried is None:
            continue
        if obj.get("revoked") is True:
            revoked += 1
            continue
        signatures.append((str(obj.get("id")), carried))
    return signatures, revoked


def _carried(obj: object) -> object:
    """Return the signature that an indicator carries, None without one."""
    if not isinstance(obj, dict) or obj.get("type") != "indicator":
        return None
    extensions = obj.get("extensions")
    extension = extensions.get(EXTENSION) if isinstance(extensions, dict) else None
    return extension.get("signature") if isinstance(extension, dict) else None


class _Maker:
    """Makes objects on one set of terms."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._marking = _marking(terms.tlp)
        self._tool = self._identity("fingerprint", "system")
        self._author = self._identity(terms.author, "organization") if terms.author else self._tool

    def head(self) -> Iterator[Json]:
        """Make what every bundle begins with."""
        yield self._marking
        yield self._tool
        yield self._author
        yield {
            "type": "extension-definition",
            "spec_version": "2.1",
            "id": EXTENSION,
            "created_by_ref": self._tool["id"],
            "created": _RELEASED,
            "modified": _RELEASED,
            "name": "fingerprint signature",
            "description": "The signature of a prompt family, by which fingerprint matches prompts.",
            "schema": (
                f"`signature` is a JSON object of format {FORMAT}, version {FORMAT_VERSION}, as "
                "`fingerprint families show ID --json` prints it; its content_hash is the SHA-256 of all the rest."
            ),
            "version": "1.0.0",
            "extension_types": ["property-extension"],
        }

    def family(self, item: RuleItem) -> Iterator[Json]:
        """Make a family's indicators, its template as ai-prompt, and how they belong together."""
        signature = item.signature
        carrier = self._carrier(item)
        yield carrier
        if signature.variant_of is not None:
            yield self._relationship(carrier, "related-to", self._id("indicator", signature.variant_of), item)
        if item.phrases is None:
            return
        prompt = self._prompt(str(signature.template))
        pattern = self._indicator(item, "stix", _pattern(item.phrases)) | {
            "id": self._id("indicator", f"stix {signature.family_id}")
        }
        yield pattern
        yield prompt
        yield self._relationship(carrier, "based-on", prompt["id"], item)
        yield self._relationship(pattern, "based-on", prompt["id"], item)

    def campaign(self, name: str, members: Sequence[RuleItem], intrusion_set: str | None) -> Iterator[Json]:
        """Make a confirmed campaign, which its families' indicators indicate."""
        spreads = [member.signature.spread for member in members]
        first, last = min(s.first_seen for s in spreads), max(s.last_seen for s in spreads)
        latest = max(members, key=lambda member: member.changed)
        times = {"first_seen": _time(first), "last_seen": _time(last)} if first <= last else {}
        campaign = self._object("campaign", name, first, latest.changed) | {
            "name": name,
            "description": (
                f"{len(members)} templates of prompts, in {sum(s.requests for s in spreads)} requests "
                f"from at least {max(s.accounts for s in spreads)} accounts."
            ),
            "confidence": CONFIRMED,
            **times,
        }
        yield campaign
        for member in members:
            yield self._relationship(self._carrier(member), "indicates", campaign["id"], member)
        if intrusion_set is not None:
            actor = self._object("intrusion-set", intrusion_set, first, latest.changed) | {
                "name": intrusion_set
            }
            yield actor
            yield self._relationship(campaign, "attributed-to", actor["id"], latest)

    def _carrier(self, item: RuleItem) -> Json:
        signature, content = item.signature, signature_json.to_json(item.signature)
        if item.phrases is None:
            # an indicator must have a pattern; where no text is shared, it names the signature
            made = self._indicator(item, "fingerprint", f"{signature.family_id} {content['content_hash']}")
        else:
            made = self._indicator(item, "nova", nova_rule(signature, item.phrases, self._terms))
        carried = {"extension_type": "property-extension", "signature": content}
        return made | {"extensions": made["extensions"] | {EXTENSION: carried}}

    def _indicator(self, item: RuleItem, language: str, pattern: str) -> Json:
        signature = item.signature
        first = signature.spread.first_seen
        version = {"pattern_version": "2.1"} if language == "stix" else {}
        return self._object("indicator", signature.family_id, first, item.changed) | {
            "name": f"Prompt family {signature.family_id}",
            "description": described(signature),
            "indicator_types": [_indicator_type(signature)],
            "pattern": pattern,
            "pattern_type": language,
            **version,
            "valid_from": _time(first),
            "confidence": _confidence(signature),
            "extensions": {
                OPENCTI: {
                    "extension_type": "property-extension",
                    "main_observable_type": "AI-Prompt",
                    "score": _confidence(signature),
                }
            },
        }

    def _prompt(self, text: str) -> Json:
        # RFC 8785 writes a lone string as json does, which is what the id is made of
        named = json.dumps({"value": text}, ensure_ascii=False, separators=(",", ":"))
        return {
            "type": "ai-prompt",
            "spec_version": "2.1",
            "id": f"ai-prompt--{uuid.uuid5(SCO_NAMESPACE, named)}",
            "value": text,
            "object_marking_refs": [self._marking["id"]],
            "extensions": {OPENCTI_OBSERVABLES: {"extension_type": "new-sco"}},
        }

    def _relationship(self, source: Json, kind: str, target: str, item: RuleItem) -> Json:
        key = f"{source['id']} {kind} {target}"
        made = self._object("relationship", key, item.signature.spread.first_seen, item.changed)
        return made | {"relationship_type": kind, "source_ref": source["id"], "target_ref": target}

    def _object(self, kind: str, key: str, created: datetime, modified: datetime) -> Json:
        labels = {"labels": list(self._terms.tags)} if self._terms.tags else {}
        return {
            "type": kind,
            "spec_version": "2.1",
            "id": self._id(kind, key),
            "created_by_ref": self._author["id"],
            "created": _time(created),
            "modified": _time(max(created, modified)),
            **labels,
            "object_marking_refs": [self._marking["id"]],
        }

    def _id(self, kind: str, key: str) -> str:
        return f"{kind}--{uuid.uuid5(_OWN, f'{self._terms.author} {kind} {key}')}"

    def _identity(self, name: str, identity_class: str) -> Json:
        return {
            "type": "identity",
            "spec_version": "2.1",
            "id": f"identity--{uuid.uuid5(_OWN, f'{identity_class} {name}')}",
            "created": _RELEASED,
            "modified": _RELEASED,
            "name": name,
            "identity_class": identity_class,
        }


def _pattern(phrases: Phrases) -> str:
    """Ask for the heaviest phrases, as many as the rule needs: STIX patterns cannot count."""
    heaviest = sorted(phrases.phrases, key=lambda phrase: -phrase.weight)[: phrases.needed]
    comparisons = (
        f"ai-prompt:value MATCHES '{_quoted('(?i)' + regex(p, ascii_only=False))}'" for p in heaviest
    )
    return f"[{' AND '.join(comparisons)}]"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _indicator_type(signature: Signature) -> str:
    if signature.label == BENIGN:
        return "benign"
    if signature.label == RELAY:
        return "anomalous-activity"
    return {"high": "malicious-activity", "medium": "anomalous-activity", "low": "unknown"}[
        severity(signature)
    ]


def _confidence(signature: Signature) -> int:
    """Return 0 to 100: what analysts said stands above any score."""
    return CONFIRMED if signature.label in LABELS else min(CONFIRMED - 1, round(100 * signature.score))


def _marking(tlp: str) -> Json:
    if tlp == "amber+strict":
        named = {"definition_type": "statement", "definition": {"statement": "TLP:AMBER+STRICT"}}
        made: Json = {"id": _AMBER_STRICT, "name": "TLP:AMBER+STRICT", **named}
    else:
        colour, number = _TLP_1[tlp]
        named = {"definition_type": "tlp", "definition": {"tlp": colour}}
        made = {"id": f"marking-definition--{number}", "name": f"TLP:{colour.upper()}", **named}
    return {"type": "marking-definition", "spec_version": "2.1", "created": _MARKED} | made


def _time(time: datetime) -> str:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
