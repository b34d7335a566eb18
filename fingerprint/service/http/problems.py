"""Errors as problem+json (RFC 9457): which error has which status, and never a traceback or a prompt."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from fingerprint.domain.errors import Conflict, FingerprintError, InputError, NotFound, StoreError, UsageError

MEDIA_TYPE = "application/problem+json"


class ProblemBody(BaseModel):
    """A problem as RFC 9457 has it; `type` is always about:blank, so `title` is the status's phrase."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = Field(
        None, description="where the request's body or query is wrong"
    )


class Problem(Exception):
    """An answer that is no success: its status, words for people, and headers."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = dict(more or {})


def response(problem: Problem) -> Response:
    """Turn a problem into its response."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        **problem.more,
    }
    return Response(orjson.dumps(body), problem.status, problem.headers, MEDIA_TYPE)


_STATUS: tuple[tuple[type[FingerprintError], int], ...] = (
    (NotFound, 404),
    (Conflict, 412),
    (UsageError, 422),
    (InputError, 422),
    (StoreError, 503),
    (FingerprintError, 503),
)


def problem_of(error: FingerprintError) -> Problem:
    """Say which problem an error of the engine is; paths and names of databases stay in the log."""
    status = next(status for kind, status in _STATUS if isinstance(error, kind))
    if status < 500:
        return Problem(status, str(error).rpartition(": ")[2] if status == 404 else str(error))
    structlog.get_logger().error("unavailable", error=type(error).__name__, message=str(error))
    return Problem(503, "the store cannot be read or written now", headers={"Retry-After": "5"})


def install(app: FastAPI) -> None:
    """Let the application answer every error as a problem."""

    @app.exception_handler(Problem)
    async def _problem(_request: Request, error: Problem) -> Response:
        return response(error)

    @app.exception_handler(FingerprintError)
    async def _known(_request: Request, error: FingerprintError) -> Response:
        return response(problem_of(error))

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: HTTPException) -> Response:
        return response(Problem(error.status_code, str(error.detail), headers=error.headers))

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> Response:
        # what was sent is not repeated: it may hold a prompt
        errors = [{"at": list(map(str, e["loc"])), "expected": e["msg"]} for e in error.errors()]
        return response(Problem(422, "the request is not as expected", more={"errors": errors}))

    @app.exception_handler(Exception)
    async def _unforeseen(_request: Request, error: Exception) -> Response:
        structlog.get_logger().error("unforeseen", error=type(error).__name__, exc_info=error)
        return response(Problem(500, "not foreseen; the service's log says what"))
