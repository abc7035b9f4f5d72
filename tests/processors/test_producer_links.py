"""Producer links: whatever the log looks like and however it is cut, what is wrong is found exactly once."""

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.producer_links import (
    GAP_SETTLES_S,
    LOST_AFTER_S,
    MAX_OPEN_CALLS,
    MAX_STRETCHES,
    LinkFindings,
    Links,
    LinkTally,
    ProducerState,
    merge_links,
)
from tokentrail.schemas.events import GENESIS_HASH, CallCompleted, CallStarted, ProducerStats

Event = CallStarted | CallCompleted | ProducerStats
Record = tuple[Event, str]

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
NOTHING = LinkFindings(0, 0, 0, [])


def hash_of(seq: int) -> str:
    return sha256(str(seq).encode()).hexdigest()


def make_record(seq: int, call_id: str = "", *, done: bool = False, edited: bool = False) -> Record:
    """An event of the chain; an edited one's bytes, and so its hash, are not those that its successor saw."""
    common = {
        "schema_version": "1.0",
        "event_id": f"e{seq}",
        "producer_id": "p",
        "producer_seq": seq,
        "prev_hash": hash_of(seq - 1) if seq > 1 else GENESIS_HASH,
        "occurred_at": NOON,
    }
    own_hash = sha256(b"edited").hexdigest() if edited else hash_of(seq)
    if not call_id:
        return ProducerStats(**common), own_hash  # type: ignore[arg-type] # one dictionary for all fields
    if done:
        return CallCompleted(**common, call_id=call_id, status="SUCCESS"), own_hash  # type: ignore[arg-type] # as above
    return CallStarted(**common, call_id=call_id), own_hash  # type: ignore[arg-type] # as above


def tally(records: list[Record]) -> Links:
    links = LinkTally()
    for event, own_hash in records:
        links.add(event, own_hash)
    return links.freeze()


def add_up(findings: list[LinkFindings]) -> tuple[int, int, set[str]]:
    assert sum(found.lost_calls for found in findings) == sum(len(found.lost_call_ids) for found in findings)
    lost = [call_id for found in findings for call_id in found.lost_call_ids]
    assert len(lost) == len(set(lost))
    return sum(found.sequence_gaps for found in findings), sum(found.chain_breaks for found in findings), set(lost)


def follow(seconds: dict[int, list[Record]]) -> tuple[int, int, set[str]]:
    """Everything that is found, the state going through msgpack between any two seconds."""
    state = ProducerState()
    findings = []
    for second, records in sorted(seconds.items()):
        findings.append(state.apply(second, [msgspec.msgpack.decode(msgspec.msgpack.encode(tally(records)))]))
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=ProducerState)
    while (due := state.due()) is not None:
        findings.append(state.apply(due, []))
    return add_up(findings)


@st.composite
def chains(draw: st.DrawFn) -> list[Record]:
    """A producer's events in the order it made them: calls that overlap, some never ended, some edited since."""
    running: list[str] = []
    records = []
    for seq in range(draw(st.integers(1, 4)), draw(st.integers(5, 25))):
        step = draw(st.sampled_from(["begin", "end", "stats"]))
        edited = draw(st.integers(0, 9)) == 0
        if step == "end" and running:
            ended = running.pop(draw(st.integers(0, len(running) - 1)))
            records.append(make_record(seq, ended, done=True, edited=edited))
        elif step == "begin":
            running.append(f"call-{seq}")
            records.append(make_record(seq, running[-1], edited=edited))
        else:
            records.append(make_record(seq, edited=edited))
    return records


@st.composite
def logs(draw: st.DrawFn) -> list[Record]:
    """What arrives of a chain: without some events, with others before their turn, with stretches sent again."""
    log = [record for record in draw(chains()) if draw(st.integers(0, 9))]
    for _ in range(draw(st.integers(0, 3))):
        if log:
            record = log.pop(draw(st.integers(0, len(log) - 1)))
            log.insert(draw(st.integers(0, len(log))), record)
    for _ in range(draw(st.integers(0, 3))):
        begin = draw(st.integers(0, len(log)))
        end = draw(st.integers(begin, len(log)))
        at = draw(st.integers(end, len(log)))
        log[at:at] = log[begin:end]
    return log


def expect(log: list[Record]) -> tuple[int, int, set[str]]:
    """What is wrong with a log, by looking at all of it at once."""
    first = {event.producer_seq: (event, own_hash) for event, own_hash in reversed(log)}
    if not first:
        return 0, 0, set()
    gaps = max(first) - min(first) + 1 - len(first)
    breaks = sum(seq + 1 in first and first[seq + 1][0].prev_hash != first[seq][1] for seq in first)
    begun = set()
    highest = 0
    for event, _ in log:
        if isinstance(event, CallStarted) and event.producer_seq > highest:
            begun.add(event.call_id)
        highest = max(highest, event.producer_seq)
    return gaps, breaks, begun - {event.call_id for event, _ in log if isinstance(event, CallCompleted)}


@given(logs(), st.data())
def test_any_cut_of_the_log_finds_each_thing_exactly_once(log: list[Record], data: st.DataObject) -> None:
    records = iter(log)
    seconds: dict[int, list[Record]] = {}
    for second in range(100, 99 + GAP_SETTLES_S, 7):
        seconds[second] = list(islice(records, data.draw(st.integers(0, 6))))
    seconds[99 + GAP_SETTLES_S] = list(records)
    assert follow({second: held for second, held in seconds.items() if held}) == expect(log)


