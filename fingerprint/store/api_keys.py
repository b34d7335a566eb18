"""API keys: `fpk_<id>_<secret>`, of which only the SHA-256 is kept.

The secret has 256 random bits, so a fast hash is enough: there is nothing to guess (Argon2 is for passwords: D-110).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable

from fingerprint.domain.errors import UsageError
from fingerprint.domain.vocabulary import SCOPES, Scope

_FORM = re.compile(r"fpk_([a-z0-9]{10})_([0-9a-f]{64})", re.ASCII)
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


def mint() -> tuple[str, str]:
    """Make a new key; returns its id and the whole key."""
    key_id = "".join(secrets.choice(_ALPHABET) for _ in range(10))
    return key_id, f"fpk_{key_id}_{secrets.token_hex(32)}"


def id_in(key: str) -> str | None:
    """Return the id of a key; None for what has not the form of one."""
    match = _FORM.fullmatch(key)
    return None if match is None else match[1]


def digest(key: str) -> str:
    """Hash a key as it is stored, hex."""
    return hashlib.sha256(key.encode()).hexdigest()


def same(key: str, stored: str) -> bool:
    """Compare a key with a stored digest, in constant time."""
    return hmac.compare_digest(digest(key), stored)


def checked_scopes(scopes: Iterable[str]) -> tuple[Scope, ...]:
    """Return the scopes in order, each once; raises UsageError for none or for another word."""
    given = set(scopes)
    if not given or (unknown := sorted(given - set(SCOPES))):
        raise UsageError(
            f"scopes of {', '.join(SCOPES)} expected, {', '.join(unknown) if given else 'none'} found"
        )
    return tuple(scope for scope in SCOPES if scope in given)
