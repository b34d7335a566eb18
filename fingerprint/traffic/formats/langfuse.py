"""Langfuse's observations, of which the generations are requests."""

from fingerprint.traffic.field_paths import Json
from fingerprint.traffic.formats.log_format import LogFormat


def _is_generation(row: Json) -> bool:
    return bool(row.get("type", "GENERATION") == "GENERATION")


OBSERVATION = LogFormat(
    name="Langfuse observations",
    known_by=(("traceId", "startTime"),),
    is_request=_is_generation,
    texts=("input",),
    request_id=("id",),
    end_user=("userId",),
    timestamp=("startTime",),
)
