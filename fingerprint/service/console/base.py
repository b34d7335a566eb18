"""What all pages share: who is visiting, how templates are filled, and how errors become pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.templating import Jinja2Templates
from starlette.responses import HTMLResponse, RedirectResponse, Response

from fingerprint.base.quantities import bytes_words
from fingerprint.casework.account_lists import AccountLists
from fingerprint.casework.actions import Actions
from fingerprint.casework.cases import Cases
from fingerprint.casework.queries import PageQueries
from fingerprint.casework.queue import Queue
from fingerprint.domain.errors import FingerprintError
from fingerprint.domain.expected_precision import expected_precision, precision_words
from fingerprint.service.console import charts
from fingerprint.service.http.problems import Problem, problem_of
from fingerprint.service.serving.auth import Principal, Required
from fingerprint.service.serving.context import Service, service_of
from fingerprint.store.store import Store

HERE = Path(__file__).parent

MAX_ROWS = 200
"""Rows of a list; further ones are found through the queue's filters."""

BENIGN_REASONS = ("agent harness", "benchmark", "customer's batch job", "popular prompt", "greeting or test")
"""Reasons for "benign" that a click fills in."""

TEMPLATES = Jinja2Templates(HERE / "templates")


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a person: who they are, and what of the home pages read and change."""

    request: Request
    service: Service
    who: Principal

    @property
    def store(self) -> Store:
        """The store; raises StoreError while the database is away."""
        return self.service.store()

    @property
    def actions(self) -> Actions:
        """The analysts' actions, to read and to do."""
        return Actions(self.store.database)

    @property
    def queue(self) -> Queue:
        """The queue."""
        return Queue(self.store.database)

    @property
    def cases(self) -> Cases:
        """Campaigns as cases."""
        return Cases(self.store.database)

    @property
    def account_lists(self) -> AccountLists:
        """The accounts of a family or campaign."""
        return AccountLists(self.store.database)

    @property
    def queries(self) -> PageQueries:
        """What pages show beside the queue."""
        return PageQueries(self.store.database)

    @property
    def partial(self) -> bool:
        """True if only a part of a page is asked for."""
        return self.request.headers.get("hx-request") == "true"

    def render(self, name: str, status: int = 200, **values: object) -> HTMLResponse:
        """Fill a template; an action whose id the address has as `did` is shown with a way to undo it."""
        session = self.who.session
        common = {
            "who": self.who,
            "may_label": self.who.may("label"),
            "csrf": session.csrf if session else "",
            "benign_reasons": BENIGN_REASONS,
            "path": self.request.url.path,
            "did": self._did() if not self.partial else None,
            "led_to": self.request.query_params.get("led_to"),
        }
        return TEMPLATES.TemplateResponse(self.request, name, {**common, **values}, status_code=status)

    def _did(self) -> object:
        number = self.request.query_params.get("did", "")
        return (
            self.actions.action(int(number))
            if number.isascii() and number.isdigit() and len(number) < 10
            else None
        )

    def back(self, where: str, did: int | None = None) -> Response:
        """Send the browser to a page, which shows the action `did` if there was one."""
        target = where if did is None else f"{where}{'&' if '?' in where else '?'}did={did}"
        if self.partial:
            return Response(status_code=204, headers={"HX-Redirect": target})
        return RedirectResponse(target, 303)


async def _reader(request: Request, who: Annotated[Principal, Depends(Required("read"))]) -> Visit:
    return Visit(request, service_of(request), who)


async def _writer(request: Request, who: Annotated[Principal, Depends(Required("label"))]) -> Visit:
    return Visit(request, service_of(request), who)


Reader = Annotated[Visit, Depends(_reader)]
"""A visit of somebody who may read."""

Writer = Annotated[Visit, Depends(_writer)]
"""A visit of somebody who may label, from a page of ours."""


class PageRoute(APIRoute):
    """A route whose errors are pages: visitors who are not logged in are sent to log in, others see the message."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler that FastAPI makes."""
        handler: Callable[[Request], Awaitable[Response]] = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except FingerprintError as error:
                return problem_page(request, problem_of(error))
            except RequestValidationError as error:
                fields = ", ".join(str(e["loc"][-1]) for e in error.errors())
                return problem_page(request, Problem(422, f"these fields are missing or wrong: {fields}"))
            except Problem as problem:
                return problem_page(request, problem)

        return handle


def problem_page(request: Request, problem: Problem) -> Response:
    """Show a problem to a person; who is not logged in is sent to log in."""
    partial = request.headers.get("hx-request") == "true"
    if problem.status == 401:
        where = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        login = (
            f"/login?next={quote(where, safe='')}" if request.method == "GET" and not partial else "/login"
        )
        return (
            Response(status_code=204, headers={"HX-Redirect": login})
            if partial
            else RedirectResponse(login, 303)
        )
    name = "parts/problem.html" if partial else "problem.html"
    return TEMPLATES.TemplateResponse(
        request,
        name,
        {"problem": problem, "who": None, "path": request.url.path},
        status_code=problem.status,
        headers=problem.headers,
    )


def account_page(account_id: str) -> str:
    """Return the address of an account's page, whatever its id holds."""
    return f"/account?id={quote(account_id, safe='')}"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _short(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            scaled = value / (1e3 if unit == "k" else size)
            return f"{scaled:.3g}{unit}" if scaled < 1000 else f"{scaled:,.0f}{unit}"
    return f"{value:,.0f}"


def _time(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


def _day(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d}"


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _took(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:,.1f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


TEMPLATES.env.filters |= {
    "bytes": bytes_words,
    "sure": precision_words,
    "took": _took,
    "precision": lambda score: precision_words(expected_precision(score)),
    "count": _count,
    "short": _short,
    "time": _time,
    "day": _day,
    "iso": _iso,
    "sparkline": charts.sparkline,
    "sum_days": lambda rows: [sum(day) for day in zip(*rows, strict=True)],
    "account_page": account_page,
    "quote": lambda text: quote(str(text), safe=""),
}
TEMPLATES.env.trim_blocks = TEMPLATES.env.lstrip_blocks = True
