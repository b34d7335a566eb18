"""What LiteLLM's proxy writes: StandardLoggingPayload (callbacks, S3, GCS) and rows of LiteLLM_SpendLogs."""

from fingerprint.traffic.formats.log_format import LogFormat

_KEY_OWNER = ("metadata.user_api_key_org_id", "metadata.user_api_key_team_id", "metadata.user_api_key_hash")
_ADDRESS = ("requester_ip_address", "metadata.requester_ip_address")

PAYLOAD = LogFormat(
    name="LiteLLM payload",
    known_by=(("litellm_call_id", "id"), ("call_type", "id", "startTime")),
    wrappers=("proxy_server_request",),
    texts=("messages",),
    request_id=("litellm_call_id",),
    account_id=_KEY_OWNER,
    timestamp=("startTime",),
    metadata={"ip_prefix": _ADDRESS},
)

SPEND_LOGS = LogFormat(
    name="LiteLLM spend logs",
    known_by=(("api_key", "request_id", "startTime"), ("call_type", "request_id", "startTime")),
    wrappers=("proxy_server_request",),
    texts=("messages",),
    request_id=("request_id",),
    account_id=(*_KEY_OWNER, "team_id", "api_key"),
    end_user=("end_user",),
    timestamp=("startTime",),
    model=("model", "model_group"),
    metadata={"ip_prefix": _ADDRESS},
)
