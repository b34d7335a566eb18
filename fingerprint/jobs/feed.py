"""Feeds of signatures: read from a folder, a URL or a TAXII collection, and written to a folder or a collection.

A feed is read without anybody looking, so labels stay out of it unless asked for; and only what an analyst confirmed is written,
unless flagged families are asked for, too.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from fingerprint.base.files import replacing
from fingerprint.base.private import folder_for_output
from fingerprint.domain.errors import InputError, StoreError, UsageError
from fingerprint.domain.settings import Home
from fingerprint.jobs import taxii
from fingerprint.sharing.exports import Export, FamilyChoice, export
from fingerprint.sharing.formats import FORMATS
from fingerprint.sharing.imports import LARGEST, ImportFile
from fingerprint.sharing.rules import Terms
from fingerprint.store.store import Store

TIMEOUT_S = 60.0
SUFFIXES = (".json", ".jsonl")
"""Of files that a folder's feed is read from."""


def read_feed(source: str) -> list[ImportFile]:
    """Read all files of a feed; raises InputError where it cannot be read, or is empty."""
    if source.startswith(taxii.SCHEME):
        return [ImportFile(source, taxii.objects_of(_safe(source.removeprefix(taxii.SCHEME))))]
    if "://" in source:
        return [ImportFile(source, _fetched(_safe(source)))]
    path = Path(source)
    try:
        files = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES) if path.is_dir() else [path]
        read = [ImportFile(str(file), file.read_bytes()) for file in files]
    except OSError as error:
        raise InputError(f"{source}: cannot be read: {error.strerror}") from error
    if not read:
        raise InputError(f"{source}: at least one file of {' or '.join(SUFFIXES)} expected, none found")
    return read


def write_feed(
    home: Home,
    target: str,
    format_: Literal["stix", "nova", "json"],
    terms: Terms,
    *,
    flagged: bool,
    least: int,
) -> tuple[Export, bool]:
    """Write the confirmed families to a feed; returns them, and whether the feed changed.

    A folder gets one file, replaced whole. flagged: those that are flagged and have no label, too. least: accounts that must
    have sent a family. Raises UsageError where a collection is to get another format than stix.
    """
    with Store.open(home.path, home.database, read_only=True) as store:
        signatures, changes = store.signatures(), store.last_changes()
    owners = {s.family_id: s for s in signatures}
    chosen = [
        s
        for s in signatures
        if (owner := owners.get(s.variant_of or "", s)).label == "campaign"
        or (flagged and owner.flagged and owner.label is None)
    ]
    made = export(chosen, changes, FamilyChoice(least=least), format_, terms)
    if target.startswith(taxii.SCHEME):
        if format_ != "stix":
            raise UsageError(f"a TAXII collection takes --feed-format stix only, {format_} found")
        taxii.add(_safe(target.removeprefix(taxii.SCHEME)), made.content)
        return made, True
    if "://" in target:
        raise UsageError("feed write: a folder or taxii+https://… expected, another URL found")
    return made, _written(Path(target) / f"fingerprint{FORMATS[format_].suffix}", made.content)


def _written(path: Path, content: bytes) -> bool:
    """Write a file unless it is so already; tells whether it was written."""
    try:
        if path.exists() and path.read_bytes() == content:
            return False
        folder_for_output(path.parent)
        with replacing(path) as file:
            file.write(content)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error}") from error
    return True


def _fetched(url: str) -> bytes:
    import httpx2

    shown = f"{urlsplit(url).scheme}://{urlsplit(url).hostname}"
    content = bytearray()
    try:
        # no redirect is followed: it could lead anywhere
        with httpx2.stream("GET", url, timeout=TIMEOUT_S, follow_redirects=False) as answer:
            if answer.status_code != 200:
                raise InputError(f"{shown}: status 200 expected, {answer.status_code} found")
            for part in answer.iter_bytes():
                content += part
                if len(content) > LARGEST:
                    raise InputError(f"{shown}: at most {LARGEST:,} bytes expected, more found")
    except httpx2.HTTPError as error:
        raise InputError(f"{shown}: cannot be read: {type(error).__name__}") from error
    return bytes(content)


def _safe(url: str) -> str:
    """Return a URL that nobody on the way can change the answer of; raises UsageError for others."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(parts.hostname or "")):
        return url
    raise UsageError(f"a feed of https://, or http:// on this machine, expected, {parts.scheme}:// found")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
