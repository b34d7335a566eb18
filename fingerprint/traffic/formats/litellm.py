"""What LiteLLM's proxy writes: StandardLoggingPayload (callbacks, S3, GCS), rows of LiteLLM_SpendLogs, older GCS objects."""

from __future__ import annotations

from fingerprint.traffic.field_paths import META_FIELDS, Json
from fingerprint.traffic.formats.log_format import LogFormat

_KEY_OWNER = ("metadata.user_api_key_org_id", "metadata.user_api_key_team_id", "metadata.user_api_key_hash")
_ADDRESS = ("requester_ip_address", "metadata.requester_ip_address")
_ELSEWHERE = {
    name: (f"metadata.requester_metadata.{name}", f"metadata.spend_logs_metadata.{name}")
    for name in META_FIELDS
}

_NO_CHAT = frozenset(("embedding", "rerank", "moderation", "speech", "transcription"))


def _is_chat(row: Json) -> bool:
    """Tell whether a model was asked for text or a picture; the names of asynchronous calls begin with an a."""
    kind = row.get("call_type")
    return not isinstance(kind, str) or (kind not in _NO_CHAT and kind.removeprefix("a") not in _NO_CHAT)


PAYLOAD = LogFormat(
    name="LiteLLM payload",
    known_by=(("litellm_call_id", "id"), ("call_type", "id", "startTime")),
    is_request=_is_chat,
    told_by=("call_type",),
    wrappers=("proxy_server_request",),
    texts=("messages",),
    parameters=("model_parameters",),
    request_id=("litellm_call_id",),
    account_id=_KEY_OWNER,
    timestamp=("startTime",),
    metadata={**_ELSEWHERE, "ip_prefix": _ADDRESS},
)

SPEND_LOGS = LogFormat(
    name="LiteLLM spend logs",
    known_by=(("api_key", "request_id", "startTime"), ("call_type", "request_id", "startTime")),
    is_request=_is_chat,
    told_by=("call_type",),
    wrappers=("proxy_server_request",),
    texts=("messages",),
    request_id=("request_id",),
    account_id=(*_KEY_OWNER, "organization_id", "team_id", "api_key"),
    end_user=("end_user",),
    timestamp=("startTime",),
    model=("model", "model_group"),
    metadata={**_ELSEWHERE, "ip_prefix": _ADDRESS},
)

GCS_OBJECT = LogFormat(
    name="LiteLLM GCS object",
    known_by=(("request_kwargs", "response_obj"),),
    wrappers=("request_kwargs",),
    texts=("messages",),
    parameters=("optional_params",),
    request_id=("response_obj.id",),
    account_id=(
        "spend_log_metadata.user_api_key_org_id",
        "spend_log_metadata.user_api_key_team_id",
        "spend_log_metadata.user_api_key",
    ),
    end_user=("optional_params.user",),
    timestamp=("start_time",),
    metadata={"ip_prefix": ("spend_log_metadata.requester_ip_address",)},
)
