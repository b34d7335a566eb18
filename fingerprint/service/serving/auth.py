"""Who asks, and may they: API keys, console sessions, scopes."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from fastapi.requests import HTTPConnection

from fingerprint.domain.vocabulary import Scope
from fingerprint.service.http.config import is_loopback
from fingerprint.service.http.headers import header_of
from fingerprint.service.http.problems import Problem
from fingerprint.service.serving.context import Service, service_of
from fingerprint.service.serving.sessions import Session, session_of
from fingerprint.store import api_keys
from fingerprint.store.access import StoredKey

OPEN_SCOPES = ("lookup", "read")
"""What anyone on this machine may do while no key was ever made; whoever changes something needs a name."""

GATEWAY_KEY = "x-fingerprint-key"

WHO = "fingerprint.who"
"""Where the scope of a request that was let in says who asks."""

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="fingerprint"'}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: `name` is written to the audit log; session is None unless they came with a console's cookie."""

    name: str
    key_id: str | None
    scopes: tuple[str, ...]
    session: Session | None = None

    def may(self, scope: Scope) -> bool:
        """Tell whether a scope is granted; admin grants all."""
        return scope in self.scopes or "admin" in self.scopes


_ANYONE = Principal("anyone on this machine", None, OPEN_SCOPES)


def key_named(service: Service, key: str) -> StoredKey | None:
    """Return the stored key that this is, if it is valid now: neither revoked nor expired."""
    key_id = api_keys.id_in(key)
    stored = None if key_id is None else _keys(service).get(key_id)
    if stored is None or not api_keys.same(key, stored.digest) or not _in_force(service, stored):
        return None
    service.last_used[stored.row.key_id] = service.now()
    return stored


async def principal_of(service: Service, request: HTTPConnection) -> Principal | None:
    """Tell who asks: by `Authorization: Bearer`, by `x-api-key`, by the console's cookie; None for nobody.

    Raises Problem 401 for a key that is not valid, 503 when keys have not been read yet.
    """
    sent = _sent_key(request)
    if sent is not None:
        stored = key_named(service, sent)
        if stored is None:
            raise Problem(401, "this API key is not valid", headers=_CHALLENGE)
        return _principal(stored, None)
    session = await session_of(service, request)
    stored = None if session is None else _keys(service).get(session.key_id)
    if stored is not None and _in_force(service, stored):
        return _principal(stored, session)
    if service.config.is_local and not _keys(service) and _asked_locally(request):
        return _ANYONE
    return None


@dataclass(frozen=True, slots=True)
class Required:
    """A dependency of routes: who asks. It states the scope that the gate asks for before anything of the body is read."""

    scope: Scope

    async def __call__(self, request: Request) -> Principal:
        """Return whom the gate let in."""
        return who_asks(request)


def who_asks(request: Request) -> Principal:
    """Return whom the gate let in."""
    who: Principal = request.scope[WHO]
    return who


async def permitted(request: HTTPConnection, scope: Scope) -> Principal:
    """Return who asks, read off headers and cookies alone; raises Problem 401 or 403 unless they have the scope."""
    service = service_of(request)
    who = await principal_of(service, request)
    if who is None:
        raise Problem(401, "an API key expected, as Authorization: Bearer or x-api-key", headers=_CHALLENGE)
    if not who.may(scope):
        raise Problem(403, f"scope {scope} expected, {', '.join(who.scopes)} found")
    return who


def permitted_gateway(request: HTTPConnection) -> Principal:
    """Return which gateway asks, by x-fingerprint-key, for other keys are its client's; raises Problem 401 or 403."""
    service = service_of(request)
    sent = request.headers.get(GATEWAY_KEY)
    stored = None if sent is None else key_named(service, sent)
    if stored is not None:
        who = _principal(stored, None)
        if not who.may("lookup"):
            raise Problem(403, "scope lookup expected")
        return who
    if sent is not None or not service.config.is_local or _keys(service):
        raise Problem(401, f"an API key expected in {GATEWAY_KEY}")
    return _ANYONE


def _sent_key(request: HTTPConnection) -> str | None:
    scheme, _, value = (header_of(request, b"authorization") or "").partition(" ")
    if scheme.lower() == "bearer" and value:
        return value.strip()
    return header_of(request, b"x-api-key")


def _keys(service: Service) -> dict[str, StoredKey]:
    if service.keys is None:
        raise Problem(503, "the API keys have not been read yet", headers={"Retry-After": "5"})
    return service.keys


def _in_force(service: Service, stored: StoredKey) -> bool:
    row = stored.row
    return row.revoked is None and (row.expires is None or row.expires > service.now())


def _principal(stored: StoredKey, session: Session | None) -> Principal:
    return Principal(stored.row.name, stored.row.key_id, stored.row.scopes, session)


def _asked_locally(request: HTTPConnection) -> bool:
    """Tell whether the Host is this machine's: a name that a web page made to point here is not (DNS rebinding).

    A Unix socket is always; no page reaches it.
    """
    if service_of(request).config.unix is not None:
        return True
    host = request.headers.get("host", "")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return is_loopback(name)
