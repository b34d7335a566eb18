"""MISP events of signatures: the template as ai-chat-prompt, its rules as nova-rule and yara, and what detects what.

Objects follow the templates of misp-objects (ai-chat-prompt 2, nova-rule 1, yara 9). Ids are made of author and
content, so the same families give the same bytes, and a later export updates the objects of an earlier one.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from fingerprint.domain.json_fields import Json
from fingerprint.domain.signature import Signature
from fingerprint.sharing.nova import nova_rule
from fingerprint.sharing.phrases import Phrases
from fingerprint.sharing.rules import RuleItem, Terms, confirmed, described, rule_name, severity
from fingerprint.sharing.yara import yara_rule

_OWN = uuid.UUID("d9b9f25a-a3bc-4d28-8ecc-73e2fd26818d")

_PROMPT = ("ai-chat-prompt", "misc", "a78f4156-0bb7-405c-aa25-ba16a73f68e4", "2")
_NOVA = ("nova-rule", "detection", "3c4669ee-c659-40c7-93ea-d4149bded584", "1")
_YARA = ("yara", "misc", "b5acf82e-ecca-4868-82fe-9dbdf4d808c3", "9")

_INHERIT = "5"
"""MISP's distribution level of what is items as the event that it is in."""


def event(items: Sequence[RuleItem], terms: Terms) -> Json:
    """Return an event of these families that goes to no one before a person says so (distribution 0, unpublished)."""
    maker = _Maker(terms, max((item.changed for item in items), default=datetime.fromtimestamp(0, UTC)))
    attributes = {name: maker.campaign(name) for name in confirmed(items)}
    campaign_of = {i.signature.family_id: name for name, members in confirmed(items).items() for i in members}
    objects = [
        obj
        for item in items
        for obj in maker.family(item, attributes.get(campaign_of.get(item.signature.family_id, "")))
    ]
    tags = [f"tlp:{terms.tlp}", *terms.tags]
    return {
        "Event": {
            "uuid": maker.id("event", " ".join(i.signature.family_id for i in items)),
            "info": f"Prompt families found by fingerprint: {len(items)}",
            "date": f"{maker.at:%Y-%m-%d}",
            "threat_level_id": "2" if attributes else "3",
            "analysis": "2" if attributes else "1",
            "distribution": "0",
            "published": False,
            "timestamp": maker.timestamp,
            "Tag": [{"name": name} for name in tags],
            "Attribute": list(attributes.values()),
            "Object": objects,
        }
    }


def write(items: Sequence[RuleItem], terms: Terms) -> bytes:
    """Write an event."""
    return json.dumps(event(items, terms), indent=1).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class _Maker:
    terms: Terms
    at: datetime

    @property
    def timestamp(self) -> str:
        return str(int(self.at.timestamp()))

    def id(self, kind: str, key: str) -> str:
        return str(uuid.uuid5(_OWN, f"{self.terms.author} {kind} {key}"))

    def campaign(self, name: str) -> Json:
        """Make the attribute that names a confirmed campaign."""
        return self._attribute("event", ("campaign-name", "Attribution"), "", name)

    def family(self, item: RuleItem, campaign: Json | None) -> Iterator[Json]:
        """Make the objects of a family."""
        signature, phrases = item.signature, item.phrases
        prompt = self._object(_PROMPT, item, [("prompt", str(signature.template)), *_role(signature)])
        rules = [] if phrases is None else [self._nova(item, phrases), self._yara(item, phrases)]
        for rule in rules:
            rule["ObjectReference"] = [self._reference(rule, "detects", prompt)]
        if campaign is not None:
            prompt["ObjectReference"] = [self._reference(prompt, "part-of", campaign)]
        yield prompt
        yield from rules

    def _nova(self, item: RuleItem, phrases: Phrases) -> Json:
        signature = item.signature
        values = [
            ("rule-name", rule_name(signature.family_id)),
            ("raw-rule", nova_rule(signature, phrases, self.terms)),
            ("description", described(signature)),
            ("author", self.terms.author or "fingerprint"),
            ("severity", severity(signature)),
        ]
        return self._object(_NOVA, item, values)

    def _yara(self, item: RuleItem, phrases: Phrases) -> Json:
        signature = item.signature
        values = [
            ("yara-rule-name", rule_name(signature.family_id)),
            ("yara", yara_rule(signature, phrases, self.terms)),
        ]
        return self._object(_YARA, item, values)

    def _object(
        self, template: tuple[str, str, str, str], item: RuleItem, values: list[tuple[str, str]]
    ) -> Json:
        name, category, template_uuid, version = template
        number = self.id(name, item.signature.family_id)
        return {
            "uuid": number,
            "name": name,
            "meta-category": category,
            "template_uuid": template_uuid,
            "template_version": version,
            "timestamp": self.timestamp,
            "distribution": _INHERIT,
            "comment": f"Prompt family {item.signature.family_id}",
            "Attribute": [self._attribute(number, _kind(relation), relation, v) for relation, v in values],
            "ObjectReference": [],
        }

    def _attribute(self, owner: str, kind: tuple[str, str], relation: str, value: str) -> Json:
        type_, category = kind
        return {
            "uuid": self.id("attribute", f"{owner} {relation} {value}"),
            "type": type_,
            "category": category,
            "to_ids": type_ == "yara",
            "disable_correlation": type_ != "campaign-name",
            "distribution": _INHERIT,
            "timestamp": self.timestamp,
            "value": value,
            **({"object_relation": relation} if relation else {}),
        }

    def _reference(self, source: Json, kind: str, target: Json) -> Json:
        return {
            "uuid": self.id("reference", f"{source['uuid']} {kind} {target['uuid']}"),
            "object_uuid": source["uuid"],
            "referenced_uuid": target["uuid"],
            "relationship_type": kind,
            "timestamp": self.timestamp,
        }


def _kind(relation: str) -> tuple[str, str]:
    return ("yara", "Payload installation") if relation == "yara" else ("text", "Other")


def _role(signature: Signature) -> list[tuple[str, str]]:
    """Say where the template stands, if all of it stands in one place."""
    places = sorted({segment.place for segment in signature.template.segments})
    return [("role", places[0])] if places in (["system"], ["user"]) else []
