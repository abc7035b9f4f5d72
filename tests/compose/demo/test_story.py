"""The demo's story, told to the detection core with the shipped rules: what fires is exactly what was planned."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokentrail.processors.groupings import collect_groupings

from tokentrail.compose.demo.history import estimate_latency_ms
from tokentrail.compose.demo.incidents import INCIDENTS, MODEL_ERRORS, Finding, Incident, expect_finding
from tokentrail.compose.demo.live_plan import PlannedCall, plan_live
from tokentrail.compose.demo.tenants import Attribution, HistoricCall, attribute_calls
from tokentrail.processors.rules import load_rules
from tokentrail.processors.simulation.trace import TraceCall, read_trace
from tokentrail.processors.watching import PartitionWatch
from tokentrail.schemas.alerts import Alert
from tokentrail.schemas.slices import Slice

RULES = load_rules()
GROUPINGS = collect_groupings(RULES)
NOON = 1_700_000_000

Observation = tuple[float, Attribution, bool, int, int]


@cache
def trace() -> list[TraceCall]:
    return read_trace()


@cache
def history() -> list[HistoricCall]:
    return list(attribute_calls(trace()))


def observe_history(start: float) -> Iterator[Observation]:
    for call in history():
        ok = call.http_status == 200
        tokens = (call.trace.input_tokens, call.trace.output_tokens) if ok else (0, 0)
        yield start + call.trace.offset_s + estimate_latency_ms(call) / 1000, call.attribution, ok, *tokens


def observe_live(start: float, slowness: float, incidents: Iterable[Incident]) -> Iterator[Observation]:
    calls: list[PlannedCall] = plan_live(trace(), tuple(incidents))
    for call in calls:
        ok = call.incident is None or call.incident.fault_status is None
        tokens = (call.input_tokens, call.output_tokens) if ok else (0, 0)
        yield start + call.start_s * slowness, call.attribution, ok, *tokens


def watch(observations: Iterable[Observation]) -> list[Alert]:
    tallies: dict[tuple[int, int, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for time_s, who, ok, read, written in observations:
        values = {"user_id": who.user_id, "api_key_id": who.team.api_key, "request_model": who.model}
        for index, grouping in enumerate(GROUPINGS):
            if key := values[grouping]:
                tally = tallies[int(time_s), index, key]
                tally[0] += 1
                tally[1] += not ok
                tally[2] += read
                tally[3] += written
    slices = [
        Slice(second, index, key, (sums[0], sums[1], sums[2], sums[3]), "c", 0, "c" if sums[1] else "")
        for (second, index, key), sums in sorted(tallies.items())
    ]
    watcher = PartitionWatch(RULES, {})
    watcher.apply(0, 1, slices[-1].second, GROUPINGS, slices)
    return list(watcher.advance())


def findings(alerts: Iterable[Alert]) -> list[Finding]:
    return sorted({Finding(alert.rule, alert.dimension, alert.entity) for alert in alerts})


@settings(max_examples=3, deadline=None)
@given(alignment=st.integers(0, 299))
def test_the_hour_alone_raises_nothing_however_it_lies_on_the_clock(alignment: int) -> None:
    assert watch(observe_history(NOON + alignment)) == []


@settings(max_examples=3, deadline=None)
@given(alignment=st.integers(0, 299), pause_s=st.floats(2, 60), slowness=st.floats(1, 3))
def test_history_and_incidents_raise_exactly_the_planned_alerts(
    alignment: int, pause_s: float, slowness: float
) -> None:
    start = NOON + alignment
    live_start = start + trace()[-1].offset_s + pause_s
    alerts = watch([*observe_history(start), *observe_live(live_start, slowness, INCIDENTS)])
    assert findings(alerts) == sorted(expect_finding(incident, str) for incident in INCIDENTS)


@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda incident: incident.label)
def test_each_incident_raises_its_alert_by_itself(incident: Incident) -> None:
    live_start = NOON + trace()[-1].offset_s + 10
    alerts = watch([*observe_history(NOON), *observe_live(live_start, 1, [incident])])
    assert findings(alerts) == [expect_finding(incident, str)]


def test_ordinary_live_traffic_raises_nothing() -> None:
    live_start = NOON + trace()[-1].offset_s + 10
    assert watch([*observe_history(NOON), *observe_live(live_start, 1, [])]) == []


def test_only_the_error_storm_breaks_the_provider() -> None:
    assert [incident for incident in INCIDENTS if incident.fault_status] == [MODEL_ERRORS]
