"""The analysts' console: pages rendered by the service itself, at the addresses that begin without /v1.

In come requests of people who are logged in; out come HTML pages, whole or in part (htmx), and redirects. `install`
adds the routes and static files to the application. Read base.py first: every page has a `Visit`; then queue.py.
"""

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.types import Scope

from fingerprint.service.console import (
    account_lists,
    accounts,
    api_page,
    campaigns,
    compare,
    family,
    hunting,
    last_night,
    login,
    overview,
    queue,
)
from fingerprint.service.console.base import HERE, problem_page

__all__ = ["ROUTES", "install", "problem_page"]


class _RevalidatedFiles(StaticFiles):
    """Static files that a browser may keep, but must ask for each time whether they changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Add the header for caches."""
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "no-cache"
        return response


_ROUTERS = tuple(
    part.router
    for part in (
        login,
        api_page,
        queue,
        family,
        compare,
        hunting,
        campaigns,
        account_lists,
        accounts,
        last_night,
        overview,
    )
)
_STATIC = Mount("/static", _RevalidatedFiles(directory=HERE / "static"), name="static")

ROUTES: tuple[BaseRoute, ...] = (_STATIC, *(route for router in _ROUTERS for route in router.routes))
"""All that `install` adds."""


def install(app: FastAPI) -> None:
    """Add the console's routes and static files."""
    app.router.routes.append(_STATIC)
    for router in _ROUTERS:
        app.include_router(router)
