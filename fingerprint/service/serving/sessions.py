"""Log-in sessions of the console: a signed cookie that names a key, and CSRF tokens bound to it.

Nothing is kept on the server: a session ends when it expires, when its key is revoked, or when the browser forgets it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.requests import HTTPConnection
from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.responses import Response

from fingerprint.base.times import HOUR_SECONDS
from fingerprint.service.http.problems import Problem
from fingerprint.service.serving.context import Service

COOKIE = "fingerprint_session"
CSRF_FIELD = "csrf_token"
CSRF_HEADER = "x-csrf-token"
_SAFE = {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True, slots=True)
class Session:
    """A log-in: which key, and what ties CSRF tokens to it."""

    key_id: str
    nonce: str


def start(service: Service, response: Response, key_id: str) -> None:
    """Set the cookie of a new session."""
    session = {"k": key_id, "n": secrets.token_hex(16)}
    response.set_cookie(
        COOKIE,
        _signer(service).dumps(session),
        max_age=int(service.config.session_hours * HOUR_SECONDS),
        httponly=True,
        secure=service.config.secure_cookies,
        samesite="lax",
        path="/",
    )


def end(service: Service, response: Response) -> None:
    """Let the browser forget the session."""
    response.delete_cookie(
        COOKIE, httponly=True, secure=service.config.secure_cookies, samesite="lax", path="/"
    )


def session_of(service: Service, request: HTTPConnection) -> Session | None:
    """Return the session of a request; None without one, or when it is not signed by us or too old."""
    cookie = request.cookies.get(COOKIE)
    if cookie is None or service.secret is None:
        return None
    try:
        content: Any = _signer(service).loads(
            cookie, max_age=int(service.config.session_hours * HOUR_SECONDS)
        )
        return Session(str(content["k"]), str(content["n"]))
    except (BadSignature, KeyError, TypeError):
        return None


def csrf_token(service: Service, session: Session) -> str:
    """Return the token that a session's forms and scripts must send along."""
    return hmac.new(_secret(service), f"csrf {session.nonce}".encode(), hashlib.sha256).hexdigest()


async def require_csrf(service: Service, session: Session, request: Request) -> None:
    """Raise Problem 403 unless a request that changes something came from a page of ours."""
    if request.method in _SAFE:
        return
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise Problem(403, "the request comes from a page of another site")
    sent = request.headers.get(CSRF_HEADER)
    if sent is None and request.headers.get("content-type", "").startswith(
        "application/x-www-form-urlencoded"
    ):
        field = (await request.form()).get(CSRF_FIELD)
        sent = field if isinstance(field, str) else None
    if sent is None or not hmac.compare_digest(sent.encode(), csrf_token(service, session).encode()):
        raise Problem(403, f"the session's CSRF token expected in {CSRF_HEADER} or in field {CSRF_FIELD}")


def _signer(service: Service) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        _secret(service), salt="console session", signer_kwargs={"digest_method": hashlib.sha256}
    )


def _secret(service: Service) -> bytes:
    if service.secret is None:
        raise Problem(503, "the database has not been reached yet", headers={"Retry-After": "5"})
    return service.secret
