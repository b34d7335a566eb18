"""Logging in and out with an API key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.templating import Jinja2Templates
from starlette.responses import Response

from fingerprint.service.auth import Principal, key_named, require
from fingerprint.service.context import Service, service_of
from fingerprint.service.sessions import end, start

router = APIRouter(include_in_schema=False)
pages = Jinja2Templates(Path(__file__).parent / "templates")


@router.get("/login")
def login_page(request: Request) -> HTMLResponse:
    """Show the form."""
    return pages.TemplateResponse(request, "login.html", {"wrong": False})


@router.post("/login")
def log_in(
    request: Request, key: Annotated[str, Form()], service: Annotated[Service, Depends(service_of)]
) -> Response:
    """Start a session for a key that may read; the audit log takes note."""
    stored = key_named(service, key.strip())
    if stored is None or not {"read", "admin"} & set(stored.row.scopes):
        return pages.TemplateResponse(request, "login.html", {"wrong": True}, status_code=401)
    service.store().access.record(stored.row.name, "session.start", stored.row.key_id)
    response = RedirectResponse("/", 303)
    start(service, response, stored.row.key_id)
    return response


@router.post("/logout")
def log_out(
    who: Annotated[Principal, Depends(require("read"))], service: Annotated[Service, Depends(service_of)]
) -> Response:
    """End the session."""
    response = RedirectResponse("/login", 303)
    end(service, response)
    if who.session is not None:
        service.store().access.record(who.name, "session.end", who.session.key_id)
    return response
