"""What tools that trace applications export: LangSmith's runs, MLflow's traces, Datadog's LLM spans."""

from __future__ import annotations

from typing import Any

from fingerprint.traffic.field_paths import Json
from fingerprint.traffic.formats.log_format import LogFormat


def _is_model_run(row: Json) -> bool:
    return bool(row.get("run_type") == "llm")


def _is_model_span(row: Json) -> bool:
    meta = row.get("meta")
    return isinstance(meta, dict) and meta.get("kind", "llm") == "llm"


def _tagged(span: Json) -> list[Any]:
    """Return a Datadog span with its tags, `name:value`, by name."""
    tags = span.get("tags")
    if not isinstance(tags, list):
        return [span]
    pairs = [tag.partition(":") for tag in tags if isinstance(tag, str)]
    return [{**span, "tags": {name: value for name, _, value in pairs}}]


LANGSMITH = LogFormat(
    name="LangSmith run",
    known_by=(("run_type", "inputs"),),
    is_request=_is_model_run,
    wrappers=("inputs", "inputs.kwargs"),
    texts=("messages", "prompts", "input"),
    parameters=("extra.invocation_params", "extra.metadata"),
    request_id=("id", "run_id"),
    account_id=("extra.metadata.account_id", "extra.metadata.user_id", "user_id", "session_id"),
    timestamp=("start_time",),
    model=("extra.metadata.ls_model_name", "extra.invocation_params.model"),
)

MLFLOW = LogFormat(
    name="MLflow trace",
    known_by=(("trace_metadata", "request"), ("info", "data")),
    wrappers=("request", "data.request", "data.spans[0].attributes.mlflow.spanInputs"),
    request_id=("trace_id", "info.request_id", "info.trace_id"),
    account_id=("trace_metadata.mlflow.trace.user", "info.request_metadata.mlflow.trace.user"),
    timestamp=("request_time", "info.timestamp_ms", "info.request_time"),
)

DATADOG = LogFormat(
    name="Datadog LLM span",
    known_by=(("start_ns", "meta"),),
    split=_tagged,
    is_request=_is_model_span,
    wrappers=("meta.input",),
    texts=("messages", "value"),
    private=True,
    parameters=("meta.metadata",),
    request_id=("span_id",),
    account_id=("tags.account_id", "tags.user_id", "tags.usr.id"),
    timestamp=("start_ns",),
    model=("meta.model_name",),
)
