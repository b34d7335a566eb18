"""Requests as Cohere's first Chat API takes them, on its own service and on Bedrock: one message, and what was said before."""

from fingerprint.traffic.formats.log_format import LogFormat

REQUEST = LogFormat(
    name="Cohere request",
    texts=("chat_history", "message"),
    systems=("preamble", "preamble_override"),
    # by itself a row's `message` may be what any program logs
    beside=(
        *("chat_history", "preamble", "preamble_override", "connectors", "prompt_truncation"),
        *("citation_quality", "search_queries_only", "force_single_step", "raw_prompting"),
    ),
)
