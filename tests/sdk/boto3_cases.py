"""boto3's bedrock-runtime: converse and invoke_model, plain and as event streams. It has no async clients."""

import base64
import json
from types import SimpleNamespace
from typing import Any

from provider_server import ProviderServer, asked
from sdk_cases import Cases, busy_once, held, silent, texts

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


def open_clients(server: ProviderServer) -> Any:
    """Return clients for Bedrock: one as services make it, one that waits a tenth of a second and does not retry."""
    import boto3
    from botocore.config import Config

    told: dict[str, Any] = {
        "endpoint_url": server.url_of("aws.bedrock"),
        "region_name": "us-east-1",
        "aws_access_key_id": "AKIAMADEUPMADEUPMADE",
        "aws_secret_access_key": "made up",
    }
    hurried = Config(read_timeout=0.1, retries={"total_max_attempts": 1})
    return SimpleNamespace(
        bedrock=boto3.client("bedrock-runtime", **told),
        hurried=boto3.client("bedrock-runtime", config=hurried, **told),
    )


CASES = Cases("boto3", open_clients)


def _converse(exchange: str) -> dict[str, Any]:
    ask = asked(exchange)
    for message in ask["messages"]:
        for part in message["content"]:
            if "image" in part:  # JSON has no bytes; the SDK takes nothing else
                part["image"]["source"]["bytes"] = base64.b64decode(part["image"]["source"]["bytes"])
    return {"modelId": CLAUDE, **ask}


def _invoke(exchange: str, model: str = CLAUDE) -> dict[str, Any]:
    return {"modelId": model, "body": json.dumps(asked(exchange))}


def _whole(answer: Any) -> Any:
    return {**answer, "body": answer["body"].read()}


@CASES("plain", "bedrock-converse")
def ask_converse(sdk: Any) -> Any:
    return sdk.bedrock.converse(**_converse("bedrock-converse"))


@CASES("stream", "bedrock-converse-stream")
def ask_converse_stream(sdk: Any) -> Any:
    answer = sdk.bedrock.converse_stream(**_converse("bedrock-converse-stream"))
    return {**answer, "stream": list(answer["stream"])}


@CASES("stream as context manager", "bedrock-converse-stream")
def ask_converse_stream_closed(sdk: Any) -> Any:
    stream = sdk.bedrock.converse_stream(**_converse("bedrock-converse-stream"))["stream"]
    try:  # it has no `with`; `close` is what a caller has instead
        return list(stream)
    finally:
        stream.close()


@CASES("stream left early", held("bedrock-converse-stream"), ending="left")
def ask_converse_stream_left(sdk: Any) -> Any:
    stream = sdk.bedrock.converse_stream(**_converse("bedrock-converse-stream"))["stream"]
    first = next(iter(stream))
    stream.close()
    return first


@CASES("stream left early", held("bedrock-converse-stream"), ending="left")
def ask_converse_stream_dropped(sdk: Any) -> Any:
    return next(iter(sdk.bedrock.converse_stream(**_converse("bedrock-converse-stream"))["stream"]))


@CASES("plain", "bedrock-invoke-claude")
def ask_invoke(sdk: Any) -> Any:
    return _whole(sdk.bedrock.invoke_model(**_invoke("bedrock-invoke-claude")))


@CASES("raw answer", "bedrock-invoke-claude")
def ask_invoke_in_pieces(sdk: Any) -> Any:
    return texts(sdk.bedrock.invoke_model(**_invoke("bedrock-invoke-claude"))["body"].iter_chunks(7))


@CASES("raw answer", "bedrock-invoke-claude")
def ask_invoke_and_parse(sdk: Any) -> Any:
    return json.load(sdk.bedrock.invoke_model(**_invoke("bedrock-invoke-claude"))["body"])


@CASES("plain", "bedrock-invoke-nova")
def ask_invoke_nova(sdk: Any) -> Any:
    return _whole(sdk.bedrock.invoke_model(**_invoke("bedrock-invoke-nova", "amazon.nova-lite-v1:0")))


@CASES("stream", "bedrock-invoke-claude-stream")
def ask_invoke_stream(sdk: Any) -> Any:
    answer = sdk.bedrock.invoke_model_with_response_stream(**_invoke("bedrock-invoke-claude-stream"))
    return {**answer, "body": list(answer["body"])}


@CASES("errors", "bedrock-converse-refused")
def ask_refused(sdk: Any) -> Any:
    return sdk.bedrock.converse(**_converse("bedrock-converse-refused"))


@CASES("errors", "bedrock-converse-stream-failing", ending="dropped")
def ask_failing_stream(sdk: Any) -> Any:
    return list(sdk.bedrock.converse_stream(**_converse("bedrock-converse-stream-failing"))["stream"])


@CASES("errors", "bedrock-invoke-claude-stream-failing", ending="dropped")
def ask_failing_invoke_stream(sdk: Any) -> Any:
    answer = sdk.bedrock.invoke_model_with_response_stream(**_invoke("bedrock-invoke-claude-stream-failing"))
    return list(answer["body"])


@CASES("retries tied", *busy_once("bedrock-converse-rate-limited", "bedrock-converse-stream"))
def ask_busy(sdk: Any) -> Any:
    return list(sdk.bedrock.converse_stream(**_converse("bedrock-converse-stream"))["stream"])


@CASES("timeout", silent("bedrock-converse"), ending="timeout")
def ask_too_slow(sdk: Any) -> Any:
    return sdk.hurried.converse(**_converse("bedrock-converse"))


@CASES("embeddings", "bedrock-embeddings")
def ask_embeddings(sdk: Any) -> Any:
    return _whole(sdk.bedrock.invoke_model(**_invoke("bedrock-embeddings", "amazon.titan-embed-text-v2:0")))
