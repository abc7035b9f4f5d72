"""Every recorded exchange is read as it says, however the network cuts the answer."""

from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded_exchanges import answer_bytes, exchange_names, load_exchange, request_bytes

from tokentrail.producers.http_status import status_of_code
from tokentrail.producers.providers import generic_wire, provider_named, provider_of
from tokentrail.producers.wire.framing import framer_for
from tokentrail.producers.wire.reading import AnswerReader, WireFormat
from tokentrail.producers.wire.usage import settle_usage

ALWAYS_EXPECTED = {"operation", "request_model", "response_model", "stream", "status", "usage", "usage_source"}
cuts = st.lists(st.integers(1, 400), max_size=12)


def read_exchange(exchange: dict[str, Any], pieces: list[bytes]) -> dict[str, Any]:
    """Return everything that is read of an exchange, by the names that `expected` uses."""
    url = urlsplit(exchange["url"])
    provider = provider_of(url.hostname or "", url.port) or provider_named(exchange["provider"] or "")
    wire = (provider.wire if provider else generic_wire)(url.path)
    operation = wire.operation(url.path)
    body = request_bytes(exchange)
    asked = wire.read_request(url.path, body)
    reader = wire.reader(operation, keep_text=True)
    streamed = read_answer(reader, exchange, url.path, pieces)
    return {
        "operation": operation,
        "request_model": asked.model,
        "stream": streamed or asked.stream,
        "temperature": asked.temperature,
        "max_tokens": asked.max_tokens,
        "user_id": asked.user_id,
        "session_id": asked.session_id,
        "request_text": wire.request_text(body, None),
        **facts_of(reader, exchange, wire),
    }


def read_answer(reader: AnswerReader, exchange: dict[str, Any], endpoint: str, pieces: list[bytes]) -> bool:
    """Feed the answer to the reader; say whether it was a stream."""
    headers = {name.lower().encode(): value.encode() for name, value in exchange["response"]["headers"].items()}
    reader.read_headers(headers)
    framer = framer_for(headers.get(b"content-type", b""), endpoint)
    payloads = [payload for piece in pieces for payload in framer.feed(piece)] + framer.close()
    for payload in payloads:
        if framer.whole:
            reader.read_answer(payload)
        else:
            reader.read_chunk(payload)
    return not framer.whole


def facts_of(reader: AnswerReader, exchange: dict[str, Any], wire: WireFormat) -> dict[str, Any]:
    facts = reader.facts
    usage, source = settle_usage(facts, lambda: wire.input_size(request_bytes(exchange)))
    status = status_of_code(exchange["response"]["status"])
    if status == "SUCCESS" and facts.error is not None:
        status = facts.error.status
    return {
        "response_model": facts.model,
        "provider_request_id": facts.provider_request_id,
        "service_tier": facts.service_tier,
        "finish_reasons": facts.finish_reasons,
        "status": status.value,
        "error": facts.error and facts.error._asdict(),
        "ended": facts.ended,
        "usage": msgspec.to_builtins(usage),
        "usage_source": source.value,
        "output_text": facts.output_text(),
    }


def cut(body: bytes, sizes: list[int]) -> list[bytes]:
    pieces, place = [], 0
    for size in sizes:
        pieces.append(body[place : place + size])
        place += size
    return [*pieces, body[place:]]


@pytest.mark.parametrize("name", exchange_names())
def test_exchange_is_read_as_expected_however_it_is_cut(name: str) -> None:
    exchange = load_exchange(name)
    expected = exchange["expected"]
    body = answer_bytes(exchange)
    assert expected.keys() >= ALWAYS_EXPECTED

    @settings(max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(cuts)
    def check(sizes: list[int]) -> None:
        read = read_exchange(exchange, cut(body, sizes))
        assert {field: read[field] for field in expected} == expected

    check()
    bytewise = read_exchange(exchange, [body[place : place + 1] for place in range(len(body))])
    assert {field: bytewise[field] for field in expected} == expected


@pytest.mark.parametrize("name", exchange_names())
def test_answer_cut_short_never_raises_and_never_claims_more_than_the_whole(name: str) -> None:
    exchange = load_exchange(name)
    body = answer_bytes(exchange)
    whole = read_exchange(exchange, [body])

    for end in range(0, len(body), max(1, len(body) // 12)):
        part = read_exchange(exchange, [body[:end]])
        assert whole["output_text"].startswith(part["output_text"])
        assert part["operation"] == whole["operation"]
