"""What gateways write beside the request they pass on: Kong, Portkey, and names that others use without a table of their own."""

from fingerprint.traffic.formats.log_format import LogFormat

ROW = LogFormat(
    name="gateway rows",
    texts=("messages", "input"),
    systems=("instructions",),
    request_id=("requestId", "id"),
    account_id=("organization_id", "org_id", "project_id"),
    metadata={
        "ip_prefix": ("ip", "ip_address", "client_ip"),
        "user_agent": ("headers.user-agent",),
    },
)

KONG = LogFormat(
    name="Kong log",
    known_by=(("started_at", "client_ip"),),
    wrappers=(
        "ai.proxy.payload.request",
        "ai.ai-proxy.payload.request",
        "ai.ai-proxy-advanced.payload.request",
        "request.body",
    ),
    request_id=("request.id",),
    account_id=("consumer.custom_id", "consumer.username", "consumer.id", "authenticated_entity.id"),
    timestamp=("started_at",),
    model=("ai.proxy.meta.request_model", "ai.ai-proxy.meta.request_model"),
    metadata={"ip_prefix": ("client_ip",), "user_agent": ("request.headers.user-agent",)},
)

PORTKEY = LogFormat(
    name="Portkey log",
    known_by=(("ai_org", "request"), ("workspace_slug", "request")),
    wrappers=("request.body", "request"),
    request_id=("id",),
    account_id=("metadata._user", "api_key_id", "virtual_key", "workspace_slug"),
    timestamp=("created_at",),
    model=("ai_model",),
)
