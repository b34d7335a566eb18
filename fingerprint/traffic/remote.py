"""Files by URL: object storage through Arrow's filesystems (S3, GCS, Azure, HDFS), all else through fsspec's (D-102)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from fingerprint.domain.errors import UsageError

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_ARROW = {"s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs"}
_SECRETS = re.compile(r"(?<=://)[^/@]*:[^/@]*@|\?.*")

STORES = {"s3", "gcs", "abfs"}
"""Arrow's names of systems in which an object appears when all of it has been written, and not before."""

BUFFER_BYTES = 8 << 20
"""Read from far away at once."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file or folder, `path`, of a filesystem; `label` is its URL without keys, for messages."""

    system: Any
    path: str
    label: str


def remote_file(name: str | Path) -> Path | RemoteFile:
    """Return where a name points: a path on this machine, of file:// too, or a place that its URL names.

    Raises UsageError for a URL that is malformed or of a system that is not installed.
    """
    url = str(name)
    if not is_url(name):
        return Path(name)
    parts = urlsplit(url)
    if parts.scheme.lower() == "file":
        if parts.netloc not in ("", "localhost"):
            raise UsageError(f"{label_of(url)}: file:///PATH expected, the host {parts.netloc!r} found")
        return Path(unquote(parts.path))
    try:
        system, path = _by_arrow(url) if parts.scheme.lower() in _ARROW else _by_fsspec(url)
    except (ValueError, ImportError, NotImplementedError, OSError) as error:
        # messages of libraries may quote the URL with its keys
        words = str(error).replace(url, label_of(url))
        raise UsageError(f"{label_of(url)}: a URL of an installed filesystem expected: {words}") from error
    return RemoteFile(system, path, label_of(url))


def is_url(name: str | Path) -> bool:
    """Tell whether a name is a URL (SCHEME://…)."""
    return isinstance(name, str) and _URL.match(name) is not None


def label_of(name: str) -> str:
    """Return a URL without the keys that may stand in it; a path as it is."""
    return _SECRETS.sub("", name) if is_url(name) else name


def _by_arrow(url: str) -> tuple[Any, str]:
    from pyarrow import fs

    system, path = fs.FileSystem.from_uri(url)
    return system, path


def _by_fsspec(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs
    from pyarrow import fs

    system, path = url_to_fs(url)
    return fs.PyFileSystem(fs.FSSpecHandler(system)), path


FAILURES = (OSError, pa.ArrowException)
"""What filesystems raise."""
