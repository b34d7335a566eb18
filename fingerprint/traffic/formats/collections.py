"""Collections of whole conversations, one a row: WildChat, LMSYS-Chat, ShareGPT."""

from fingerprint.traffic.formats.log_format import LogFormat

CONVERSATION = LogFormat(
    name="collection of conversations",
    known_by=(
        ("conversation_hash", "conversation"),
        ("conversation_id", "conversation"),
        ("id", "conversations"),
    ),
    texts=("conversation", "conversations"),
    private=True,
    request_id=("conversation_hash", "conversation_id", "id"),
    account_id=("hashed_ip", "user_id", "conversation[0].hashed_ip"),
    timestamp=("timestamp", "tstamp", "conversation[0].timestamp"),
    metadata={
        "ip_prefix": ("hashed_ip",),
        "user_agent": ("header.user-agent", "conversation[0].header.user-agent"),
        "country": ("conversation[0].country",),
    },
)
