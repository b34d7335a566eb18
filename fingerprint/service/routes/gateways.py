"""What gateways call: LiteLLM's Generic Guardrail API and Envoy's ext_authz over HTTP.

Both treat answers in their own ways, so these routes answer with 200 and a decision, or with 503 and nothing else: a
429, 500 or 401 would reach LiteLLM's users as errors even where it is told to fail open, and Envoy's as denials. What
happens without our answer is the gateway's to say (`unreachable_fallback`, `failure_mode_allow`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import orjson
import structlog
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fingerprint.domain.errors import FingerprintError, InputError
from fingerprint.domain.results import Match
from fingerprint.matching.live import LookupRequest, Serving, read_request
from fingerprint.service.http.limits import beginning_of, deadline_of
from fingerprint.service.http.openapi import body_schema, problems
from fingerprint.service.http.problems import Problem, response
from fingerprint.service.routes.answers import answer_of
from fingerprint.service.routes.truncated_json import salvaged
from fingerprint.service.serving import metrics
from fingerprint.service.serving.access_log import note
from fingerprint.service.serving.auth import permitted, permitted_gateway
from fingerprint.service.serving.context import Service, service_of
from fingerprint.service.serving.policy import Decision, Gateway

router = APIRouter(tags=["gateways"])
ENVOY_PATH = "/v1/envoy/authz"
ACCOUNT_HEADER = "x-account-id"
ACCOUNT_FIELDS = (
    "user_api_key_org_id",
    "user_api_key_team_id",
    "user_api_key_hash",
    "user_api_key_end_user_id",
)
"""In the order in which the nightly job names the sender of LiteLLM's logs."""

_HIDDEN = "[present]"
_log = structlog.get_logger()


class GuardrailBody(BaseModel):
    """What LiteLLM sends; everything may be null."""

    model_config = ConfigDict(extra="allow")
    input_type: Literal["request", "response"] | None = None
    structured_messages: list[dict[str, Any]] | None = None
    texts: list[str] | None = None
    request_data: dict[str, Any] | None = None
    request_headers: dict[str, Any] | None = None
    additional_provider_specific_params: dict[str, Any] | None = None


class GuardrailAnswer(BaseModel):
    """What LiteLLM acts on; it ignores `fingerprint`, which is for people who read its traffic."""

    action: Literal["NONE", "BLOCKED"]
    blocked_reason: str | None = None
    fingerprint: dict[str, Any] | None = None


async def _or_503(gateway: str, work: Callable[[], Awaitable[Response]]) -> Response:
    """Answer, or say 503 whatever went wrong, and write down what."""
    try:
        return await work()
    except Problem as problem:
        why, words = f"{problem.status}", problem.detail
    except Exception as error:
        foreseen = isinstance(error, FingerprintError)
        why, words = type(error).__name__, str(error) if foreseen else "not foreseen"
        _log.error("gateway", gateway=gateway, error=why, message=words, exc_info=None if foreseen else error)
    metrics.UNPARSED.labels(gateway, why).inc()
    _log.warning("gateway", gateway=gateway, answered=503, why=why, message=words)
    return response(Problem(503, "no answer: the service's log says why", headers={"retry-after": "1"}))


async def _decided(
    service: Service, request: Request, query: LookupRequest, gateway: Gateway
) -> tuple[Match, Decision, Serving]:
    match, serving = await service.engine.ask(query, deadline_of(request, service.config.deadline_ms))
    decision = service.policy.decide(match, query.account, gateway)
    metrics.looked_up(match, decision, gateway)
    note(
        request.scope,
        gateway=gateway,
        family=match.family_id,
        label=match.label,
        score=round(match.score, 9),
        decision=decision.action,
        rule=decision.rule,
        snapshot=serving.snapshot_id,
    )
    return match, decision, serving


@router.post(
    "/beta/litellm_basic_guardrail_api",
    response_model=GuardrailAnswer,
    responses=problems(503),
    openapi_extra=body_schema(GuardrailBody),
)
async def litellm_guardrail(request: Request) -> Response:
    """Answer LiteLLM's Generic Guardrail API: BLOCKED where the policy blocks, else NONE."""
    service = service_of(request)

    async def work() -> Response:
        await permitted(request, "lookup")
        raw, whole = await beginning_of(request, service.config.max_gateway_body)
        body = salvaged(raw) if whole else None
        if not isinstance(body, dict):
            return _let_through(request, "too_long" if not whole else "not_json")
        if body.get("input_type") == "response":
            return _guardrail("NONE")
        try:
            query = _guardrail_asked(body)
        except InputError:
            return _let_through(request, "unreadable")
        match, decision, serving = await _decided(service, request, query, "litellm")
        note(request.scope, litellm_call_id=_word(body.get("litellm_call_id")))
        return _guardrail(
            "BLOCKED" if decision.action == "block" else "NONE",
            blocked_reason=decision.reason if decision.action == "block" else None,
            fingerprint=answer_of(match, decision, serving),
        )

    return await _or_503("litellm", work)


