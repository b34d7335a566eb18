"""Follows the operator's policy file; a wrong file changes nothing, and is reported until it is corrected."""

from __future__ import annotations

import hashlib
from pathlib import Path

import structlog

from fingerprint.domain.errors import UsageError
from fingerprint.service.serving.policy import GatewayPolicy

_log = structlog.get_logger()

Seen = tuple[int, int, int]
"""Modification time in ns, size and inode: another one, and the file is read again (why polled: D-011)."""


class PolicyFile:
    """Follows one file; `look` reads it when it changed, everything else reads `policy`.

    policy: the last sound one, observe only before there was any. error: what is wrong with the file as it is, None
    when nothing is. digest: the first 12 hex digits of the SHA-256 of the text in use, "" without any.
    """

    def __init__(self, path: Path | None) -> None:
        self.policy = GatewayPolicy()
        self.error: str | None = None
        self.digest = ""
        self._path = path
        self._seen: Seen | None = None

    def look(self) -> bool:
        """Read the file if it changed since; tells whether another policy is in use now. One thread calls it."""
        if self._path is None:
            return False
        # before it is read: whatever is written meanwhile is seen next time
        seen = _seen(self._path)
        if seen is not None and seen == self._seen:
            return False
        self._seen = seen
        try:
            text = self._path.read_bytes()
            policy = GatewayPolicy.read(text, str(self._path))
        except (OSError, UsageError) as error:
            self._tell(str(error))
            return False
        digest = hashlib.sha256(text).hexdigest()[:12]
        changed, mended = digest != self.digest, self.error is not None
        self.policy, self.digest, self.error = policy, digest, None
        if changed or mended:
            _log.info("policy", rules=len(policy.rules), default=policy.default, digest=digest)
        return changed

    def forget(self) -> None:
        """Let the next look read the file though it seems unchanged."""
        self._seen = None

    def _tell(self, error: str) -> None:
        if error != self.error:
            _log.error("policy", message=error, kept=self.digest or "observe only")
        self.error = error


def _seen(path: Path) -> Seen | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
