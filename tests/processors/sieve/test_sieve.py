"""A sifted replay tells what a whole one tells: what the sieve leaves out could never have fired."""

import random
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from call_log import START, Call, generate_calls, make_call
from hypothesis import given, settings
from hypothesis import strategies as st
from made_rows import many_calls

from tokentrail.processors.replay import Replay
from tokentrail.processors.rules import load_rules
from tokentrail.processors.sieve.admission import Survivors
from tokentrail.processors.sieve.bounds import plan_sieve
from tokentrail.processors.sieve.event_sifting import sift_events
from tokentrail.processors.sieve.finding import find_survivors
from tokentrail.processors.sieve.sifter import Sifter, join_facts
from tokentrail.processors.sieve.tally import Table, join_tables
from tokentrail.processors.slicing import EventBatch, RecordBatch
from tokentrail.schemas.alerts import encode_alert
from tokentrail.schemas.decoding import Rejected, decode_event
from tokentrail.schemas.events import Usage
from tokentrail.schemas.rules import Absence, BurnRate, NewEntity, RatioToBaseline, Rule, Seasonal, Threshold, ZScore

PARTITIONS = 2
LATENESS_MS = 5000
STATUSES = ("SUCCESS", "SUCCESS", "SUCCESS", "RATE_LIMITED", "AUTH_FAILED", "SERVER_ERROR")


