"""Rows of our own, and rows that say the same under a name or two of their own."""

from fingerprint.traffic.formats.log_format import LogFormat

ROW = LogFormat(
    name="plain rows",
    wrappers=("body", "request"),
    texts=("prompt",),
    systems=("system",),
    request_id=("request_id",),
    account_id=("account_id", "account", "metadata.account_id"),
    timestamp=("timestamp", "@timestamp", "time", "ts", "created_at"),
    model=("model",),
)
"""Its names come first in a row of any format: who adds them to a log means them."""
