"""POST /v1/lookup and /v1/lookup/batch."""

from __future__ import annotations

from functools import partial
from typing import Any

import orjson
from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from starlette.responses import Response

from fingerprint.domain.results import Match
from fingerprint.matching.live import LookupRequest, Serving, read_request
from fingerprint.service.http.config import Config
from fingerprint.service.http.limits import deadline_of, json_bytes_of
from fingerprint.service.http.openapi import body_schema, problems
from fingerprint.service.http.problems import Problem
from fingerprint.service.routes.answers import (
    Answer,
    BatchAnswer,
    BatchBody,
    LookupBody,
    LookupOptions,
    answer_of,
)
from fingerprint.service.serving import metrics
from fingerprint.service.serving.access_log import note
from fingerprint.service.serving.auth import Required, who_asks
from fingerprint.service.serving.context import Service, service_of
from fingerprint.traffic.bodies import Body, parsed
from fingerprint.traffic.content import Roles
from fingerprint.traffic.rejects import BadRow

router = APIRouter(prefix="/v1", tags=["lookup"])
SNAPSHOT = "x-snapshot-id"
PATHS = ("/v1/lookup", "/v1/lookup/batch")
"""Routes that read their bodies themselves, and which the gate calls (D-286)."""

ASKING = [Depends(Required("lookup"))]


@router.post(
    "/lookup",
    response_model=Answer,
    responses=problems(400, 401, 403, 413, 415, 422, 503),
    dependencies=ASKING,
    openapi_extra=body_schema(LookupBody),
)
async def lookup(request: Request) -> Response:
    """Look one request up among the stored families, and decide by the operator's policy."""
    service, who = service_of(request), who_asks(request)
    key = who.key_id or ""
    with service.in_flight.of(key) as take:
        raw = await json_bytes_of(request, service.config, take)
        until = deadline_of(request, service.config.deadline_ms)
        body = await service.engine.aside(len(raw), partial(_parsed, raw), until, key)
        wanted = _options(body.fields)
        query, match, serving = await service.engine.ask_body(
            len(raw),
            partial(_query, body, wanted.account, frozenset(service.config.roles)),
            until,
            key=key,
            explained=wanted.explain,
        )
    answer = _answered(service, match, query, serving, explain=wanted.explain)
    note(
        request.scope,
        key=who.key_id,
        family=match.family_id,
        label=match.label,
        score=answer["score"],
        decision=answer["decision"],
        rule=answer["rule"],
        snapshot=serving.snapshot_id,
    )
    return _json(answer, serving)


@router.post(
    "/lookup/batch",
    response_model=BatchAnswer,
    responses=problems(400, 401, 403, 413, 415, 422, 503),
    dependencies=ASKING,
    openapi_extra=body_schema(BatchBody),
)
async def lookup_batch(request: Request) -> Response:
    """Look up to 1,000 requests up, all in the same snapshot."""
    service, who = service_of(request), who_asks(request)
    key = who.key_id or ""
    with service.in_flight.of(key) as take:
        raw = await json_bytes_of(request, service.config, take)
        until = deadline_of(request, service.config.batch_deadline_ms)
        queries, explained = await service.engine.aside(
            len(raw), partial(_queries, raw, service.config), until, key
        )
        matches, serving = await service.engine.ask_all(queries, until, key)
        if any(explained):
            matches = [
                (await service.engine.explain(one, until, key))[0] if explain else match
                for one, explain, match in zip(queries, explained, matches, strict=True)
            ]
    results = [
        _answered(service, match, one, serving, explain=explain)
        for match, one, explain in zip(matches, queries, explained, strict=True)
    ]
    matched = sum(answer["match"] for answer in results)
    note(request.scope, key=who.key_id, prompts=len(queries), matched=matched, snapshot=serving.snapshot_id)
    return _json({"results": results, "snapshot_id": serving.snapshot_id}, serving)


def _parsed(raw: bytes) -> Body:
    try:
        return parsed(raw)
    except BadRow as bad:
        raise _problem(bad) from None


def _query(body: Body, account: str | None, roles: Roles, at: tuple[str, ...] = ()) -> LookupRequest:
    try:
        return read_request(body, account, roles)
    except BadRow as bad:
        raise _problem(bad, at) from None


def _queries(raw: bytes, config: Config) -> tuple[list[LookupRequest], list[bool]]:
    """Read the requests of a batch, and which are to be explained."""
    body, roles = _parsed(raw), frozenset(config.roles)
    rows = body.fields.get("requests")
    if not isinstance(rows, list) or not rows:
        raise _unfit([(("requests",), "a list of requests")])
    if len(rows) > config.batch:
        raise Problem(413, f"at most {config.batch:,} requests expected, {len(rows):,} found")
    queries, explained = [], []
    for number, row in enumerate(rows):
        at = ("requests", str(number))
        if not isinstance(row, dict):
            raise _unfit([(at, "an object")])
        wanted = _options(row, at)
        queries.append(_query(Body(row, body.undecodable), wanted.account, roles, at))
        explained.append(wanted.explain)
    return queries, explained


def _options(fields: dict[str, Any], at: tuple[str, ...] = ()) -> LookupOptions:
    """Read what is ours of a request; the provider's fields are read as those of logs are."""
    own = {name: fields[name] for name in LookupOptions.model_fields if fields.get(name) is not None}
    try:
        return LookupOptions.model_validate(own)
    except ValidationError as wrong:
        # what was sent is not repeated: it may hold a prompt
        raise _unfit([((*at, *map(str, e["loc"])), e["msg"]) for e in wrong.errors()]) from None


def _problem(bad: BadRow, at: tuple[str, ...] = ()) -> Problem:
    if bad.kind == "too_many_values":
        return Problem(413, bad.reason)
    if bad.kind in ("not_json", "invalid_utf8"):
        return Problem(400, f"a body of JSON expected: {bad.reason}")
    return _unfit([(at, bad.reason)], bad.kind)


def _unfit(errors: list[tuple[tuple[str, ...], str]], kind: str = "wrong_type") -> Problem:
    listed = [{"at": list(at), "expected": words} for at, words in errors]
    return Problem(422, f"the body is not as expected: {errors[0][1]}", more={"kind": kind, "errors": listed})


def _answered(
    service: Service, match: Match, query: LookupRequest, serving: Serving, *, explain: bool
) -> dict[str, Any]:
    decision = service.policy.decide(match, query.account, "api")
    metrics.looked_up(match, decision, "api")
    return answer_of(match, decision, serving, explain=explain)


def _json(content: dict[str, Any], serving: Serving) -> Response:
    headers = {SNAPSHOT: serving.snapshot_id}
    return Response(orjson.dumps(content), 200, headers, "application/json")
