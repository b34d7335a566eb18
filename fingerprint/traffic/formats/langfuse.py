"""Langfuse's observations, from its API and its blob exports; the generations are requests.

A project is the application, so the user whom it names goes before it.
"""

from fingerprint.traffic.field_paths import Json
from fingerprint.traffic.formats.log_format import LogFormat


def _is_generation(row: Json) -> bool:
    return bool(row.get("type", "GENERATION") == "GENERATION")


OBSERVATION = LogFormat(
    name="Langfuse observations",
    known_by=(("traceId", "startTime"), ("trace_id", "start_time", "project_id")),
    is_request=_is_generation,
    wrappers=("input", "input.kwargs"),
    texts=("input",),
    parameters=("modelParameters", "model_parameters"),
    request_id=("id",),
    account_id=("userId", "user_id", "metadata.user_id", "projectId", "project_id"),
    timestamp=("startTime", "start_time"),
    model=("model", "provided_model_name", "internalModelId"),
)
