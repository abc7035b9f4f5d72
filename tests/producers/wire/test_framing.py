"""Bodies are cut into the same payloads however they arrive, and damage costs only what it hits."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded_exchanges import frame_bytes

from tokentrail.producers.wire import event_stream, framing, json_array, json_lines
from tokentrail.producers.wire.event_stream import EventStreamFramer, read_frame_headers
from tokentrail.producers.wire.framing import Framer, SseFramer, WholeFramer, framer_for
from tokentrail.producers.wire.json_array import JsonArrayFramer
from tokentrail.producers.wire.json_lines import JsonLinesFramer

# Messages of AWS's own test suite: an empty one, and one with a 32-bit header and a payload that is no JSON.
EMPTY = b"\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2H\xeb}\x98\xc8\xff"
INT32_HEADER = b"\x00\x00\x00+\x00\x00\x00\x0e4\x8b\xec{\x08event-id\x04\x00\x00\xa0\x0c{'foo':'bar'}\xd3\x89\x02\x85"

FRAMERS = [SseFramer, WholeFramer, EventStreamFramer, JsonArrayFramer, JsonLinesFramer]
texts = st.text(st.characters(codec="utf-8"), max_size=20)
objects = st.dictionaries(texts, texts | st.dictionaries(texts, texts, max_size=2) | st.lists(texts, max_size=2))
cut_places = st.lists(st.integers(0, 600), max_size=20)


def cut(body: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(body), *(place for place in places if place < len(body))})
    return [body[start:end] for start, end in pairwise(edges)]


def frame(framer: Framer, pieces: list[bytes]) -> list[bytes]:
    return [payload for piece in pieces for payload in framer.feed(piece)] + framer.close()


@pytest.mark.parametrize(
    ("content_type", "endpoint", "kind"),
    [
        (b"text/event-stream; charset=utf-8", "/v1/chat/completions", SseFramer),
        (b"Text/Event-Stream", "", SseFramer),
        (b"application/vnd.amazon.eventstream", "/model/m/converse-stream", EventStreamFramer),
        (b"application/json; charset=UTF-8", "/v1beta/models/g:streamGenerateContent", JsonArrayFramer),
        (b"application/json", "/v1beta/models/g:generateContent", WholeFramer),
        (b"application/x-ndjson", "/api/chat", JsonLinesFramer),
        (b"application/stream+json", "/v1/chat", JsonLinesFramer),
        (b"audio/mpeg", "/v1/audio/speech", WholeFramer),
        (b"", "", WholeFramer),
    ],
)
def test_content_type_and_path_choose_the_framer(content_type: bytes, endpoint: str, kind: type[Any]) -> None:
    assert type(framer_for(content_type, endpoint)) is kind


@settings(max_examples=40, deadline=None)
@given(st.lists(objects, max_size=5), cut_places, st.sampled_from([b",", b"\n,\r\n", b" , "]))
def test_elements_of_an_array_come_whole(elements: list[Any], places: list[int], comma: bytes) -> None:
    encoded = [json.dumps(element, ensure_ascii=False).encode() for element in elements]
    body = b"[" + comma.join(encoded) + b"]\n"

    assert frame(JsonArrayFramer(), cut(body, places)) == encoded


def test_one_object_where_an_array_was_expected_is_its_own_element() -> None:
    assert frame(JsonArrayFramer(), [b'{"error": {"co', b'de": 429}}\n']) == [b'{"error": {"code": 429}}']


@settings(max_examples=40, deadline=None)
@given(st.lists(objects, max_size=5), cut_places, st.booleans())
def test_lines_come_whole(elements: list[Any], places: list[int], ended: bool) -> None:  # noqa: FBT001 - drawn
    encoded = [json.dumps(element).encode() for element in elements]
    body = b"\r\n".join([*encoded, b""] if ended else encoded)

    assert frame(JsonLinesFramer(), cut(body, places)) == encoded


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["chunk", "métadata"]), objects), max_size=5), cut_places)
def test_frames_come_whole_under_their_names(messages: list[tuple[str, Any]], places: list[int]) -> None:
    names = [name.encode().decode("latin-1") for name, _ in messages]
    body = b"".join(
        frame_bytes(event=name, payload=payload) for name, (_, payload) in zip(names, messages, strict=True)
    )

    read = [json.loads(payload) for payload in frame(EventStreamFramer(), cut(body, places))]

    assert len(read) == len(messages)
    assert [next(iter(payload.values())) for payload in read] == [payload for _, payload in messages]


def test_exception_frame_is_named_by_its_exception() -> None:
    body = frame_bytes(exception="throttlingException", payload={"message": "slow down"})

    assert frame(EventStreamFramer(), [body]) == [b'{"throttlingException":{"message": "slow down"}}']


def test_frames_of_the_reference_suite_are_walked_over() -> None:
    framer = EventStreamFramer()

    assert frame(framer, [EMPTY, INT32_HEADER, frame_bytes(event="e", payload={})]) == [b'{"e":{}}']
    assert framer.skipped_frames == 0


def test_headers_of_every_type_are_passed_over_to_the_strings() -> None:
    values = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
    encoded = b"".join(b"\x01a" + bytes([kind]) + bytes(length) for kind, length in values.items())
    encoded += b"\x01b\x06\x00\x02hi" + b"\x01j\x07\x00\x03abc"

    assert read_frame_headers(encoded) == {"j": "abc"}
    assert read_frame_headers(encoded[:-1]) == {}


def test_damaged_payload_costs_its_frame_alone() -> None:
    damaged = bytearray(frame_bytes(event="a", payload={"text": "one"}))
    damaged[-8] ^= 1
    framer = EventStreamFramer()

    assert frame(framer, [bytes(damaged) + frame_bytes(event="b", payload={})]) == [b'{"b":{}}']
    assert framer.skipped_frames == 1


def test_damaged_length_ends_the_reading() -> None:
    damaged = bytearray(frame_bytes(event="a", payload={}))
    damaged[2] ^= 1
    framer = EventStreamFramer()

    assert frame(framer, [bytes(damaged), frame_bytes(event="b", payload={})]) == []
    assert framer.skipped_frames == 1


@pytest.mark.parametrize("size", [7, 64, 10_000])
def test_message_too_long_is_skipped_and_the_next_one_read(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "MAX_FRAME_BYTES", 200)
    monkeypatch.setattr(json_array, "MAX_ELEMENT_BYTES", 200)
    monkeypatch.setattr(json_lines, "MAX_LINE_BYTES", 200)
    long, short = {"text": "x" * 500}, {"text": "y"}
    frames = frame_bytes(event="e", payload=long) + frame_bytes(event="e", payload=short)
    lines = json.dumps(long) + "\n" + json.dumps(short)

    def pieces(body: bytes) -> list[bytes]:
        return [body[start : start + size] for start in range(0, len(body), size)]

    assert frame(EventStreamFramer(), pieces(frames)) == [b'{"e":{"text": "y"}}']
    assert frame(JsonArrayFramer(), pieces(json.dumps([long, short]).encode())) == [b'{"text": "y"}']
    assert frame(JsonLinesFramer(), pieces(lines.encode())) == [b'{"text": "y"}']


def test_whole_body_too_long_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "MAX_BODY_BYTES", 10)

    assert frame(WholeFramer(), [b"12345", b"678901"]) == []
    assert frame(WholeFramer(), [b"12345", b"67890"]) == [b"1234567890"]


@pytest.mark.parametrize("kind", FRAMERS)
@settings(max_examples=40, deadline=None)
@given(pieces=st.lists(st.binary(max_size=60), max_size=20))
def test_garbage_never_raises_and_cuts_never_matter(kind: type[Any], pieces: list[bytes]) -> None:
    assert frame(kind(), pieces) == frame(kind(), [b"".join(pieces)])


@pytest.mark.parametrize("kind", [JsonArrayFramer, JsonLinesFramer])
@settings(max_examples=40, deadline=None)
@given(pieces=st.lists(st.text('{}[]"\\,: a\n', max_size=20), max_size=20))
def test_nonsense_of_json_signs_never_raises_and_cuts_never_matter(kind: type[Any], pieces: list[str]) -> None:
    encoded = [piece.encode() for piece in pieces]
    assert frame(kind(), encoded) == frame(kind(), [b"".join(encoded)])
