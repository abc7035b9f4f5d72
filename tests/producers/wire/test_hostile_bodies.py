"""Whatever a provider, a relay or a stranger sends, reading it never raises, and one bad field costs one field."""

import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded_exchanges import answer_bytes, load_exchange, request_bytes

from tokentrail.producers.providers import generic_wire, providers
from tokentrail.producers.wire.reading import WireFormat

ENDPOINTS = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/audio/transcriptions",
    "/v1/messages",
    "/v1beta/models/g:generateContent",
    "/v1beta/models/g:streamGenerateContent",
    "/v1beta/interactions",
    "/v1/models/imagen:predict",
    "/model/m/converse-stream",
    "/model/m/invoke-with-response-stream",
    "/v2/chat",
    "/api/chat",
]
WIRES = {
    type(wire).__name__: (endpoint, wire)
    for endpoint in ENDPOINTS
    for wire in [generic_wire(endpoint), *(provider.wire(endpoint) for provider in providers())]
    if wire.operation(endpoint) is not None
}
FORMATS: list[tuple[str, WireFormat]] = [WIRES[name] for name in sorted(WIRES)]
FIELDS = """
    choices delta message content usage prompt_tokens completion_tokens input_tokens text output_tokens
    prompt_tokens_details error code type model id response output chunk bytes candidates parts usageMetadata
    promptTokenCount metadata contentBlockDelta messages tools system finish_reason stop_reason index tool_calls
    function arguments generation results outputs predictions embeddings statistics token_count iterations thinking
    cache_creation throttlingException message_start content_block x_groq event_type meta billed_units interaction
    steps prompt_eval_count detail amazon-bedrock-invocationMetrics completion input prompt contents status
    incomplete_details promptFeedback functionCall
"""
NAMES = FIELDS.split()
EVENTS = """
    message message_start message_delta content_block_delta content_block_start error response.failed
    response.completed response.output_text.delta message-end content-delta step.delta compaction
    transcript.text.delta image_generation.completed
"""
KINDS = EVENTS.split()
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
    | st.sampled_from(KINDS) | st.sampled_from([10**30, -1, "aGk=", "\ud800", "data:x"])
)  # fmt: skip
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=25,
)


def read_everything(endpoint: str, wire: WireFormat, body: bytes) -> None:
    """Call everything a recorder calls, and encode what it would."""
    asked = wire.read_request(endpoint, body)
    wire.request_text(body, None)
    assert len(wire.request_text(body, 5)) <= 5
    assert wire.input_size(body).chars >= 0
    for operation in (None, wire.operation(endpoint), "count_tokens"):
        for read in ("read_answer", "read_chunk"):
            reader = wire.reader(operation, keep_text=True)
            reader.read_headers({b"x-amzn-bedrock-input-token-count": body[:5], b"x-amzn-errortype": body[:20]})
            getattr(reader, read)(body)
            getattr(reader, read)(body)
            facts = reader.facts
            encoded: list[Any] = [asked, facts.usage, facts.model, facts.finish_reasons, facts.service_tier]
            encoded += [facts.provider_request_id, facts.error, facts.output_text(), facts.output_chars]
            msgspec.json.encode(encoded)
            if facts.usage is not None:
                msgspec.convert(msgspec.to_builtins(facts.usage), type(facts.usage))  # within the event's bounds
            assert facts.error is None or facts.error.status.value


@pytest.mark.parametrize(("endpoint", "wire"), FORMATS)
@settings(max_examples=30, deadline=None)
@given(value=st.dictionaries(st.sampled_from(NAMES), values, max_size=6) | values)
def test_json_of_any_shape_never_raises(endpoint: str, wire: WireFormat, value: Any) -> None:
    read_everything(endpoint, wire, json.dumps(value).encode())


@pytest.mark.parametrize(("endpoint", "wire"), FORMATS)
@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[", b'{"a":', b"null", b'"text"', b"1e999", b'{"id":NaN}', b"\x00\xff\xfe", b'{"model":"\xff\xfe"}'),
        b"[" * 100_000,
        b'{"messages":' * 5_000,
        b"--\r\n\r\n",
        b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nx',
    ],
    ids=range(13),
)
def test_garbage_never_raises(endpoint: str, wire: WireFormat, body: bytes) -> None:
    read_everything(endpoint, wire, body)


@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=200))
def test_binary_never_raises(body: bytes) -> None:
    for endpoint, wire in FORMATS:
        read_everything(endpoint, wire, body)


@pytest.mark.parametrize(
    ("exchange", "field"),
    [
        ("openai-chat", "choices"),
        ("openai-chat", "service_tier"),
        ("openai-chat", "model"),
        ("openai-responses", "output"),
        ("openai-responses", "incomplete_details"),
        ("anthropic-chat", "content"),
        ("anthropic-chat", "model"),
        ("gemini-generate_content", "candidates"),
        ("gemini-generate_content", "modelVersion"),
        ("bedrock-converse", "output"),
        ("bedrock-converse", "serviceTier"),
        ("cohere-chat", "finish_reason"),
        ("ollama-chat", "message"),
    ],
)
@pytest.mark.parametrize("bad", [7, "odd", [], {}, [1], {"a": 1}, None, True, [[{}]]])
def test_field_of_the_wrong_shape_leaves_the_usage(exchange: str, field: str, bad: Any) -> None:
    recorded = load_exchange(exchange)
    spoilt = copy.deepcopy(recorded)
    spoilt["response"]["body"][field] = bad
    endpoint = recorded["url"].split("//")[1].partition("/")[2]
    provider = next(one for one in providers() if one.name == recorded["provider"])
    wire = provider.wire("/" + endpoint)
    reader = wire.reader(recorded["expected"]["operation"])
    reader.read_answer(answer_bytes(spoilt))

    assert msgspec.to_builtins(reader.facts.usage) == recorded["expected"]["usage"]


@pytest.mark.parametrize("field", ["stream", "temperature", "max_completion_tokens", "user", "messages"])
@pytest.mark.parametrize("bad", [[], {}, "odd", -1, None, 10**30, True])
def test_odd_field_of_a_request_leaves_its_model(field: str, bad: Any) -> None:
    recorded = load_exchange("openai-chat")
    recorded["request_body"][field] = bad
    asked = generic_wire("/v1/chat/completions").read_request("/v1/chat/completions", request_bytes(recorded))

    assert asked.model == "gpt-5"
    assert asked.stream in {None, True}


def test_half_an_emoji_costs_no_field() -> None:
    reader = generic_wire("/v1/chat/completions").reader("chat", keep_text=True)
    reader.read_chunk(
        b'{"model":"m","choices":[{"index":0,"delta":{"content":"a\\ud83d"}}],"usage":{"prompt_tokens":3}}'
    )

    assert reader.facts.output_text() == "a?"
    assert reader.facts.model == "m"
    assert reader.facts.usage is not None
