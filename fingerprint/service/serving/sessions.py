"""Log-in sessions of the console: a cookie with a random token, and CSRF tokens made from it.

The database keeps a hash of each token, so that a session ends where it is kept: at log-out, when it expires, when its
key is revoked, and when an administrator ends them all.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

from fastapi.requests import HTTPConnection
from starlette.responses import Response

from fingerprint.base.times import HOUR_SECONDS
from fingerprint.service.http.problems import Problem
from fingerprint.service.serving.context import Service
from fingerprint.store.access import StoredKey
from fingerprint.store.sessions import StoredSession, digest_of

COOKIE = "fingerprint_session"
CSRF_FIELD = "csrf_token"
CSRF_HEADER = "x-csrf-token"
SAFE = frozenset(("GET", "HEAD", "OPTIONS"))

_TOKEN = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Session:
    """A log-in: which key, and the token of its cookie, which is a secret."""

    key_id: str
    token: str = field(repr=False)

    @property
    def csrf(self) -> str:
        """What this session's forms and scripts must send along."""
        return hmac.new(self.token.encode(), b"csrf", hashlib.sha256).hexdigest()


def start(service: Service, response: Response, key: StoredKey) -> None:
    """Keep a new session and set its cookie; raises StoreError while the database is away."""
    token = secrets.token_hex(32)
    hours = service.config.session_hours
    stored = StoredSession(digest_of(token), key.row.key_id, service.now() + timedelta(hours=hours))
    service.store().sessions.start(stored, by=key.row.name)
    service.sessions = {**service.sessions, stored.digest: stored}
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(hours * HOUR_SECONDS),
        httponly=True,
        secure=service.config.secure_cookies,
        samesite="lax",
        path="/",
    )


def end(service: Service, response: Response, session: Session, *, by: str) -> None:
    """End a session here and in the browser; raises StoreError while the database is away."""
    digest = digest_of(session.token)
    service.store().sessions.end(digest, by=by)
    service.sessions = {kept: row for kept, row in service.sessions.items() if kept != digest}
    response.delete_cookie(
        COOKIE, httponly=True, secure=service.config.secure_cookies, samesite="lax", path="/"
    )


async def session_of(service: Service, request: HTTPConnection) -> Session | None:
    """Return the session of a request; None without one, or when it is not kept or too old.

    Raises StoreError when only the database could tell, and is away.
    """
    token = request.cookies.get(COOKIE)
    if token is None or _TOKEN.fullmatch(token) is None:
        return None
    digest = digest_of(token)
    stored = service.sessions.get(digest)
    if stored is None:
        # another worker may have begun it since this one looked
        async with service.few:
            stored = await asyncio.to_thread(lambda: service.store().sessions.find(digest))
    if stored is None or stored.expires <= service.now():
        return None
    return Session(stored.key_id, token)


def require_our_page(request: HTTPConnection) -> None:
    """Raise Problem 403 when a browser says that another site's page sent the request."""
    origin = request.headers.get("origin")
    from_here = request.headers.get("sec-fetch-site", "none") in ("same-origin", "none")
    if (origin is None and not from_here) or (
        origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    ):
        raise Problem(403, "the request comes from a page of another site")


def require_csrf(session: Session, request: HTTPConnection, field: str | None) -> None:
    """Raise Problem 403 unless a request that changes something came from a page of ours; field: of its form, if any."""
    require_our_page(request)
    sent = request.headers.get(CSRF_HEADER, field)
    if sent is None or not hmac.compare_digest(sent.encode(), session.csrf.encode()):
        raise Problem(403, f"the session's CSRF token expected in {CSRF_HEADER} or in field {CSRF_FIELD}")
