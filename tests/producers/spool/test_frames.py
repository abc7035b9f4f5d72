"""Frames: what is intact is read, in order; what is not is skipped, and nothing raises."""

from hypothesis import given
from hypothesis import strategies as st

from tokentrail.producers.calls import Call, Outcome
from tokentrail.producers.recorder import Recorder
from tokentrail.producers.records import Record
from tokentrail.producers.spool.frames import MAGIC, encode_frame, read_frames

headers = st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=40)), max_size=4)
records = st.builds(Record, key=st.binary(max_size=40), value=st.binary(max_size=200), headers=headers)
logs = st.lists(records, min_size=1, max_size=6)


def encode(log: list[Record]) -> tuple[bytes, list[int]]:
    """The log as bytes, and where each frame ends."""
    frames = [encode_frame(number, record) for number, record in enumerate(log, start=1)]
    ends = [sum(map(len, frames[: number + 1])) for number in range(len(frames))]
    return b"".join(frames), ends


def read(data: bytes, *, final: bool = True) -> list[tuple[int, Record]]:
    return [(frame.sequence, frame.record) for frame in read_frames(data, final=final).frames]


def numbered(log: list[Record]) -> list[tuple[int, Record]]:
    return list(enumerate(log, start=1))


@given(logs)
def test_what_is_written_is_read(log: list[Record]) -> None:
    data, _ = encode(log)
    found = read_frames(data, final=True)
    assert [(frame.sequence, frame.record) for frame in found.frames] == numbered(log)
    assert (found.end, found.damaged_bytes) == (len(data), 0)


@given(logs, st.data())
def test_a_cut_takes_only_what_is_behind_it(log: list[Record], data: st.DataObject) -> None:
    encoded, ends = encode(log)
    cut = data.draw(st.integers(0, len(encoded)))
    whole = sum(end <= cut for end in ends)

    found = read_frames(encoded[:cut], final=False)

    assert [(frame.sequence, frame.record) for frame in found.frames] == numbered(log)[:whole]
    assert found.end == (ends[whole - 1] if whole else 0)
    assert read(encoded[:cut]) == numbered(log)[:whole]
    # Once the rest has come, reading goes on where it had stopped.
    rest = read_frames(encoded, at=found.end, final=True).frames
    assert [(frame.sequence, frame.record) for frame in rest] == numbered(log)[whole:]


@given(logs, st.data())
def test_damage_costs_the_records_it_touches_and_no_other(log: list[Record], data: st.DataObject) -> None:
    encoded, ends = encode(log)
    at = data.draw(st.integers(0, len(encoded) - 1))
    garbage = data.draw(st.binary(min_size=1, max_size=60))
    damaged = encoded[:at] + garbage + encoded[at + len(garbage) :]
    begins = [0, *ends[:-1]]
    touched_to = at + len(garbage)
    intact = [
        (number, record)
        for (number, record), begin, end in zip(numbered(log), begins, ends, strict=True)
        if end <= at or begin >= touched_to or damaged[begin:end] == encoded[begin:end]
    ]

    found = read_frames(damaged, final=True)

    assert [(frame.sequence, frame.record) for frame in found.frames] == intact
    assert found.end == len(damaged)


@given(st.binary(max_size=400) | st.lists(st.sampled_from([MAGIC, b"\xff", b"\x00" * 9])).map(b"".join), st.booleans())
def test_no_bytes_make_it_raise_or_stand_still(data: bytes, final: bool) -> None:  # noqa: FBT001 - hypothesis passes it
    found = read_frames(data, final=final)
    assert 0 <= found.end <= len(data)
    if final:
        assert found.end == len(data)


@given(st.text(max_size=30), st.text(max_size=30))
def test_an_event_has_the_headers_it_was_recorded_with(service: str, environment: str) -> None:
    log: list[Record] = []
    recorder = Recorder(log.append, service=service, environment=environment)
    recorder.started(Call(feature=service))
    recorder.completed(Call(), Outcome(status="SUCCESS"))

    assert read(encode(log)[0]) == numbered(log)


def test_a_frame_inside_a_value_is_no_frame() -> None:
    inner = encode_frame(7, Record(b"inner", b"{}", []))
    data = encode_frame(1, Record(b"outer", inner, []))
    assert [record.key for _, record in read(data)] == [b"outer"]
