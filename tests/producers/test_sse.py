"""Server-sent events come in pieces of any size."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tokentrail.producers.sse import MAX_EVENT_BYTES, SseParser

payloads = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=20), min_size=1, max_size=5
)
newlines = st.sampled_from(["\n", "\r\n", "\r"])


def read_all(pieces: list[bytes]) -> list[bytes]:
    parser = SseParser()
    return [payload for piece in pieces for payload in parser.feed(piece)] + parser.close()


@given(payloads, newlines, st.lists(st.integers(0, 400), max_size=30), st.booleans())
def test_the_cut_of_the_stream_changes_nothing(texts: list[str], newline: str, cuts: list[int], ended: bool) -> None:  # noqa: FBT001 - drawn
    stream = ": hello" + newline + newline
    for number, text in enumerate(texts):
        stream += f"event: e{number}{newline}data: {text}{newline}id: 1{newline}{newline}"
    body = stream.encode()[: None if ended else -len(newline.encode())]
    edges = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    pieces = [body[start:end] for start, end in pairwise(edges)]

    assert read_all(pieces) == [text.encode() for text in texts]


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_garbage_never_raises_and_cuts_never_matter(pieces: list[bytes]) -> None:
    assert read_all(pieces) == read_all([b"".join(pieces)])


def test_data_of_several_lines_is_one_payload() -> None:
    assert read_all([b"data: a\ndata:b\n\ndata: c\n\n"]) == [b"a\nb", b"c"]


def test_an_event_too_long_is_skipped_and_the_next_one_read() -> None:
    parser = SseParser()
    seen = parser.feed(b"data: ")
    for _ in range(MAX_EVENT_BYTES // 65_536 + 2):
        seen += parser.feed(b"x" * 65_536)
    seen += parser.feed(b"\n\ndata: next\n\n")

    assert seen == [b"next"]
    assert parser.skipped_events == 1
