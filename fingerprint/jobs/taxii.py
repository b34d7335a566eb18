"""TAXII 2.1 collections, by the library taxii2-client (extra `taxii`); user and password are those of environment variables."""

from __future__ import annotations

import json
import os
from typing import Any

from fingerprint.domain.errors import InputError, StoreError, UsageError

SCHEME = "taxii+"
"""Before the URL of a collection: taxii+https://host/root/collections/ID/."""

USER, PASSWORD = "FINGERPRINT_TAXII_USER", "FINGERPRINT_TAXII_PASSWORD"
"""Environment variables."""

PAGE = 1_000
"""Objects that are asked for, or sent, at once."""


def objects_of(url: str) -> bytes:
    """Return all objects of a collection as one bundle; raises InputError."""
    collection = _collection(url)
    objects: list[Any] = []
    try:
        more: dict[str, Any] = {"limit": PAGE}
        while True:
            envelope = collection.get_objects(**more)
            objects += envelope.get("objects", [])
            if not envelope.get("more") or not envelope.get("next"):
                return json.dumps({"type": "bundle", "objects": objects}).encode()
            more = {"limit": PAGE, "next": envelope["next"]}
    except Exception as error:  # the library has errors of its own, and those of requests
        raise InputError(f"the TAXII collection cannot be read: {type(error).__name__}: {error}") from error


def add(url: str, bundle: bytes) -> None:
    """Add a bundle's objects to a collection; raises StoreError where it does not take them all."""
    collection = _collection(url)
    objects = json.loads(bundle)["objects"]
    for start in range(0, len(objects), PAGE):
        try:
            status = collection.add_objects({"objects": objects[start : start + PAGE]})
        except Exception as error:  # as above
            raise StoreError(f"the TAXII collection took nothing: {type(error).__name__}: {error}") from error
        if status.failure_count:
            raise StoreError(f"the TAXII collection refused {status.failure_count} of {len(objects)} objects")


def _collection(url: str) -> Any:
    try:
        from taxii2client.v21 import Collection
    except ImportError:
        raise UsageError("TAXII needs the extra taxii: pip install 'fingerprint[taxii]'") from None
    return Collection(url, user=os.environ.get(USER), password=os.environ.get(PASSWORD))