def _log(seed: int, minutes: int) -> list[RecordBatch]:
    """Calls in rushes and lulls by a few users, some late, some with clocks that are far off."""
    source = random.Random(seed)
    logs: list[list[tuple[int, Call]]] = [[] for _ in range(PARTITIONS)]
    at_s, number = 0.0, 0
    pace_s = [source.choice((0.5, 2.0, 8.0, 30.0)) for _ in range(minutes // 4 + 2)]
    while at_s < minutes * 60:
        at_s += source.expovariate(1 / pace_s[int(at_s // 240)])
        off_s = source.choice((0, 0, 0, 0, 0, 0, -8, -70, 400, -700_000)) if source.random() < 0.2 else 0
        logs[source.randrange(PARTITIONS)].append((int(at_s * 1000), _call(source, number, at_s + off_s)))
        number += 1
    return _batches(logs)


def _call(source: random.Random, number: int, at_s: float) -> Call:
    user = min(int(source.expovariate(0.7)), 6)
    return make_call(
        number,
        START + timedelta(seconds=at_s),
        status=source.choice(STATUSES),
        user_id=f"user-{user}",
        api_key_id=f"key-{user % 3}",
        ip_address=f"10.0.0.{source.randrange(4)}",
        session_id=f"session-{user}-{number // 40}",
        retry_count=int(source.random() < 0.2),
        usage=Usage(input_tokens=source.randrange(10, 3000) * (user + 1), output_tokens=source.randrange(500)),
        latency_ms=source.uniform(50, 4000),
    )


def _batches(logs: Sequence[list[tuple[int, Call]]]) -> list[RecordBatch]:
    begin_ms = int(START.timestamp() * 1000)
    cut = [
        RecordBatch(
            partition,
            range(first, first + len(piece)),
            [begin_ms + at_ms + 20 for at_ms, _ in piece],
            [call.payload for _, call in piece],
        )
        for partition, log in enumerate(logs)
        for first in range(0, len(log), 50)
        if (piece := log[first : first + 50])
    ]
    return sorted(cut, key=lambda batch: batch.timestamps_ms[0])


def _sift(rules: Sequence[Rule], batches: Sequence[RecordBatch]) -> Survivors:
    sieves = plan_sieve(rules)
    pieces: list[list[Table]] = [[] for _ in sieves]
    sifter = Sifter(sieves, range(PARTITIONS), LATENESS_MS, None, lambda view, table: pieces[view].append(table))
    for batch in batches:
        sifter.add(batch)
    facts = join_facts([sifter.finish()], 0)
    return {
        sieve.plan.view.name: find_survivors(sieve, [join_tables(sieve, found)], facts)
        for sieve, found in zip(sieves, pieces, strict=True)
    }


def _tell(rules: Sequence[Rule], batches: Sequence[RecordBatch], survivors: Survivors | None) -> list[bytes]:
    replay = Replay(rules, range(PARTITIONS), LATENESS_MS, None, survivors)
    told = [encode_alert(alert) for alert in replay.run(batches, to_end=True)]
    return [*told, str((replay.span_s, replay.counts())).encode()]


_METRICS = (
    "calls", "errors", "auth_failures", "tokens", "input_tokens", "first_attempts", "error_ratio", "retry_ratio",
    "cache_read_ratio", "tokens_per_call", "largest_call_tokens", "latency_p50_ms", "latency_p95_ms", "distinct_users",
    "new_ip_addresses", "context_growth_tokens", "clock_skewed",
)  # fmt: skip
_LEVELS = {"ratio": (0.1, 0.3, 0.6), "tokens": (500, 4000, 20_000), "ms": (200, 1500, 3500), "": (2, 8, 25)}


@st.composite
def _rules(draw: st.DrawFn) -> list[Rule]:
    return [_rule(draw, number) for number in range(draw(st.integers(1, 4)))]


def _rule(draw: st.DrawFn, number: int) -> Rule:
    metric = draw(st.sampled_from(_METRICS))
    level = draw(st.sampled_from(next(found for kind, found in _LEVELS.items() if kind in metric)))
    factor = draw(st.sampled_from((1.2, 2.0, 3.0)))
    conditions = [
        Threshold(above=level),
        Threshold(above=level, baseline=level / 2),
        RatioToBaseline(factor=factor, z=draw(st.sampled_from((0.0, 2.0)))),
        ZScore(z=factor),
        ZScore(z=factor, direction="below"),
        Seasonal(factor=factor),
        NewEntity(),
    ]
    if metric == "calls":
        conditions += [Absence(after_s=120), BurnRate(allowed=level, factor=1.0, long_window_s=600)]
    return many_calls(
        name=f"rule_{number}",
        metric=metric,
        by=[draw(st.sampled_from(("user_id", "api_key_id", "service", "session_id", ("user_id", "request_model"))))],
        window_s=draw(st.sampled_from((10, 60, 75, 300))),
        condition=draw(st.sampled_from(conditions)),
        min_calls=draw(st.sampled_from((0, 3, 10))),
        min_value=draw(st.sampled_from((0, level))),
        learning_s=draw(st.sampled_from((0, 307, 900))),
        for_s=draw(st.sampled_from((0, 20))),
        where=draw(st.sampled_from(({}, {"user_id": ["user-0", "user-1"]}))),
    )


@settings(max_examples=10, deadline=None)
@given(_rules(), st.integers(0, 10_000))
def test_events_are_sifted_as_the_records_that_hold_them_are(rules: list[Rule], seed: int) -> None:
    batches = _log(seed, 12)
    events = [
        EventBatch(
            batch.partition,
            batch.offsets,
            batch.timestamps_ms,
            [event for event in map(decode_event, batch.payloads) if not isinstance(event, Rejected)],
            [sha256(payload or b"").hexdigest() for payload in batch.payloads],
        )
        for batch in batches
    ]
    assert sift_events(rules, range(PARTITIONS), LATENESS_MS, None, events, 0) == _sift(rules, batches)


@settings(max_examples=20, deadline=None)
@given(_rules(), st.integers(0, 10_000))
def test_a_sifted_replay_tells_what_a_whole_one_tells(rules: list[Rule], seed: int) -> None:
    batches = _log(seed, 24)
    assert _tell(rules, batches, _sift(rules, batches)) == _tell(rules, batches, None)


def _log_of(calls: Sequence[tuple[float, Call]]) -> list[RecordBatch]:
    """Calls with the seconds of their arrival, the partition of each that of its producer."""
    logs: list[list[tuple[int, Call]]] = [[] for _ in range(PARTITIONS)]
    for at_s, call in calls:
        logs[call.producer % PARTITIONS].append((int(at_s * 1000), call))
    return _batches(logs)


def _calls_of(
    user: str, seconds: Sequence[float], first: int = 0, off_s: float = 0, **fields: Any
) -> list[tuple[float, Call]]:
    return [
        (at_s, make_call(first + number, START + timedelta(seconds=at_s + off_s), user_id=user, **fields))
        for number, at_s in enumerate(seconds)
    ]


def _assert_same_and_fired(rules: Sequence[Rule], batches: Sequence[RecordBatch], *names: str) -> None:
    whole = _tell(rules, batches, None)
    assert _tell(rules, batches, _sift(rules, batches)) == whole
    for name in names:
        assert any(f'"{name}"'.encode() in told for told in whole)


@pytest.mark.parametrize("metric", ["error_ratio", "latency_p50_ms"])
def test_a_share_that_grows_in_silence_is_not_left_out_where_another_rule_fires(metric: str) -> None:
    ratio = {"metric": metric, "window_s": 60, "min_calls": 5, "keep_firing_for_s": 600}
    low, high = (0.2, 0.8) if metric == "error_ratio" else (100, 4000)
    rules = [
        many_calls(name="some", condition=Threshold(above=low), **ratio),
        many_calls(name="most", condition=Threshold(above=high), **ratio),
    ]
    good = _calls_of("ann", range(30), latency_ms=800.0)
    bad = _calls_of("ann", range(30, 40), 100, status="SERVER_ERROR", latency_ms=9000.0)
    later = _calls_of("bob", range(40, 200, 5), 200, latency_ms=1.0)
    _assert_same_and_fired(rules, _log_of([*good, *bad, *later]), "some", "most")


def test_learning_that_ends_in_silence_is_not_left_out_where_another_rule_fires() -> None:
    rules = [
        many_calls(name="more", condition=RatioToBaseline(factor=1.5), learning_s=330, window_s=60),
        many_calls(name="any", condition=Threshold(above=1), window_s=120, keep_firing_for_s=600),
    ]
    calls = _calls_of("ann", [*range(0, 250, 10), *(296 + number / 4 for number in range(24))])
    _assert_same_and_fired(rules, _log_of([*calls, *_calls_of("bob", range(0, 600, 100), 900)]), "any", "more")


def test_evidence_is_the_same_where_chains_are_followed_beside_and_are_whole() -> None:
    rules = [
        many_calls(name="busy", by=["producer_id"], condition=Threshold(above=5)),
        many_calls(name="lost", by=["producer_id"], metric="lost_calls", condition=Threshold(above=0)),
    ]
    calls = generate_calls(seconds=240)
    log = _log_of([((call.occurred_at - START).total_seconds(), call) for call in calls])
    _assert_same_and_fired(rules, log, "busy")


def test_clocks_that_are_off_are_held_against_what_is_usual() -> None:
    rules = [many_calls(metric="clock_skewed", condition=ZScore(z=2), learning_s=0)]
    usual = _calls_of("ann", range(0, 600, 10))
    held_up = _calls_of("ann", [601 + number / 4 for number in range(20)], 100, off_s=-400)
    later = _calls_of("ann", range(610, 640, 10), 200)
    _assert_same_and_fired(rules, _log_of([*usual, *held_up, *later]), "many_calls")


def test_a_new_value_stands_for_several_where_many_are_known() -> None:
    rules = [many_calls(metric="new_users", by=["service"], condition=Threshold(above=4), learning_s=900)]
    calls = [_calls_of(f"user-{number}", [number * 30.0], number, service="chat")[0] for number in range(400)]
    _assert_same_and_fired(rules, _log_of(calls), "many_calls")


def test_shipped_rules_leave_little_of_an_ordinary_hour() -> None:
    rules = load_rules()
    batches = _log(7, 60)
    survivors = _sift(rules, batches)
    assert _tell(rules, batches, survivors) == _tell(rules, batches, None)
    assert not survivors["department"].every
    assert not survivors["request_hash"].some
    assert survivors["user_id"].entities == 7


@pytest.mark.parametrize(("above", "left"), [(5, True), (500, False)])
def test_entities_are_left_where_a_rule_can_fire(above: int, left: bool) -> None:  # noqa: FBT001 - what is expected
    rules = [many_calls(condition=Threshold(above=above))]
    found = _sift(rules, _log(3, 10))["user_id"]
    assert bool(found.some) is left
    assert found.every == ()
