"""The demo's story, told to the detection core with the shipped rules: what fires is exactly what was planned."""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokentrail.compose.demo.history import estimate_latency_ms
from tokentrail.compose.demo.incidents import (
    INCIDENTS,
    MODEL_ERRORS,
    PROVIDER_ADDRESS,
    Incident,
    expect_finding,
    find_touched,
)
from tokentrail.compose.demo.live_plan import PlannedCall, plan_live
from tokentrail.compose.demo.tenants import Attribution, HistoricCall, attribute_calls
from tokentrail.compose.demo.verdict import ExpectedIncident, HeardAlert, Verdict, judge_alerts
from tokentrail.processors.call_cost import CostMeter
from tokentrail.processors.pricing import PriceBook
from tokentrail.processors.pricing_public import PublicPrices
from tokentrail.processors.replay import Replay
from tokentrail.processors.rules import load_rules
from tokentrail.processors.simulation.trace import TraceCall, read_trace
from tokentrail.processors.slicing import EventBatch
from tokentrail.schemas.alerts import Alert, AlertState
from tokentrail.schemas.events import CallCompleted, Usage

RULES = [rule for rule in load_rules() if rule.by != ["producer_id"]]
"""Without those about chains: these calls have none."""
NOON = 1_700_000_000


@cache
def trace() -> list[TraceCall]:
    return read_trace()


@cache
def history() -> list[HistoricCall]:
    return list(attribute_calls(trace()))


def make_history(start: float) -> Iterator[CallCompleted]:
    for call in history():
        ok = call.http_status == 200
        usage = Usage(input_tokens=call.trace.input_tokens, output_tokens=call.trace.output_tokens) if ok else None
        latency_ms = estimate_latency_ms(call)
        yield describe(start + call.trace.offset_s + latency_ms / 1000, call.attribution, ok, usage, latency_ms)


def make_live(start: float, slowness: float, incidents: Iterable[Incident]) -> Iterator[CallCompleted]:
    calls: list[PlannedCall] = plan_live(trace(), tuple(incidents))
    for call in calls:
        ok = call.incident is None or call.incident.fault_status is None
        usage = Usage(input_tokens=call.input_tokens, output_tokens=call.output_tokens) if ok else None
        yield describe(start + call.start_s * slowness, call.attribution, ok, usage, 30.0)


def describe(time_s: float, who: Attribution, ok: bool, usage: Usage | None, latency_ms: float) -> CallCompleted:  # noqa: FBT001 - how the call ended
    number = str(time_s)
    return CallCompleted(
        schema_version="1.0",
        event_id=number,
        call_id=number,
        producer_id=who.team.service,
        producer_seq=1,
        prev_hash="",
        occurred_at=datetime.fromtimestamp(time_s, UTC),
        service=who.team.service,
        user_id=who.user_id,
        department=who.team.department,
        feature=who.feature,
        api_key_id=who.team.api_key,
        provider=who.team.provider,
        server_address=PROVIDER_ADDRESS,
        endpoint="/v1/chat/completions",
        request_model=who.model,
        status="SUCCESS" if ok else "SERVER_ERROR",
        usage=usage,
        latency_ms=latency_ms,
    )


def new_replay() -> Replay:
    return Replay(RULES, [0], 1000, CostMeter(PriceBook(PublicPrices())))


def watch(replay: Replay, calls: Iterable[CallCompleted], *, to_end: bool = True) -> list[Alert]:
    events = sorted(calls, key=lambda call: call.occurred_at)
    arrivals_ms = [int(call.occurred_at.timestamp() * 1000) for call in events]
    batch = EventBatch(0, range(len(events)), arrivals_ms, events, [""] * len(events))
    return [alert for alert in replay.run([batch], to_end=to_end) if alert.state is AlertState.FIRING]


@pytest.fixture(scope="module")
def noon() -> Replay:
    """A replay that has seen the hour, from noon; whoever goes on with it does so on a copy."""
    replay = new_replay()
    assert watch(replay, make_history(NOON), to_end=False) == []
    return replay


def judge(alerts: Iterable[Alert], incidents: Iterable[Incident]) -> Verdict:
    always = datetime.fromtimestamp(0, UTC)
    expected = [
        ExpectedIncident(incident.label, expect_finding(incident, str), always, find_touched(incident, str))
        for incident in incidents
    ]
    return judge_alerts(expected, [HeardAlert(alert, alert.occurred_at) for alert in alerts])


@settings(max_examples=1, deadline=None)
@given(alignment=st.integers(0, 299), pause_s=st.floats(2, 60), slowness=st.floats(1, 3))
def test_the_hour_raises_nothing_and_the_incidents_after_it_exactly_the_planned_alerts(
    alignment: int, pause_s: float, slowness: float
) -> None:
    """However they lie on the clock."""
    start = NOON + alignment
    replay = new_replay()
    assert watch(replay, make_history(start), to_end=False) == []
    assert watch(deepcopy(replay), []) == []
    live_start = start + trace()[-1].offset_s + pause_s
    assert judge(watch(replay, make_live(live_start, slowness, INCIDENTS)), INCIDENTS).clean


@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda incident: incident.label)
def test_each_incident_raises_its_alert_by_itself(noon: Replay, incident: Incident) -> None:
    live_start = NOON + trace()[-1].offset_s + 10
    assert judge(watch(deepcopy(noon), make_live(live_start, 1, [incident])), [incident]).clean


def test_ordinary_live_traffic_raises_nothing(noon: Replay) -> None:
    live_start = NOON + trace()[-1].offset_s + 10
    assert watch(deepcopy(noon), make_live(live_start, 1, [])) == []


def test_only_the_error_storm_breaks_the_provider() -> None:
    assert [incident for incident in INCIDENTS if incident.fault_status] == [MODEL_ERRORS]
