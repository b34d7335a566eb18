"""The analysts' console: server-rendered pages in the service's process; `install` adds them to the application."""

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.types import Scope

from fingerprint.service.console import accounts, campaigns, family, hunting, login, queue
from fingerprint.service.console.base import HERE

__all__ = ["install"]


class _Kept(StaticFiles):
    """Static files that a browser may keep, asking each time whether they changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Add what caches may do."""
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "no-cache"
        return response


def install(app: FastAPI) -> None:
    """Add the console's routes and static files."""
    app.mount("/static", _Kept(directory=HERE / "static"), name="static")
    for part in (login, queue, family, hunting, campaigns, accounts):
        app.include_router(part.router)
