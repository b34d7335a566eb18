"""Signatures as JSON that a person can read and another machine can load exactly.

An object of format version 2 holds every field of `signature.Signature` under its own name; grams are hex strings,
weights and prototypes base64 of little-endian float32 with their shape, times ISO 8601 in UTC. `content_hash` is
the SHA-256 of all the rest.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import get_args

import numpy as np

from fingerprint.base.types import FloatArray, HashArray
from fingerprint.domain.errors import InputError
from fingerprint.domain.json_fields import Json, JsonObject, json_objects, parsed, wrong_json
from fingerprint.domain.signature import (
    DayCount,
    FamilyKind,
    Reason,
    Segment,
    SegmentPlace,
    Signature,
    Slot,
    SlotKind,
    Spread,
    Stamp,
    Template,
)
from fingerprint.domain.vocabulary import SECTIONS

FORMAT = "fingerprint-signature"
FORMAT_VERSION = 2


_KINDS: tuple[FamilyKind, ...] = get_args(FamilyKind)
_PLACES: tuple[SegmentPlace, ...] = get_args(SegmentPlace)
_SLOT_KINDS: tuple[SlotKind, ...] = get_args(SlotKind)
_GRAM = re.compile("[0-9a-f]{16}")


def to_json(signature: Signature) -> Json:
    """Turn a signature into a JSON object; raises ValueError on NaN, infinity or a time without a zone."""
    spread = signature.spread
    content: Json = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "family_id": signature.family_id,
        "kind": signature.kind,
        "version": int(signature.version),
        "label": signature.label,
        "campaign_id": signature.campaign_id,
        "variant_of": signature.variant_of,
        "score": float(signature.score),
        "flagged": bool(signature.flagged),
        "reasons": reasons_to_json(signature.reasons),
        "threshold": float(signature.threshold),
        "similarity": float(signature.similarity),
        "usual": float(signature.typical_similarity),
        "seen": int(signature.requests_seen),
        "strays": int(signature.unsynchronised),
        "template": template_to_json(signature.template),
        "spread": _spread_to_json(spread),
        "stamp": stamp_to_json(signature.stamp),
        "grams": [f"{gram:016x}" for gram in signature.grams.tolist()],
        "weights": _floats_to_json(signature.weights),
        "prototypes": _floats_to_json(signature.prototypes),
    }
    if signature.word_similarity < 1:  # signatures of earlier versions have none
        content["words"] = float(signature.word_similarity)
    return content | {"content_hash": _content_hash(content)}


def from_json(obj: object, *, edited: bool = False) -> Signature:
    """Read the signature that `to_json` made `obj` of; edited: `content_hash` may be missing or of other content.

    Raises InputError, naming the place, what was expected and what came, on another format or version, a missing or
    unknown field, a wrong type or value, and content that does not agree with its hash.
    """
    top = JsonObject(obj, "signature")
    top.expect("format", FORMAT)
    top.expect("format_version", FORMAT_VERSION)
    stamp = stamp_from_json(top.take("stamp"), "signature.stamp")
    grams = _grams_from_json(top)
    signature = Signature(
        family_id=top.text("family_id"),
        kind=top.choice("kind", _KINDS),
        template=template_from_json(top.take("template"), "signature.template"),
        grams=grams,
        weights=_floats_from_json(top.take("weights"), "signature.weights", (len(grams),)),
        prototypes=_floats_from_json(top.take("prototypes"), "signature.prototypes", (None, stamp.dimension)),
        threshold=top.number("threshold", 0.0, 1.0),
        similarity=top.number("similarity", -1.0, 1.0),
        typical_similarity=top.number("usual", -1.0, 1.0),
        word_similarity=top.number("words", 0.0, 1.0) if "words" in top.names() else 1.0,
        requests_seen=top.count("seen"),
        unsynchronised=top.count("strays"),
        spread=_spread_from_json(top.take("spread"), "signature.spread"),
        stamp=stamp,
        version=top.count("version", at_least=1),
        score=top.number("score"),
        flagged=top.flag("flagged"),
        reasons=reasons_from_json(top.take("reasons"), "signature.reasons"),
        label=top.optional_text("label"),
        campaign_id=top.optional_text("campaign_id"),
        variant_of=top.optional_text("variant_of"),
    )
    content_hash = None if edited and "content_hash" not in top.names() else top.text("content_hash")
    top.done()
    expected = to_json(signature)["content_hash"]
    if content_hash != expected and not edited:
        raise InputError(
            f"signature.content_hash: {expected} expected of this content, {content_hash} found: it was changed"
        )
    return signature


def template_to_json(template: Template) -> list[Json]:
    """Turn a template into a list of objects of type segment or slot, in order."""
    return [_part_to_json(part) for part in template.parts]


def template_from_json(value: object, path: str = "template") -> Template:
    """Read the template that `template_to_json` made `value` of; InputError as `from_json`."""
    return Template(tuple(_part_from_json(part) for part in json_objects(value, path)))


def reasons_to_json(reasons: Iterable[Reason]) -> list[Json]:
    """Turn reasons into a list of objects, in order."""
    return [
        {
            "name": r.name,
            "value": float(r.value),
            "contribution": float(r.contribution),
            "words": r.words,
            **({"phrase": r.phrase} if r.phrase else {}),
        }
        for r in reasons
    ]


def reasons_from_json(value: object, path: str = "reasons") -> tuple[Reason, ...]:
    """Read the reasons that `reasons_to_json` made `value` of; InputError as `from_json`."""
    return tuple(_reason_from_json(reason) for reason in json_objects(value, path))


def per_day_to_json(per_day: dict[str, DayCount]) -> Json:
    """Turn counts by ISO date into an object."""
    return {
        day: {"requests": int(n.requests), "accounts": int(n.accounts)} for day, n in sorted(per_day.items())
    }


def per_day_from_json(value: object, path: str = "per_day") -> dict[str, DayCount]:
    """Read the counts that `per_day_to_json` made `value` of; InputError as `from_json`."""
    days = JsonObject(value, path)
    counts = {}
    for day in days.names():
        parsed(date.fromisoformat, day, f"{path}.{day}", "an ISO date")
        count = JsonObject(days.take(day), f"{path}.{day}")
        counts[day] = DayCount(requests=count.count("requests"), accounts=count.count("accounts"))
        count.done()
    return counts


def stamp_to_json(stamp: Stamp) -> Json:
    """Turn a stamp into an object."""
    return {
        "normaliser": stamp.normaliser,
        "shingle": stamp.shingle,
        "model": stamp.model,
        "revision": stamp.revision,
        "dimension": int(stamp.dimension),
    }


def stamp_from_json(value: object, path: str = "stamp") -> Stamp:
    """Read the stamp that `stamp_to_json` made `value` of; InputError as `from_json`."""
    obj = JsonObject(value, path)
    stamp = Stamp(
        normaliser=obj.text("normaliser"),
        shingle=obj.text("shingle"),
        model=obj.text("model"),
        revision=obj.text("revision"),
        dimension=obj.count("dimension", at_least=1),
    )
    obj.done()
    return stamp


def _part_to_json(part: Segment | Slot) -> Json:
    if isinstance(part, Segment):
        return {
            "type": "segment",
            "text": part.text,
            "place": part.place,
            "position": float(part.position),
            "coverage": float(part.coverage),
            **({"sections": list(part.sections)} if part.sections else {}),
        }
    return {
        "type": "slot",
        "distinct": int(part.distinct),
        "shortest": int(part.shortest),
        "longest": int(part.longest),
        "kind": part.kind,
        **({"sampled": True} if part.sampled else {}),
    }


def _part_from_json(obj: JsonObject) -> Segment | Slot:
    part: Segment | Slot
    if obj.choice("type", ("segment", "slot")) == "segment":
        part = Segment(
            text=obj.text("text"),
            place=obj.choice("place", _PLACES),
            position=obj.number("position", 0.0, 1.0),
            coverage=obj.number("coverage", 0.0, 1.0),
            sections=obj.choices("sections", SECTIONS) if "sections" in obj.names() else (),
        )
    else:
        part = Slot(
            distinct=obj.count("distinct"),
            shortest=obj.count("shortest"),
            longest=obj.count("longest"),
            kind=obj.choice("kind", _SLOT_KINDS),
            sampled="sampled" in obj.names() and obj.flag("sampled"),
        )
    obj.done()
    return part


def _reason_from_json(obj: JsonObject) -> Reason:
    reason = Reason(
        name=obj.text("name"),
        value=obj.number("value"),
        contribution=obj.number("contribution"),
        words=obj.text("words"),
        phrase=obj.text("phrase") if "phrase" in obj.names() else "",
    )
    obj.done()
    return reason


def _spread_to_json(spread: Spread) -> Json:
    """Turn a spread into JSON; conversations are left out where each request was one."""
    several = {"conversations": int(spread.conversations)} if spread.conversations != spread.requests else {}
    return {
        "accounts": int(spread.accounts),
        "requests": int(spread.requests),
        **several,
        "first_seen": _time_to_json(spread.first_seen),
        "last_seen": _time_to_json(spread.last_seen),
        "per_day": per_day_to_json(spread.per_day),
    }


def _spread_from_json(value: object, path: str) -> Spread:
    obj = JsonObject(value, path)
    spread = Spread(
        accounts=obj.count("accounts"),
        requests=obj.count("requests"),
        first_seen=obj.time("first_seen"),
        last_seen=obj.time("last_seen"),
        per_day=per_day_from_json(obj.take("per_day"), f"{path}.per_day"),
        conversations=obj.count("conversations") if "conversations" in obj.names() else -1,
    )
    obj.done()
    return spread


def _grams_from_json(top: JsonObject) -> HashArray:
    path = f"{top.path}.grams"
    encoded = top.take("grams")
    if not isinstance(encoded, list):
        raise wrong_json(path, "a list", encoded)
    for i, gram in enumerate(encoded):
        if not isinstance(gram, str) or not _GRAM.fullmatch(gram):
            raise wrong_json(f"{path}[{i}]", "16 hex digits", gram)
        if i and gram <= encoded[i - 1]:
            raise wrong_json(f"{path}[{i}]", f"a gram above {encoded[i - 1]}, for they are sorted,", gram)
    return np.array([int(gram, 16) for gram in encoded], dtype=np.uint64)


def _floats_to_json(array: FloatArray) -> Json:
    if not np.isfinite(array).all():
        raise ValueError("finite floats expected, NaN or infinity found")
    data = np.ascontiguousarray(array, dtype="<f4").tobytes()
    return {"dtype": "<f4", "shape": list(array.shape), "base64": base64.b64encode(data).decode()}


def _floats_from_json(value: object, path: str, shape: tuple[int | None, ...]) -> FloatArray:
    """Read an array; `shape` is the expected one, None for any length."""
    obj = JsonObject(value, path)
    obj.expect("dtype", "<f4")
    lengths = obj.take("shape")
    if (
        not isinstance(lengths, list)
        or len(lengths) != len(shape)
        or any(
            type(n) is not int or n < 0 or (m is not None and n != m)
            for n, m in zip(lengths, shape, strict=True)
        )
    ):
        raise wrong_json(f"{path}.shape", str(["any" if n is None else n for n in shape]), lengths)
    encoded = obj.text("base64")
    obj.done()
    try:
        data = base64.b64decode(encoded, validate=True)
    except ValueError:
        raise wrong_json(f"{path}.base64", "base64", encoded) from None
    if len(data) != 4 * math.prod(lengths):
        raise InputError(
            f"{path}.base64: {4 * math.prod(lengths)} bytes expected by the shape, {len(data)} found"
        )
    array = np.frombuffer(data, dtype="<f4").astype(np.float32).reshape(lengths)
    if not np.isfinite(array).all():
        raise InputError(f"{path}: finite floats expected, NaN or infinity found")
    return array


def _time_to_json(time: datetime) -> str:
    if time.tzinfo is None:
        raise ValueError(f"a time with its zone expected, {time.isoformat()} found")
    return time.astimezone(UTC).isoformat()


def _content_hash(content: Json) -> str:
    """SHA-256 over the content as compact JSON in ASCII with sorted keys."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
