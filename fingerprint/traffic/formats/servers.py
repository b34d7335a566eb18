"""What servers of open models log of each request."""

from fingerprint.traffic.formats.log_format import LogFormat

SGLANG = LogFormat(
    name="SGLang request log",
    known_by=(("rid", "obj"),),
    wrappers=("obj",),
    texts=("text", "messages", "prompt"),
    private=True,
    parameters=("sampling_params",),
    request_id=("rid",),
    timestamp=("timestamp",),
)
