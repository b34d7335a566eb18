"""What names the infrastructure of a request's sender: a JSON object, kept for a night and never stored."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from functools import lru_cache

import orjson

from fingerprint.traffic.content import wrong_type
from fingerprint.traffic.messages import loaded_json


def metadata_json(value: object) -> bytes | None:
    """Return a metadata object, or the text of one, as compact JSON; None if empty or too deep, BadRow if no object."""
    if value is None or value == "":
        return None
    loaded = loaded_json(value)
    if not isinstance(loaded, dict):
        raise wrong_type("metadata", "an object", value)
    try:
        return orjson.dumps(loaded)
    except orjson.JSONEncodeError:
        return None  # over 254 levels; no field of metadata is required


def whole_metadata(whole: object, kept: Mapping[str, str], mapped: Collection[str]) -> bytes | None:
    """Return the metadata of a native row with what was found beside it; of `mapped` fields that counts."""
    packed = metadata_json(whole)
    own = orjson.loads(packed) if packed else {}
    more = {name: value for name, value in kept.items() if name not in own or name in mapped}
    return orjson.dumps({**own, **more}) if more else packed


@lru_cache(maxsize=1 << 16)
def ip_prefix(address: str) -> str:
    """Return three octets of an IPv4 address, three groups of an IPv6 one, else what came."""
    try:
        parsed = ipaddress.ip_address(address.split(",")[0].strip())
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return ":".join(parsed.exploded.split(":")[:3])
        parsed = parsed.ipv4_mapped
    return ".".join(str(parsed).split(".")[:3])
