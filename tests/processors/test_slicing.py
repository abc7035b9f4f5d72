from datetime import datetime, timedelta
from typing import Any

import msgspec
from call_log import START, make_call
from ledger_log import stats_event
from made_rows import USERS, many_calls, row

from tokentrail.processors.frames import MAX_SLICES, pack_frames
from tokentrail.processors.slicing import ClosedSlices, PartitionSlicer, RecordBatch
from tokentrail.processors.tally_plan import plan_tallies
from tokentrail.schemas.decoding import Reason
from tokentrail.schemas.events import SCHEMA_VERSION, Watermark
from tokentrail.schemas.slices import Slice

LATENESS_MS = 1000
START_S = int(START.timestamp())


def _slicer() -> PartitionSlicer:
    return PartitionSlicer(0, plan_tallies([many_calls()]), LATENESS_MS)


def _calls(closed: ClosedSlices) -> list[int]:
    return [closed.rows[piece.row].sums[0] for piece in closed.slices]


def _add(slicer: PartitionSlicer, *records: tuple[bytes | None, datetime]) -> None:
    payloads = [payload for payload, _ in records]
    slicer.add(RecordBatch(0, range(len(records)), [int(at.timestamp() * 1000) for _, at in records], payloads))


def _call(number: int, at: datetime, **fields: Any) -> tuple[bytes, datetime]:
    return make_call(number, at, user_id="ann", **fields).payload, at


def _watermark(at: datetime) -> bytes:
    return msgspec.json.encode(Watermark(schema_version=SCHEMA_VERSION, watermark=at))


def test_a_second_closes_once_the_watermark_has_passed_its_end() -> None:
    slicer = _slicer()
    _add(slicer, _call(1, START), _call(2, START + timedelta(seconds=1.999)))
    closed = slicer.close()
    assert closed is not None
    assert closed.closed_through == START_S - 1
    _add(slicer, _call(3, START + timedelta(seconds=2)))
    closed = slicer.close()
    assert closed is not None
    assert (closed.closed_through, _calls(closed)) == (START_S, [1])


def test_a_call_for_a_closed_second_is_late_even_before_close_was_asked() -> None:
    slicer = _slicer()
    _add(slicer, _call(1, START), _call(2, START + timedelta(seconds=9)), _call(3, START))
    closed = slicer.close()
    assert closed is not None
    assert slicer.counts.late == 1
    assert sum(_calls(closed)) == 1


def test_a_clock_ten_years_off_is_flagged_and_moves_no_watermark() -> None:
    slicer = _slicer()
    far = timedelta(days=3650)
    _add(slicer, _call(1, START), (_call(2, START + far)[0], START), (_call(3, START - far)[0], START))
    _add(slicer, (_watermark(START + far), START), _call(4, START))
    closed = slicer.close()
    assert slicer.counts.clock_suspect == 3
    assert closed is not None
    assert closed.closed_through == START_S - 2


def test_statistics_of_a_producer_are_no_call_and_no_rejection() -> None:
    slicer = _slicer()
    said = stats_event(START + timedelta(seconds=1)), START + timedelta(seconds=1)
    _add(slicer, _call(1, START), said, _call(2, START))
    assert (slicer.counts.records, slicer.counts.rejected, slicer.counts.calls) == (3, 0, 2)


def test_a_watermark_record_closes_a_quiet_partition() -> None:
    slicer = _slicer()
    _add(slicer, _call(1, START), (_watermark(START + timedelta(seconds=30)), START + timedelta(seconds=31)))
    closed = slicer.close()
    assert closed is not None
    assert closed.closed_through == START_S + 29
    assert [piece.second for piece in closed.slices] == [START_S]


def test_bad_records_are_handed_back_with_their_offset_and_the_others_counted() -> None:
    slicer = _slicer()
    batch = RecordBatch(0, [7, 8, 9], [int(START.timestamp() * 1000)] * 3, [b"{", _call(1, START)[0], None])
    outcome = slicer.add(batch)
    assert [(rejection.offset, rejection.why.reason) for rejection in outcome.rejections] == [
        (7, Reason.INVALID_JSON),
        (9, Reason.EMPTY),
    ]
    assert outcome.newest_second == START_S


def test_a_slice_sums_calls_errors_and_tokens_and_names_its_evidence() -> None:
    slicer = _slicer()
    _add(slicer, _call(1, START), _call(2, START, status="TIMEOUT", usage=None), _call(3, START + timedelta(seconds=5)))
    closed = slicer.close()
    assert closed is not None
    (piece,) = closed.slices
    assert piece == Slice(START_S, 0, "ann", piece.row)
    sums = {"calls": 2, "errors": 1, "timeouts": 1, "first_attempts": 2, "input_tokens": 500, "output_tokens": 100}
    assert closed.rows[piece.row] == row("call-1", 600, "call-2", **sums)


