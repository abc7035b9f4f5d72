"""What an answer says is counted as it passes, and kept only where it is asked for, and only so much."""

import msgspec
import pytest

from tokentrail.producers.wire.anthropic import AnthropicReader
from tokentrail.producers.wire.decoding import LenientDecoder
from tokentrail.producers.wire.openai_chat import OpenAIChatReader
from tokentrail.producers.wire.reading import MAX_TEXT_CHARS


def chunk(text: str, index: int = 0) -> bytes:
    return msgspec.json.encode({"choices": [{"index": index, "delta": {"content": text}}]})


def test_text_is_kept_only_on_request() -> None:
    silent, keeping = OpenAIChatReader(), OpenAIChatReader(keep_text=True)
    for reader in (silent, keeping):
        reader.read_chunk(chunk("Hello"))

    assert (silent.facts.output_text(), silent.facts.output_chars) == ("", 5)
    assert (keeping.facts.output_text(), keeping.facts.output_text(2)) == ("Hello", "He")


def test_text_of_one_choice_is_kept_and_all_are_counted() -> None:
    reader = OpenAIChatReader(keep_text=True)
    for text, index in (("a", 0), ("x", 1), ("b", 0), ("y", 1)):
        reader.read_chunk(chunk(text, index))

    assert (reader.facts.output_text(), reader.facts.output_chars) == ("ab", 4)


def test_kept_text_is_bounded() -> None:
    reader = OpenAIChatReader(keep_text=True)
    for _ in range(30):
        reader.read_chunk(chunk("x" * 1000))

    assert len(reader.facts.output_text(10**9)) == MAX_TEXT_CHARS
    assert reader.facts.output_chars == 30_000


@pytest.mark.parametrize(
    ("delta", "spoke"),
    [
        ({"content": "Hi"}, True),
        ({"reasoning_content": "Hm"}, True),
        ({"tool_calls": [{"index": 0, "function": {"name": "f"}}]}, True),
        ({"refusal": "No"}, True),
        ({"audio": {"data": "AAAA"}}, True),
        ({"role": "assistant", "content": ""}, False),
        ({}, False),
    ],
)
def test_only_what_the_model_says_is_its_first_word(delta: dict[str, object], spoke: bool) -> None:  # noqa: FBT001 - a row
    reader = OpenAIChatReader()

    assert reader.read_chunk(msgspec.json.encode({"choices": [{"delta": delta}]})) is spoke
    assert reader.facts.has_content is spoke


@pytest.mark.parametrize(
    ("event", "spoke"),
    [
        ({"type": "ping"}, False),
        ({"type": "content_block_start", "content_block": {"type": "text", "text": ""}}, False),
        ({"type": "content_block_start", "content_block": {"type": "tool_use", "name": "f", "input": {}}}, True),
        ({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hi"}}, True),
        ({"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "Hm"}}, True),
        ({"type": "content_block_delta", "delta": {"type": "signature_delta", "signature": "x"}}, False),
    ],
)
def test_only_what_claude_says_is_its_first_word(event: dict[str, object], spoke: bool) -> None:  # noqa: FBT001 - a row
    assert AnthropicReader().read_chunk(msgspec.json.encode(event)) is spoke


def test_more_choices_than_an_event_holds_lose_their_reasons_and_no_more() -> None:
    reader = OpenAIChatReader()
    reader.read_answer(msgspec.json.encode({"choices": [{"index": n, "finish_reason": "stop"} for n in range(500)]}))

    assert reader.facts.finish_reasons == ["stop"] * 128


def test_fields_that_are_not_named_are_not_even_checked() -> None:
    class Named(msgspec.Struct):
        model: str | None = None

    decode = LenientDecoder(Named)

    assert decode(b'{"prompt": "\xff", "model": "m"}') == Named("m")
    assert decode(b'{"model": 7}') == Named()
    assert decode(b"[]") is None
    assert decode(b"{") is None
