"""Amazon Bedrock's model invocation logs, whichever model was called: Claude, Converse, Titan, Llama, Cohere."""

from fingerprint.traffic.formats.log_format import LogFormat

INVOCATION = LogFormat(
    name="Bedrock invocation log",
    known_by=(("modelId", "requestId", "input"), ("schemaType", "modelId")),
    wrappers=("input.inputBodyJson",),
    texts=("messages", "prompt", "inputText"),
    tools=("toolConfig",),
    parameters=("inferenceConfig", "textGenerationConfig"),
    request_id=("requestId",),
    # the AWS account is that of the application, whose callers have identities of their own
    account_id=("requestMetadata.account_id", "requestMetadata.user_id", "identity.arn", "accountId"),
    timestamp=("timestamp",),
    model=("modelId",),
)
