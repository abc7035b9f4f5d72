"""Requests tell their model, their user and their texts; images, audio and files are no texts."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokentrail.producers.wire.choosing import generic_wire, openai_wire
from tokentrail.producers.wire.forms import read_form
from tokentrail.producers.wire.prompts import input_size, request_text

NAMES = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=10)


def text_in(body: Any, limit_chars: int | None = None) -> str:
    return request_text(json.dumps(body).encode(), limit_chars)


def test_texts_of_a_conversation_come_in_order_without_images_and_files() -> None:
    messages = [
        {"role": "system", "content": "one"},
        {"role": "user", "content": [
            {"type": "text", "text": "two"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        ]},
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": "{three}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "four"},
    ]  # fmt: skip
    assert text_in({"model": "m", "messages": messages, "user": "u"}) == "one\ntwo\n{three}\nfour"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"instructions": "one", "input": [{"content": [{"type": "input_text", "text": "two"}]}]}, "one\ntwo"),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": "one"}]}, "one"),
        ({"input": ["one", "two"]}, "one\ntwo"),
        ({"input": [[1, 2, 3]]}, ""),
        ({"messages": [{"role": "user", "content": "two"}], "system": [{"type": "text", "text": "one"}]}, "one\ntwo"),
        ({"messages": [{"content": [{"type": "tool_use", "name": "f", "input": {"city": "one"}}]}]}, "one"),
        ({"messages": [{"content": [{"type": "tool_result", "content": [{"type": "text", "text": "one"}]}]}]}, "one"),
        ({"messages": [{"content": [{"type": "image", "source": {"type": "base64", "data": "AAAA"}}]}]}, ""),
        ({"contents": [{"parts": [{"functionResponse": {"name": "f", "response": {"a": ["one"]}}}]}]}, "one"),
        ({"contents": "one"}, "one"),
        ({"messages": [{"content": [{"toolResult": {"toolUseId": "t", "content": [{"json": {"a": "one"}}]}}]}]}, "one"),
        ({"input": "data:image/png;base64,AAAA"}, ""),
        ([{"content": "one"}], "one"),
        (7, ""),
    ],
)  # fmt: skip
def test_texts_are_found_wherever_a_format_puts_them(body: Any, text: str) -> None:
    assert text_in(body) == text


@given(st.lists(st.text(max_size=10), max_size=6), st.integers(1, 30))
@settings(max_examples=50, deadline=None)
def test_limit_cuts_the_same_text(texts: list[str], limit_chars: int) -> None:
    body = {"input": texts}

    assert text_in(body, limit_chars) == text_in(body)[:limit_chars]


def test_size_of_the_input_counts_tools_and_not_images() -> None:
    body = {"messages": [{"content": [{"text": "1234"}, {"image_url": {"url": "data:image/png;base64,AAAA"}}]}]}
    tools = {"tools": [{"function": {"name": "f"}}]}

    assert input_size(json.dumps(body).encode()).chars == 4
    assert input_size(json.dumps({**body, **tools}).encode()).chars == 4 + len("functionnamef")


@given(st.dictionaries(NAMES, st.text(max_size=30), max_size=5), st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_fields_of_a_form_are_found_beside_its_file(fields: dict[str, str], file: bytes) -> None:
    boundary = b"--e3a1b5"
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    parts.insert(
        len(parts) // 2,
        b'content-disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n' + file,
    )
    body = b"".join(boundary + b"\r\n" + part + b"\r\n" for part in parts) + boundary + b"--\r\n"

    assert read_form(body) == {name: value.encode().decode() for name, value in fields.items()}


def test_upload_tells_model_stream_and_prompt() -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
        b'--b\r\nContent-Disposition: form-data; name="stream"\r\n\r\ntrue\r\n'
        b'--b\r\nContent-Disposition: form-data; name="temperature"\r\n\r\nwarm\r\n'
        b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nweather\r\n--b--\r\n'
    )
    asked = openai_wire("/v1/audio/transcriptions").read_request("/v1/audio/transcriptions", body)

    assert (asked.model, asked.stream, asked.temperature) == ("whisper-1", True, None)
    assert request_text(body, None) == "weather"


@pytest.mark.parametrize(
    ("endpoint", "operation"),
    [
        ("/v1/chat/completions", "chat"),
        ("/v1/chat/completions/", "chat"),
        ("/v1/chat/completions/chatcmpl-1", "retrieve_chat"),
        ("/v1/chat/completions/chatcmpl-1/messages", "retrieve_chat"),
        ("/openai/deployments/gpt/chat/completions", "chat"),
        ("/v1/completions", "text_completion"),
        ("/v1/responses", "responses"),
        ("/v1/responses/resp_1", "retrieve_response"),
        ("/v1/responses/resp_1/cancel", "cancel_response"),
        ("/v1/responses/compact", "compact_response"),
        ("/v1/responses/input_tokens", "count_tokens"),
        ("/v1/embeddings", "embeddings"),
        ("/v1/images/edits", "image_edit"),
        ("/v1/files/file-1/content", "files"),
        ("/v1/batches/batch_1", "retrieve_batch"),
        ("/v1/models/gpt-5", "list_models"),
        ("/v1/agents/completions", "chat"),
        ("/v1/decisions", "decision"),
        ("/v1/threads/thread_1/messages", None),
        ("/v1/messages", "chat"),
        ("/v1/messages/count_tokens", "count_tokens"),
        ("/v1/messages/batches", "create_batch"),
        ("/v1/messages/batches/msgbatch_1/results", "retrieve_batch"),
        ("/v1beta/models/gemini-2.5-flash:generateContent", "generate_content"),
        ("/v1beta/models/gemini-2.5-flash:streamGenerateContent", "generate_content"),
        ("/v1beta/models/gemini-2.5-flash:countTokens", "count_tokens"),
        ("/v1beta/models/gemini-embedding-001:batchEmbedContents", "embeddings"),
        ("/", None),
        ("", None),
    ],
)
def test_path_of_a_relay_tells_the_operation(endpoint: str, operation: str | None) -> None:
    assert generic_wire(endpoint).operation(endpoint) == operation
