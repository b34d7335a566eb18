"""What servers of open models log of each request, their lines of text as `traffic.server_logs` gives them."""

from __future__ import annotations

from fingerprint.traffic.field_paths import Json
from fingerprint.traffic.formats.log_format import LogFormat


def _tells_a_request(row: Json) -> bool:
    return row["received_request"] is not None


SGLANG = LogFormat(
    name="SGLang request log",
    known_by=(("rid", "obj"),),
    wrappers=("obj",),
    texts=("text", "messages", "prompt"),
    private=True,
    parameters=("sampling_params",),
    lacks=("account_id",),
    request_id=("rid",),
    timestamp=("timestamp",),
)

SGLANG_CHAT = LogFormat(
    name="SGLang log of chats",
    known_by=(("line", "obj", "timestamp"),),
    wrappers=("obj",),
    texts=("messages", "prompt", "input"),
    private=True,
    lacks=("account_id",),
    request_id=("line",),
    file_ids=True,
    timestamp=("timestamp",),
)
"""A chat as it came, of which SGLang writes no id."""

VLLM = LogFormat(
    name="vLLM request log",
    known_by=(("received_request",),),
    is_request=_tells_a_request,
    texts=("prompt",),
    parameters=("sampling_params",),
    lacks=("account_id",),
    request_id=("received_request",),
    timestamp=("timestamp",),
)