@given(logs(), st.integers(1, 40))
def test_sending_everything_again_changes_nothing(log: list[Record], later: int) -> None:
    assert follow({100: log, 100 + later: log}) == expect(log)


@given(logs(), st.data())
def test_the_order_of_source_partitions_does_not_matter(log: list[Record], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(log)))
    parts = [tally(log[:cut]), tally(log[cut:])]
    one, other = ProducerState(), ProducerState()
    assert one.apply(7, parts) == other.apply(7, parts[::-1])
    assert msgspec.msgpack.encode(one) == msgspec.msgpack.encode(other)
    assert msgspec.msgpack.encode(merge_links(parts)) == msgspec.msgpack.encode(merge_links(parts[::-1]))


def test_a_hole_is_a_gap_once_nobody_filled_it_in_time() -> None:
    state = ProducerState()
    assert state.apply(100, [tally([make_record(1)])]) == NOTHING
    assert state.apply(110, [tally([make_record(5)])]) == NOTHING
    assert state.due() == 110 + GAP_SETTLES_S
    assert state.apply(120, [tally([make_record(3)])]) == NOTHING
    assert state.due() == 110 + GAP_SETTLES_S
    assert state.apply(169, []) == NOTHING
    assert state.apply(170, []) == LinkFindings(0, 2, 0, [])
    assert state.due() is None
    assert state.apply(171, [tally([make_record(2), make_record(4)])]) == NOTHING


def test_a_hole_that_is_filled_in_time_is_none() -> None:
    state = ProducerState()
    state.apply(100, [tally([make_record(1), make_record(3)])])
    assert state.apply(159, [tally([make_record(2)])]) == NOTHING
    assert state.due() is None


def test_a_log_may_begin_anywhere() -> None:
    state = ProducerState()
    assert state.apply(100, [tally([make_record(50), make_record(51)])]) == NOTHING
    assert state.due() is None


def test_an_edited_event_is_one_break_wherever_its_successor_comes() -> None:
    edited, successor = make_record(2, edited=True), make_record(3)
    together, apart = ProducerState(), ProducerState()
    assert together.apply(100, [tally([make_record(1), edited, successor])]).chain_breaks == 1
    assert apart.apply(100, [tally([make_record(1), edited])]) == NOTHING
    assert apart.apply(101, [tally([successor])]).chain_breaks == 1
    assert apart.apply(102, [tally([edited, successor])]) == NOTHING


def test_a_call_that_never_ends_is_lost_and_named() -> None:
    state = ProducerState()
    state.apply(100, [tally([make_record(1, "a"), make_record(2, "b"), make_record(3, "a", done=True)])])
    assert state.due() == 100 + LOST_AFTER_S
    assert state.apply(99 + LOST_AFTER_S, []) == NOTHING
    assert state.apply(100 + LOST_AFTER_S, []) == LinkFindings(1, 0, 0, ["b"])
    assert state.due() is None


@pytest.mark.parametrize("asked", [True, False])
def test_a_call_that_ends_too_late_is_lost_whether_or_not_time_was_let_pass_before(asked: bool) -> None:  # noqa: FBT001 # a case
    state = ProducerState()
    state.apply(100, [tally([make_record(1, "a")])])
    findings = [state.apply(100 + LOST_AFTER_S, [])] if asked else []
    findings.append(state.apply(150 + LOST_AFTER_S, [tally([make_record(2, "a", done=True)])]))
    assert add_up(findings) == (0, 0, {"a"})


def test_a_call_that_ends_while_its_begin_is_sent_again_is_not_lost() -> None:
    state = ProducerState()
    begun = make_record(1, "a")
    state.apply(100, [tally([begun])])
    state.apply(101, [tally([begun, make_record(2, "a", done=True)])])
    assert state.due() is None


def test_a_call_that_ends_in_the_last_second_is_not_lost() -> None:
    state = ProducerState()
    state.apply(100, [tally([make_record(1, "a")])])
    assert state.apply(100 + LOST_AFTER_S, [tally([make_record(2, "a", done=True)])]) == NOTHING


def every_second_number() -> Iterator[Record]:
    for number in range(MAX_STRETCHES + 50):
        yield make_record(1 + 2 * number)


def test_of_too_many_holes_the_oldest_are_gaps_at_once() -> None:
    state = ProducerState()
    assert state.apply(100, [tally(list(every_second_number()))]) == LinkFindings(0, 50, 0, [])
    assert len(state.stretches) == MAX_STRETCHES
    assert add_up([state.apply(200, [])])[0] == MAX_STRETCHES - 1


def test_only_so_many_calls_are_waited_for() -> None:
    state = ProducerState()
    begun = [make_record(number, f"call-{number}") for number in range(1, MAX_OPEN_CALLS + 10)]
    state.apply(100, [tally(begun)])
    assert len(state.open_calls) == MAX_OPEN_CALLS


def test_a_quiet_producer_takes_fewer_than_a_hundred_bytes() -> None:
    state = ProducerState()
    state.apply(1_800_000_000, [tally([make_record(seq) for seq in range(1_000_000, 1_000_100)])])
    assert len(msgspec.msgpack.encode(state)) < 100
