"""Requests as Gemini takes them, and Vertex AI's request-response logs in BigQuery."""

from fingerprint.traffic.formats.log_format import LogFormat

VERTEX = LogFormat(
    name="Vertex AI request log",
    known_by=(("full_request", "logging_time"),),
    wrappers=("full_request", "request_payload[0]"),
    texts=("contents",),
    request_id=("request_id",),
    account_id=("full_request.labels.account_id", "full_request.labels.user_id", "full_request.labels.user"),
    # one for all callers of a model, where its requests have no labels
    end_user=("endpoint",),
    timestamp=("logging_time",),
    model=("model", "deployed_model_id"),
)

REQUEST = LogFormat(
    name="Gemini request",
    texts=("contents",),
    systems=("systemInstruction", "system_instruction"),
    tools=("tools",),
    parameters=("generationConfig", "generation_config"),
)
