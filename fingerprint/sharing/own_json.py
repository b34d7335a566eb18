"""Signatures as our own JSON, one line a family, which `import` reads back exactly."""

from __future__ import annotations

import json
from collections.abc import Sequence

from fingerprint.domain import signature_json
from fingerprint.sharing.rules import RuleItem, Terms


def write(items: Sequence[RuleItem], terms: Terms) -> bytes:
    """Write signatures; there is no place for terms in them."""
    del terms
    lines = [json.dumps(signature_json.to_json(item.signature), allow_nan=False) for item in items]
    return "".join(f"{line}\n" for line in lines).encode()
