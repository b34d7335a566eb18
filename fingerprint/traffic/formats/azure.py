"""Azure API Management in front of models: rows of its LLM log, and diagnostics that hold requests."""

from __future__ import annotations

from typing import Any

from fingerprint.traffic.field_paths import Json
from fingerprint.traffic.formats.log_format import LogFormat


def _has_request(row: Json) -> bool:
    """Tell whether a row has a request's messages: a long exchange takes several rows, some for the answer alone."""
    return row.get("RequestMessages") not in (None, "", [], "[]")


def _numbered(row: Json) -> list[Any]:
    """Give the rows that continue a request ids of their own."""
    if "request_id" in row or not row.get("SequenceNumber"):
        return [row]
    return [{**row, "request_id": f"{row.get('CorrelationId')}-{row['SequenceNumber']}"}]


LLM_LOG = LogFormat(
    name="Azure APIM LLM log",
    known_by=(("RequestMessages",),),
    split=_numbered,
    is_request=_has_request,
    texts=("RequestMessages",),
    request_id=("CorrelationId",),
    account_id=("ApimSubscriptionId", "UserId"),
    # one for the whole gateway, where nothing better was joined to the row
    end_user=("TenantId",),
    timestamp=("TimeGenerated",),
    model=("ModelName", "DeploymentName"),
)

DIAGNOSTICS = LogFormat(
    name="Azure diagnostics",
    known_by=(("category", "properties"),),
    wrappers=("properties.requestBody", "properties.backendRequestBody", "properties"),
    texts=("requestMessages",),
    request_id=("correlationId", "properties.correlationId"),
    account_id=("properties.apimSubscriptionId", "properties.userId"),
    end_user=("resourceId",),
    timestamp=("time",),
    model=("properties.modelName",),
    metadata={"ip_prefix": ("callerIpAddress", "properties.callerIpAddress")},
)