def _let_through(request: Request, why: str) -> Response:
    metrics.UNPARSED.labels("litellm", why).inc()
    note(request.scope, gateway="litellm", unparsed=why)
    return _guardrail("NONE", fingerprint={"unparsed": why})


def _guardrail(action: str, **more: object) -> Response:
    content = {"action": action, **{name: value for name, value in more.items() if value is not None}}
    return Response(orjson.dumps(content), media_type="application/json")


def _guardrail_asked(body: dict[str, Any]) -> LookupRequest:
    """Read roles where there are any; `texts` has none, and so all of it counts as the user's."""
    account = _guardrail_account(body)
    messages = body.get("structured_messages")
    if isinstance(messages, list) and messages:
        return read_request({"messages": messages}, account)
    texts = body.get("texts")
    words = [text for text in texts if isinstance(text, str)] if isinstance(texts, list) else []
    return read_request({"messages": [{"role": "user", "content": text} for text in words]}, account)


def _guardrail_account(body: dict[str, Any]) -> str | None:
    """Who sent it: the field that the guardrail's settings name, else a header of the gateway, else the key's owner."""
    data, headers, settings = (
        value if isinstance(value := body.get(name), dict) else {}
        for name in ("request_data", "request_headers", "additional_provider_specific_params")
    )
    named = settings.get("account_field")
    if isinstance(named, str):
        return _word(data.get(named))
    header = _word(headers.get(ACCOUNT_HEADER))
    if header is not None and header != _HIDDEN:
        return header
    return next((word for name in ACCOUNT_FIELDS if (word := _word(data.get(name)))), None)


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 1024 else None


class EnvoyAuthz:
    """Answers Envoy's ext_authz filter, for any method and path: 200 with what was found, or 403 where blocked.

    The request's Authorization is its client's, not Envoy's: Envoy itself is known by x-fingerprint-key.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one check."""
        scope["route"] = ENVOY_ROUTE  # as FastAPI does for its own, for logs and metrics
        request = Request(scope, receive)
        service = service_of(request)
        answer = await _or_503("envoy", lambda: self._checked(service, request))
        await answer(scope, receive, send)

    async def _checked(self, service: Service, request: Request) -> Response:
        permitted_gateway(request)
        raw, whole = await beginning_of(request, service.config.max_gateway_body)
        partial = not whole or request.headers.get("x-envoy-auth-partial-body") == "true"
        body = salvaged(raw) if raw else None
        if not isinstance(body, dict):
            return self._unread(request, "not_json" if raw else "no_body")
        try:
            query = read_request(body, _word(request.headers.get(ACCOUNT_HEADER)))
        except InputError:
            return self._unread(request, "unreadable")
        if not query.prompt and not query.system:
            return self._unread(request, "no_text")
        match, decision, serving = await _decided(service, request, query, "envoy")
        headers = {
            "x-fp-decision": decision.action,
            "x-fp-score": f"{match.score:.6f}",
            "x-snapshot-id": serving.snapshot_id,
            **({"x-fp-signature": match.family_id} if match.family_id else {}),
            **({"x-fp-partial": "true"} if partial else {}),
        }
        if decision.action != "block":
            return Response(status_code=200, headers=headers)
        error = {"message": decision.reason, "type": "invalid_request_error", "code": "policy_violation"}
        return Response(orjson.dumps({"error": error}), 403, headers, "application/json")

    @staticmethod
    def _unread(request: Request, why: str) -> Response:
        metrics.UNPARSED.labels("envoy", why).inc()
        note(request.scope, gateway="envoy", unparsed=why)
        return Response(status_code=200, headers={"x-fp-decision": "observe", "x-fp-unparsed": why})


ENVOY_ROUTE = Route(f"{ENVOY_PATH}/{{path:path}}", EnvoyAuthz(), include_in_schema=False)
