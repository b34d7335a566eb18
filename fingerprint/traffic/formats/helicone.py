"""Helicone's export (`@helicone/export --include-body`, request/query-clickhouse)."""

from fingerprint.traffic.formats.log_format import LogFormat

EXPORT = LogFormat(
    name="Helicone export",
    known_by=(("request_body", "request_created_at"), ("request_body", "request_path")),
    wrappers=("request_body",),
    request_id=("request_id",),
    end_user=("request_user_id", "helicone_user", "user_api_key_hash", "auth_hash"),
    timestamp=("request_created_at",),
    model=("request_model",),
)
