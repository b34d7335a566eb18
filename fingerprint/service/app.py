"""Makes the ASGI application: routes, middleware, and the thread that follows the home."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from starlette.routing import Route

from fingerprint.base.version import __version__
from fingerprint.matching.live import one_thread
from fingerprint.service import console
from fingerprint.service.http import openapi, problems
from fingerprint.service.http.config import Config
from fingerprint.service.http.headers import SecurityHeaders
from fingerprint.service.http.problems import response
from fingerprint.service.routes import account_lists, cases, families, gateways, health, lookups
from fingerprint.service.serving.access_log import Observe, set_up_logging
from fingerprint.service.serving.context import Service
from fingerprint.service.serving.gate import Door, Gate, doors_of
from fingerprint.service.serving.signals import drain_on_signals, read_policy_on_hangup
from fingerprint.service.serving.telemetry import Telemetry, telemetry

SWITCH_S = 0.001
"""How long the thread of large bodies may keep the interpreter's lock from small lookups (D-150)."""

API = (lookups, gateways, families, account_lists, cases, health)
"""Folders of routes, those asked for most first."""


def create_app(config: Config, telemetry: Telemetry | None = None) -> FastAPI:
    """Make the application of one worker; nothing is opened before it starts. telemetry: where spans go; it is closed at the end."""
    app = FastAPI(
        title="fingerprint",
        version=__version__,
        lifespan=_running,
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        # ours is told what to send (D-220); theirs would send messages of errors, and asks at every request
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        },
    )
    app.state.service, app.state.telemetry = Service(config), telemetry
    problems.install(app)
    openapi.install(app)
    for part in API:
        app.include_router(part.router)
    app.router.routes.append(gateways.ENVOY_ROUTE)
    console.install(app)
    app.add_middleware(Gate, doors=_doors(app))
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Observe, telemetry=telemetry)
    return app


def _doors(app: FastAPI) -> list[Door]:
    """Make the doors of all routes, those asked for most first."""
    api = [route for part in API for route in part.router.routes]
    plain = [route for route in app.routes if isinstance(route, Route)]  # Envoy's, and the OpenAPI document
    own = frozenset((*lookups.PATHS, *gateways.PATHS))
    return [
        *doors_of([*api, *plain], lambda _request, problem: response(problem), own=own),
        *doors_of(console.ROUTES, console.problem_page, own=frozenset()),
    ]


def from_environment() -> FastAPI:
    """Make the application of a worker process that `fingerprint serve` started."""
    set_up_logging()
    one_thread()
    sys.setswitchinterval(SWITCH_S)
    app = create_app(Config.from_environment(), telemetry())
    app.state.owns_process = True
    return app


@asynccontextmanager
async def _running(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    drain_on_signals(service)
    read_policy_on_hangup(service)
    await asyncio.to_thread(service.refresh)
    if getattr(app.state, "owns_process", False):
        # 300,000 objects that stay: to look through them all would hold up lookups for a tenth of a second (D-007)
        gc.collect()
        gc.freeze()
    following = asyncio.create_task(service.following())
    try:
        yield
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        service.close()
        if app.state.telemetry is not None:
            await asyncio.to_thread(app.state.telemetry.close)
