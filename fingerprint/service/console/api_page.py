"""/docs: the OpenAPI document as a page that loads nothing from elsewhere and runs no script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from fingerprint.service.console.base import TEMPLATES, PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False)

METHODS = ("get", "put", "post", "delete", "patch")
Part = tuple[str, str | None]
"""Words of a type, and the schema that they lead to, or None."""


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter or a property; where: path, query or header, "" for a property."""

    name: str
    where: str
    required: bool
    type: tuple[Part, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """A status, what it means, and the type of its body."""

    status: str
    words: str
    type: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path."""

    method: str
    path: str
    words: str
    fields: tuple[Field, ...]
    body: tuple[Part, ...]
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    """What a body has."""

    name: str
    words: str
    fields: tuple[Field, ...]


@router.get("/docs")
def api_page(request: Request) -> Response:
    """Show every operation and schema; they are no secret, as the document is none."""
    document = request.app.openapi()
    values = {"info": document["info"], "tags": operations(document), "schemas": schemas(document)}
    return TEMPLATES.TemplateResponse(request, "api.html", values)


def operations(document: Mapping[str, Any]) -> dict[str, list[Operation]]:
    """Return all operations by tag, in the document's order."""
    tags: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                row = methods[method]
                tags.setdefault(row.get("tags", ["other"])[0], []).append(_operation(method, path, row))
    return tags


def schemas(document: Mapping[str, Any]) -> list[Schema]:
    """Return all schemas of bodies, by name."""
    rows = sorted(document["components"]["schemas"].items())
    return [Schema(name, row.get("description", ""), tuple(_properties(row))) for name, row in rows]


def _operation(method: str, path: str, row: Mapping[str, Any]) -> Operation:
    fields = tuple(
        Field(
            p["name"], p["in"], p.get("required", False), tuple(_type(p["schema"])), p.get("description", "")
        )
        for p in row.get("parameters", ())
    )
    outcomes = tuple(
        Outcome(status, answer["description"], tuple(_content(answer)))
        for status, answer in sorted(row["responses"].items())
    )
    body = tuple(_content(row.get("requestBody", {})))
    return Operation(method.upper(), path, row.get("description", ""), fields, body, outcomes)


def _properties(schema: Mapping[str, Any]) -> Iterator[Field]:
    needed = schema.get("required", ())
    for name, row in schema.get("properties", {}).items():
        yield Field(name, "", name in needed, tuple(_type(row)), row.get("description", ""))


def _content(row: Mapping[str, Any]) -> Iterator[Part]:
    for number, (media, content) in enumerate(row.get("content", {}).items()):
        if number:
            yield " or ", None
        yield from _type(content.get("schema", {}))
        if media not in ("application/json", "application/problem+json"):
            yield f" ({media})", None


def _type(schema: Mapping[str, Any]) -> Iterator[Part]:
    """Say a JSON schema in words, with links to those that have a name."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        yield name, name
        return
    choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if choices:
        for number, one in enumerate(choices):
            if number:
                yield " or ", None
            yield from _type(one)
        return
    if "enum" in schema or "const" in schema:
        yield ", ".join(str(value) for value in schema.get("enum", [schema.get("const")])), None
        return
    kind = schema.get("type", "any")
    if kind == "array":
        yield "list of ", None
        yield from _type(schema.get("items", {}))
        return
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        yield "object of ", None
        yield from _type(schema["additionalProperties"])
        return
    yield (f"{kind} ({schema['format']})" if "format" in schema else kind), None
