from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

from tokentrail.compose.demo.history import KeyLabel, plan_history
from tokentrail.compose.demo.tenants import attribute_calls
from tokentrail.processors.simulation.trace import read_trace

END = datetime(2026, 1, 1, 12, tzinfo=UTC)
CALLS = list(attribute_calls(read_trace(limit=1_000)))
EVENTS = list(plan_history(CALLS, END, lambda key: KeyLabel(f"id of {key}", "hint")))


def test_every_call_starts_once_and_completes_once() -> None:
    assert Counter(event.call.call_id for event in EVENTS if event.outcome is None).total() == len(CALLS)
    assert set(Counter(event.call.call_id for event in EVENTS).values()) == {2}


def test_events_come_in_order_of_event_time_and_the_last_one_is_now() -> None:
    assert all(earlier.occurred_at <= later.occurred_at for earlier, later in pairwise(EVENTS))
    assert abs((EVENTS[-1].occurred_at - END).total_seconds()) < 1e-3


def test_both_events_of_a_call_take_the_same_lane_of_their_service() -> None:
    lanes: dict[str, set[tuple[str, int]]] = {}
    for event in EVENTS:
        lanes.setdefault(event.call.call_id, set()).add((event.service, event.lane))
    assert all(len(found) == 1 for found in lanes.values())


def test_tokens_are_those_of_the_trace_and_a_failed_call_has_none() -> None:
    usages = [event.outcome.usage for event in EVENTS if event.outcome]
    read = sum(usage.input_tokens or 0 for usage in usages if usage)
    assert read == sum(call.trace.input_tokens for call in CALLS if call.http_status == 200)
    assert sum(usage is None for usage in usages) == sum(call.http_status != 200 for call in CALLS)


def test_the_key_itself_appears_in_no_event() -> None:
    assert all(event.call.api_key_id and event.call.api_key_id.startswith("id of ") for event in EVENTS)
    assert all(event.call.api_key_hint == "hint" for event in EVENTS)
