"""The texts of a request, of whatever format: found by the names that formats give to places where text stands."""

from collections.abc import Iterator
from typing import Any, Final

from tokentrail.producers.wire.decoding import decode_any
from tokentrail.producers.wire.estimates import TextSize
from tokentrail.producers.wire.forms import read_form

_PLACES: Final = (
    "system", "systemInstruction", "system_instruction", "instructions", "preamble", "chat_history", "messages",
    "contents", "content", "parts", "title", "prompt", "input", "inputs", "inputText", "message", "query", "documents",
    "texts", "text", "requests", "request", "instances", "refusal", "thinking", "reasoning_content", "reasoningContent",
    "reasoningText", "summary", "tool_calls", "function", "functionCall", "function_call", "functionResponse",
    "function_response", "toolUse", "toolResult", "arguments", "args", "response", "json", "output", "suffix",
    "textToImageParams", "negativeText",
)  # fmt: skip
"""In the order in which prompts are read: what the system says before what the user says."""
_OPEN: Final = frozenset(("arguments", "args", "response", "json", "output", "input"))
"""An object below these is of the user's own making: every text in it counts."""
_TOOLS: Final = (
    "tools", "functions", "toolConfig", "tool_config", "response_format", "responseSchema", "text_format",
)  # fmt: skip
_FIELDS: Final = ("prompt", "input", "text")
_MAX_DEPTH: Final = 40
"""No format nests deeper; a body that does was not written for a model."""


def request_text(body: bytes, limit_chars: int | None) -> str:
    """Return the texts of a JSON or form body joined by newlines; see `WireFormat.request_text`."""
    texts = []
    left = limit_chars
    for text in _texts(body):
        texts.append(text if left is None else text[:left])
        if left is not None:
            left -= len(text) + 1
            if left < 0:
                break
    return "\n".join(texts)


def input_size(body: bytes) -> TextSize:
    """Return the size of texts and tool definitions; see `WireFormat.input_size`."""
    size = TextSize()
    value = _value(body)
    for text in _walk(value, 0):
        size.add(text)
    if isinstance(value, dict):
        for name in _TOOLS:
            for text in _leaves(value.get(name), 0, names=True):
                size.add(text)
    return size


def _texts(body: bytes) -> Iterator[str]:
    return _walk(_value(body), 0)


def _value(body: bytes) -> Any:
    if body.startswith(b"--"):
        fields = read_form(body)
        return {name: fields[name] for name in _FIELDS if name in fields}
    return decode_any(body)


def _walk(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        if value and not value.startswith("data:"):  # an image or a file in a text's place
            yield value
    elif depth > _MAX_DEPTH:
        return
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, depth + 1)
    elif isinstance(value, dict):
        for name in _PLACES:
            if name in value:
                open_ended = name in _OPEN and isinstance(value[name], dict)
                yield from (_leaves(value[name], depth + 1) if open_ended else _walk(value[name], depth + 1))


def _leaves(value: Any, depth: int, *, names: bool = False) -> Iterator[str]:
    if isinstance(value, str):
        if value and not value.startswith("data:"):
            yield value
    elif depth > _MAX_DEPTH:
        return
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, depth + 1, names=names)
    elif isinstance(value, dict):
        for name, item in value.items():
            if names:
                yield name
            yield from _leaves(item, depth + 1, names=names)


class JsonPrompts:
    """What every `WireFormat` with a JSON body has in common: the prompt is its texts, wherever they stand in it."""

    def request_text(self, body: bytes, limit_chars: int | None) -> str:
        """Return the prompt's texts."""
        return request_text(body, limit_chars)

    def input_size(self, body: bytes) -> TextSize:
        """Return the size of prompt and tools."""
        return input_size(body)
