"""POST /v1/lookup and /v1/lookup/batch."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter, Request
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from fingerprint.domain.results import Match
from fingerprint.matching.live import LookupRequest, Serving, read_request
from fingerprint.service.http.limits import deadline_of, json_of
from fingerprint.service.http.openapi import body_schema, problems
from fingerprint.service.http.problems import Problem
from fingerprint.service.routes.answers import Answer, BatchAnswer, BatchBody, LookupBody, answer_of
from fingerprint.service.serving import metrics
from fingerprint.service.serving.access_log import note
from fingerprint.service.serving.auth import permitted
from fingerprint.service.serving.context import Service, service_of

router = APIRouter(prefix="/v1", tags=["lookup"])
SNAPSHOT = "x-snapshot-id"
_one: TypeAdapter[LookupBody] = TypeAdapter(LookupBody)
_batch: TypeAdapter[BatchBody] = TypeAdapter(BatchBody)


@router.post(
    "/lookup",
    response_model=Answer,
    responses=problems(400, 401, 403, 413, 415, 422, 503),
    openapi_extra=body_schema(LookupBody),
)
async def lookup(request: Request) -> Response:
    """Look one request up among the stored families, and decide by the operator's policy."""
    service = service_of(request)
    who = await permitted(request, "lookup")
    body = await json_of(request, service.config)
    wanted = _checked(_one, body)
    query = read_request(body, wanted.account_id)
    match, serving = await (
        service.engine.explain(query)
        if wanted.explain
        else service.engine.ask(query, deadline_of(request, service.config.deadline_ms))
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
    openapi_extra=body_schema(BatchBody),
)
async def lookup_batch(request: Request) -> Response:
    """Look up to 1,000 requests up, all in the same snapshot."""
    service = service_of(request)
    who = await permitted(request, "lookup")
    body = await json_of(request, service.config)
    wanted = _checked(_batch, body)
    most = service.config.batch
    if len(wanted.requests) > most:
        raise Problem(413, f"at most {most:,} requests expected, {len(wanted.requests):,} found")
    pairs = zip(body["requests"], wanted.requests, strict=True)
    queries = [read_request(row, one.account_id) for row, one in pairs]
    until = deadline_of(request, service.config.batch_deadline_ms)
    matches, serving = await service.engine.ask_all(queries, until)
    explained = [one.explain for one in wanted.requests]
    if any(explained):
        matches = [
            (await service.engine.explain(one))[0] if explain else match
            for one, explain, match in zip(queries, explained, matches, strict=True)
        ]
    results = [
        _answered(service, match, one, serving, explain=explain)
        for match, one, explain in zip(matches, queries, explained, strict=True)
    ]
    matched = sum(answer["match"] for answer in results)
    note(request.scope, key=who.key_id, prompts=len(queries), matched=matched, snapshot=serving.snapshot_id)
    return _json({"results": results, "snapshot_id": serving.snapshot_id}, serving)


def _checked(kind: TypeAdapter[Any], body: object) -> Any:
    try:
        return kind.validate_python(body, strict=True)
    except ValidationError as wrong:
        # what was sent is not repeated: it may hold a prompt
        errors = [{"at": list(map(str, e["loc"])), "expected": e["msg"]} for e in wrong.errors()[:20]]
        raise Problem(422, "the body is not as expected", more={"errors": errors}) from None


def _answered(
    service: Service, match: Match, query: LookupRequest, serving: Serving, *, explain: bool
) -> dict[str, Any]:
    decision = service.policy.decide(match, query.account, "api")
    metrics.looked_up(match, decision, "api")
    return answer_of(match, decision, serving, explain=explain)


def _json(content: dict[str, Any], serving: Serving) -> Response:
    headers = {SNAPSHOT: serving.snapshot_id}
    return Response(orjson.dumps(content), 200, headers, "application/json")
