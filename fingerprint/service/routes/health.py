"""Probes and metrics: is the service alive, is it ready, how is it doing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import PlainTextResponse, Response

from fingerprint.service.http.problems import Problem
from fingerprint.service.serving import metrics
from fingerprint.service.serving.auth import Principal, Required
from fingerprint.service.serving.context import Service, service_of

router = APIRouter(tags=["operations"])
_READY_BUT = "ready, but the policy's file cannot be read: the policy before it is in use, the log says why\n"


@router.get("/livez", response_class=PlainTextResponse)
async def livez() -> Response:
    """Say that the process answers; depends on nothing."""
    return PlainTextResponse("alive\n")


@router.get("/readyz", response_class=PlainTextResponse)
async def readyz(service: Annotated[Service, Depends(service_of)]) -> Response:
    """Say whether lookups are answered: a snapshot is in use, keys are known, and the service is not shutting down.

    The database may be away: lookups do not need it. A wrong policy file is reported, but the service stays ready.
    """
    if service.draining:
        raise Problem(503, "shutting down")
    if service.keys is None:
        raise Problem(503, "the API keys have not been read yet")
    if service.live.serving is None:
        raise Problem(503, "no snapshot yet: run `fingerprint nightly`")
    return PlainTextResponse("ready\n" if service.policy_file.error is None else _READY_BUT)


@router.get("/metrics", response_class=PlainTextResponse)
async def prometheus(
    service: Annotated[Service, Depends(service_of)], _who: Annotated[Principal, Depends(Required("read"))]
) -> Response:
    """Answer Prometheus; scope read, where there are keys."""
    return metrics.exposition(
        service.live.serving,
        service.policy_file,
        database_up=service.database_up,
        waiting=len(service.engine),
    )
