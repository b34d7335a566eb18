"""Rows of our own, and rows that say the same under a name or two of their own."""

from fingerprint.traffic.formats.log_format import LogFormat

ROW = LogFormat(
    name="plain rows",
    wrappers=("body", "request"),
    texts=("prompt",),
    systems=("system",),
    request_id=("request_id",),
    account_id=(
        "account_id",
        "account",
        "metadata.account_id",
        "organization_id",
        "org_id",
        "project_id",
    ),
    timestamp=("timestamp", "@timestamp", "time", "ts", "created_at"),
    model=("model",),
    metadata={
        "ip_prefix": ("ip_prefix", "metadata.ip_prefix"),
        "payment_hash": ("payment_hash", "metadata.payment_hash"),
        "user_agent": ("user_agent", "metadata.user_agent"),
    },
)
"""Its names come first in a row of any format: who adds them to a log means them."""
