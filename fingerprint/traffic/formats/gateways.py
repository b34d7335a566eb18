"""Names that gateways without a table of their own use beside the request they pass on."""

from fingerprint.traffic.formats.log_format import LogFormat

ROW = LogFormat(
    name="gateway rows",
    texts=("messages", "input"),
    systems=("instructions",),
    request_id=("requestId", "id"),
    metadata={
        "ip_prefix": ("ip", "ip_address", "client_ip"),
        "user_agent": ("headers.user-agent",),
    },
)
