"""What gateways call: LiteLLM's Generic Guardrail API and Envoy's ext_authz over HTTP.

Both treat answers in their own ways, so these routes answer with 200 and a decision, or with 503 and nothing else: a
429, 500 or 401 would reach LiteLLM's users as errors even where it is told to fail open, and Envoy's as denials. What
happens without our answer is the gateway's to say (`unreachable_fallback`, `failure_mode_allow`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Literal

import orjson
import structlog
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fingerprint.domain.errors import FingerprintError
from fingerprint.domain.results import Match
from fingerprint.matching.live import LookupRequest, Serving, read_request
from fingerprint.service.http.limits import beginning_of, deadline_of
from fingerprint.service.http.openapi import body_schema, problems
from fingerprint.service.http.problems import Problem, response
from fingerprint.service.routes.answers import answer_of
from fingerprint.service.serving import metrics
from fingerprint.service.serving.access_log import note
from fingerprint.service.serving.auth import permitted, permitted_gateway
from fingerprint.service.serving.context import Service, service_of
from fingerprint.service.serving.policy import UNREADABLE, Action, Decision, Gateway, Unparsed
from fingerprint.traffic.bodies import Body, parsed
from fingerprint.traffic.content import Roles
from fingerprint.traffic.rejects import BadRow

router = APIRouter(tags=["gateways"])
ENVOY_PATH = "/v1/envoy/authz"
LITELLM_PATH = "/beta/litellm_basic_guardrail_api"
PATHS = (LITELLM_PATH, f"{ENVOY_PATH}/{{path:path}}")
"""Routes that ask for their keys and read their bodies themselves: whatever is wrong, they answer 503."""

ACCOUNT_HEADER = "x-account-id"
ACCOUNT_FIELDS = (
    "user_api_key_org_id",
    "user_api_key_team_id",
    "user_api_key_hash",
    "user_api_key_end_user_id",
)
"""In the order in which the nightly job names the sender of LiteLLM's logs."""

_WORDS: dict[Unparsed, Action] = {"pass": "observe", "mark": "mark", "block": "block"}
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
    request: Request, size: int, read: Callable[[], LookupRequest], gateway: Gateway, key: str
) -> tuple[Match, Decision, Serving]:
    service = service_of(request)
    until = deadline_of(request, service.config.deadline_ms)
    query, match, serving = await service.engine.ask_body(size, read, until, key=key)
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
    LITELLM_PATH,
    response_model=GuardrailAnswer,
    responses=problems(503),
    openapi_extra=body_schema(GuardrailBody),
)
async def litellm_guardrail(request: Request) -> Response:
    """Answer LiteLLM's Generic Guardrail API: BLOCKED where the policy blocks, else NONE."""
    service = service_of(request)

    async def work() -> Response:
        key = (await permitted(request, "lookup")).key_id or ""
        try:
            with service.in_flight.of(key) as take:
                raw, _ = await beginning_of(request, service.config.max_gateway_body, take)
                until = deadline_of(request, service.config.deadline_ms)
                body = await service.engine.aside(len(raw), partial(parsed, raw, cut=True), until, key)
                if body.fields.get("input_type") == "response":
                    return _guardrail("NONE")
                read = partial(_guardrail_asked, body, frozenset(service.config.roles))
                match, decision, serving = await _decided(request, len(raw), read, "litellm", key)
        except BadRow as bad:
            return _unread_by_litellm(service, request, bad.kind)
        note(request.scope, litellm_call_id=_word(body.fields.get("litellm_call_id")))
        return _guardrail(
            "BLOCKED" if decision.action == "block" else "NONE",
            blocked_reason=decision.reason if decision.action == "block" else None,
            fingerprint=answer_of(match, decision, serving) | ({"partial": True} if body.cut else {}),
        )

    return await _or_503("litellm", work)


def _unread(service: Service, request: Request, gateway: Gateway, why: str) -> Unparsed:
    """Write down that a request could not be read, and return what the policy does about such."""
    metrics.UNPARSED.labels(gateway, why).inc()
    decision = service.policy.unparsed
    note(request.scope, gateway=gateway, unparsed=why, decision=decision)
    return decision


def _unread_by_litellm(service: Service, request: Request, why: str) -> Response:
    decision = _unread(service, request, "litellm", why)
    return _guardrail(
        "BLOCKED" if decision == "block" else "NONE",
        blocked_reason=UNREADABLE if decision == "block" else None,
        fingerprint={"unparsed": why, "decision": _WORDS[decision]},
    )


def _guardrail(action: str, **more: object) -> Response:
    content = {"action": action, **{name: value for name, value in more.items() if value is not None}}
    return Response(orjson.dumps(content), media_type="application/json")


def _guardrail_asked(body: Body, roles: Roles) -> LookupRequest:
    """Read roles where there are any; `texts` has none, and so all of it counts as the user's."""
    account = _guardrail_account(body.fields)
    messages = body.fields.get("structured_messages")
    if not isinstance(messages, list) or not messages:
        texts = body.fields.get("texts")
        words = [text for text in texts if isinstance(text, str)] if isinstance(texts, list) else []
        messages = [{"role": "user", "content": text} for text in words]
    return read_request(Body({"messages": messages}, body.undecodable), account, roles)


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
        key = permitted_gateway(request).key_id or ""
        with service.in_flight.of(key) as take:
            raw, _ = await beginning_of(request, service.config.max_gateway_body, take)
            return await self._looked_up(request, raw, key)

    async def _looked_up(self, request: Request, raw: bytes, key: str) -> Response:
        service = service_of(request)
        if not raw:
            # of a GET there is nothing to read
            metrics.UNPARSED.labels("envoy", "no_body").inc()
            note(request.scope, gateway="envoy", unparsed="no_body", decision="pass")
            return Response(headers={"x-fp-decision": "observe", "x-fp-unparsed": "no_body"})

        partly: dict[str, str] = {}

        def read() -> LookupRequest:
            # whatever Envoy says: it calls a body whole that it cut at the very end of its buffer
            body = parsed(raw, cut=True)
            if body.cut:
                partly["x-fp-partial"] = "true"
            return read_request(
                body, _word(request.headers.get(ACCOUNT_HEADER)), frozenset(service.config.roles)
            )

        try:
            match, decision, serving = await _decided(request, len(raw), read, "envoy", key)
        except BadRow as bad:
            unread = _unread(service, request, "envoy", bad.kind)
            headers = {"x-fp-decision": _WORDS[unread], "x-fp-unparsed": bad.kind, **partly}
            return _refused(UNREADABLE, headers) if unread == "block" else Response(headers=headers)
        headers = {
            "x-fp-decision": decision.action,
            "x-fp-score": f"{match.score:.6f}",
            "x-snapshot-id": serving.snapshot_id,
            **({"x-fp-signature": match.family_id} if match.family_id else {}),
            **partly,
        }
        if decision.action != "block":
            return Response(status_code=200, headers=headers)
        return _refused(decision.reason, headers)


def _refused(reason: str, headers: dict[str, str]) -> Response:
    error = {"message": reason, "type": "invalid_request_error", "code": "policy_violation"}
    return Response(orjson.dumps({"error": error}), 403, headers, "application/json")


ENVOY_ROUTE = Route(PATHS[1], EnvoyAuthz(), include_in_schema=False)
