"""The OpenAPI document: bodies that routes read themselves, problems, and who may ask."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from fingerprint.service.http.problems import MEDIA_TYPE, ProblemBody

_bodies: dict[str, type[BaseModel]] = {ProblemBody.__name__: ProblemBody}
_REF = "#/components/schemas/"


def body_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Describe the JSON body of a route that reads it itself."""
    _bodies[model.__name__] = model
    schema = {"$ref": f"{_REF}{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the problems that a route answers with."""
    content = {MEDIA_TYPE: {"schema": {"$ref": f"{_REF}{ProblemBody.__name__}"}}}
    return {status: {"description": _WORDS[status], "content": content} for status in statuses}


_WORDS = {
    400: "the body is no JSON, or a parameter is wrong",
    401: "no API key, or one that is not valid",
    403: "the key's scopes do not allow this",
    404: "there is no such thing",
    412: "somebody else changed it since it was read",
    413: "the body is too long",
    415: "the body is not application/json",
    422: "the body or a parameter is not as expected",
    428: "If-Match is missing",
    503: "overloaded, not ready, or the database is away; Retry-After says when to come back",
}


def install(app: FastAPI) -> None:
    """Let the application describe itself with all of that."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    models = [(model, "validation") for model in _bodies.values()]
    _, defined = models_json_schema(models, ref_template=_REF + "{model}")  # type: ignore[arg-type]
    parts = document.setdefault("components", {})
    parts["schemas"] = {**defined["$defs"], **parts.get("schemas", {})}
    parts["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    }
    document["security"] = [{"bearer": []}, {"apiKey": []}]
    for path in document["paths"].values():
        for operation in path.values():
            # FastAPI's own 422 is not what is answered here
            wrong = operation.get("responses", {}).get("422", {}).get("content", {})
            if "application/json" in wrong:
                operation["responses"].update({"422": problems(422)[422]})
    parts["schemas"].pop("HTTPValidationError", None)
    parts["schemas"].pop("ValidationError", None)
    return document
