"""Logging in and out with an API key."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from fingerprint.service.console.base import TEMPLATES, PageRoute
from fingerprint.service.console.queue import local
from fingerprint.service.serving.auth import Principal, Required, key_named
from fingerprint.service.serving.context import Service, service_of
from fingerprint.service.serving.sessions import end, require_our_page, start

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/login")
def login_page(request: Request, next: str = "/") -> Response:  # noqa: A002  the field's name
    """Show the form."""
    return TEMPLATES.TemplateResponse(request, "login.html", {"wrong": False, "next": local(next)})


@router.post("/login")
def log_in(
    request: Request,
    key: Annotated[str, Form()],
    service: Annotated[Service, Depends(service_of)],
    next: Annotated[str, Form()] = "/",  # noqa: A002
) -> Response:
    """Start a session for a key that may read; the audit log takes note."""
    require_our_page(request)
    address, key = request.client.host if request.client else "", key.strip()
    service.logins.admit(address, key)
    stored = key_named(service, key)
    if stored is None or not {"read", "admin"} & set(stored.row.scopes):
        service.logins.failed(address, key)
        values = {"wrong": True, "next": local(next)}
        return TEMPLATES.TemplateResponse(request, "login.html", values, status_code=401)
    response = RedirectResponse(local(next), 303)
    start(service, response, stored)
    return response


@router.post("/logout")
def log_out(
    who: Annotated[Principal, Depends(Required("read"))], service: Annotated[Service, Depends(service_of)]
) -> Response:
    """End the session."""
    response = RedirectResponse("/login", 303)
    if who.session is not None:
        end(service, response, who.session, by=who.name)
    return response
