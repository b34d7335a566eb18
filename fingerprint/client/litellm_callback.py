"""A callback of LiteLLM's proxy, or of its router, that looks requests up before a model gets them.

Unlike LiteLLM's guardrail API it can throttle and mark: the answer goes with the request, in its metadata, where other callbacks
and hooks find it. It needs LiteLLM, which is no dependency: whoever loads this has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from litellm.integrations.custom_logger import CustomLogger

from fingerprint.client.answers import Answer
from fingerprint.client.asynchronous import AsyncClient
from fingerprint.client.call import RequestRefused
from fingerprint.client.middleware import REASON

TEXT_FIELDS = (
    *("messages", "prompt", "input", "system", "instructions", "contents", "system_instruction"),
    *("tools", "functions"),
)
"""What of a request is looked up; all else that LiteLLM keeps with it, such as keys and headers, stays there."""

ACCOUNT_FIELDS = ("org_id", "team_id", "api_key", "end_user_id")
"""Of whom the key is, in the order in which the nightly job names the sender of LiteLLM's logs."""

METADATA = "fingerprint"


class RequestBlocked(Exception):
    """The decision was to block; LiteLLM answers with this status and message."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = 403


class LookupCallback(CustomLogger):  # type: ignore[misc]
    """Looks every request up that has text, and blocks it, or leaves the answer in its metadata under `fingerprint`.

    account_header: of the gateway in front, which names the account; None: there is none. unparsed_blocks: turn away what
    cannot be looked up, too. reason: what a blocked sender is told.
    """

    def __init__(
        self,
        client: AsyncClient,
        *,
        account_header: str | None = None,
        unparsed_blocks: bool = False,
        reason: str = REASON,
    ) -> None:
        super().__init__()
        self._client = client
        self._account_header = account_header
        self._unparsed_blocks = unparsed_blocks
        self._reason = reason

    async def async_pre_call_hook(
        self,
        user_api_key_dict: Any,
        cache: object,  # noqa: ARG002
        data: dict[str, Any],
        call_type: str,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Return the request with its answer; raises RequestBlocked."""
        fields = {name: data[name] for name in TEXT_FIELDS if data.get(name) is not None}
        if not fields:
            return data
        answer = await self._answer(fields, self._account(user_api_key_dict, data))
        if answer.is_blocked:
            raise RequestBlocked(self._reason)
        name = "litellm_metadata" if "litellm_metadata" in data else "metadata"
        kept = data.get(name)
        data[name] = {**(kept if isinstance(kept, dict) else {}), METADATA: _facts(answer)}
        return data

    async def _answer(self, fields: Mapping[str, Any], account: str | None) -> Answer:
        unparsed = Answer("block" if self._unparsed_blocks else "observe", refused=True)
        try:
            answer = await self._client.lookup(fields, account=account)
        except RequestRefused as refusal:
            return replace(unparsed, failure=str(refusal))
        return replace(unparsed, failure=answer.failure) if answer.refused else answer

    def _account(self, key: Any, data: Mapping[str, Any]) -> str | None:
        headers = (data.get("proxy_server_request") or {}).get("headers") or {}
        if self._account_header is not None and (named := _word(headers.get(self._account_header))):
            return named
        return next((word for name in ACCOUNT_FIELDS if (word := _word(getattr(key, name, None)))), None)


def _facts(answer: Answer) -> dict[str, Any]:
    """Return what other callbacks read; no text of a prompt."""
    names = (
        "decision",
        "rule",
        "match",
        "family_id",
        "label",
        "campaign_id",
        "score",
        "snapshot_id",
        "failure",
    )
    return {name: getattr(answer, name) for name in names}


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 1024 else None