def test_a_call_without_the_field_is_in_no_slice() -> None:
    slicer = _slicer()
    _add(slicer, (make_call(1, START).payload, START), _call(2, START + timedelta(seconds=5)))
    closed = slicer.close()
    assert closed is not None
    assert closed.slices == []


def test_frames_cut_in_two_say_complete_only_with_the_last() -> None:
    pieces = [Slice(START_S, 0, f"user-{n}", 0) for n in range(MAX_SLICES + 1)]
    frames = [frame for _, frame in pack_frames(ClosedSlices(3, START_S, [row(calls=1)], pieces), USERS, 4, 1)]
    assert [(frame.closed_through, len(frame.slices)) for frame in frames] == [(START_S - 1, MAX_SLICES), (START_S, 1)]


def test_every_destination_hears_of_the_time() -> None:
    frames = pack_frames(ClosedSlices(3, START_S, [], []), USERS, 4, 5)
    assert [(destination, frame.closed_through) for destination, frame in frames] == [(n, START_S) for n in range(5)]


def test_a_clock_that_is_a_minute_fast_makes_nobody_else_late() -> None:
    slicer = _slicer()
    for second in range(5):
        arrived = START + timedelta(seconds=second)
        _add(slicer, (_call(2 * second, arrived + timedelta(seconds=60))[0], arrived), _call(2 * second + 1, arrived))
    assert slicer.counts.late == 0
    assert slicer.closed_through is None
    closed = slicer.close()
    assert closed is not None
    assert closed.closed_through == START_S + 2


def test_a_call_far_off_its_arrival_is_counted_as_skewed_in_the_second_it_arrived() -> None:
    slicer = PartitionSlicer(0, plan_tallies([many_calls(metric="clock_skewed")]), LATENESS_MS)
    ahead, behind = START + timedelta(seconds=301), START - timedelta(seconds=301)
    _add(slicer, (_call(1, ahead)[0], START), (_call(2, behind)[0], START), _call(3, START + timedelta(seconds=5)))
    closed = slicer.close()
    assert closed is not None
    skewed = {piece.second: closed.rows[piece.row].sums[-1] for piece in closed.slices}
    assert skewed == {START_S - 301: 0, START_S: 2}


def test_what_counts_where_it_arrives_is_not_lost_when_the_brokers_clock_goes_back() -> None:
    rules = [many_calls(metric="clock_skewed"), many_calls(name="gaps", metric="sequence_gaps", by=["producer_id"])]
    slicer = PartitionSlicer(0, plan_tallies(rules), 0)
    _add(slicer, _call(1, START + timedelta(seconds=5)))
    assert slicer.close() is not None
    _add(slicer, (_call(2, START - timedelta(hours=1))[0], START + timedelta(seconds=4)))
    closed = slicer.close_through(START_S + 5)
    assert closed is not None
    names = {slicer.plan.views[piece.view].dimension for piece in closed.slices}
    assert names == {"user_id", "producer_id"}
    assert {piece.second for piece in closed.slices} == {START_S + 5}
    assert sum(closed.rows[piece.row].sums[-1] for piece in closed.slices) == 1


def test_rows_of_one_call_are_shared_by_all_views_and_sent_once_a_destination() -> None:
    slicer = PartitionSlicer(0, plan_tallies([many_calls(by=["user_id", "provider", ["user_id", "provider"]])]), 1000)
    _add(slicer, _call(1, START), _call(2, START + timedelta(seconds=5)))
    closed = slicer.close()
    assert closed is not None
    ((_, frame),) = pack_frames(closed, slicer.plan.frame_views, 1, 1)
    assert (len(frame.slices), len(frame.rows)) == (3, 1)


def test_other_rules_count_from_the_next_second_and_views_that_stay_lose_nothing() -> None:
    slicer = _slicer()
    _add(slicer, _call(1, START))
    slicer.follow(plan_tallies([many_calls(by=["provider", "user_id"])]))
    _add(slicer, _call(2, START), _call(3, START + timedelta(seconds=1)), _call(4, START + timedelta(seconds=9)))
    closed = slicer.close()
    assert closed is not None
    views = slicer.plan.frame_views
    found = {
        (views[piece.view].name, piece.second - START_S, closed.rows[piece.row].sums[0]) for piece in closed.slices
    }
    assert found == {("user_id", 0, 2), ("user_id", 1, 1), ("provider", 1, 1)}


def test_a_filter_leaves_calls_out() -> None:
    rule = many_calls(where={"provider": ["openai", "anthropic"]}, where_not={"status": "SUCCESS"})
    slicer = PartitionSlicer(0, plan_tallies([rule]), LATENESS_MS)
    failed = {"status": "TIMEOUT"}
    _add(slicer, _call(1, START), _call(2, START, **failed), _call(3, START, provider="other", **failed))
    _add(slicer, _call(4, START + timedelta(seconds=5)))
    closed = slicer.close()
    assert closed is not None
    assert _calls(closed) == [1]
