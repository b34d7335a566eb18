"""Requests as OpenAI's API takes them (Chat Completions, Responses), and lines of its batch files."""

from fingerprint.traffic.formats.log_format import LogFormat

BATCH_LINE = LogFormat(
    name="OpenAI batch file",
    known_by=(("custom_id", "body"),),
    wrappers=("body",),
    request_id=("custom_id",),
    lacks=("account_id", "timestamp"),
    file_ids=True,
)

REQUEST = LogFormat(
    name="OpenAI request",
    texts=("messages", "input"),
    systems=("instructions",),
    # the form of an answer is described as a tool's parameters are
    tools=("tools", "functions", "response_format", "output_config"),
    parameters=("text",),
    # `metadata` is whatever the client likes, which may be its user
    end_user=("safety_identifier", "metadata.user_id", "user"),
    timestamp=("created",),
)
