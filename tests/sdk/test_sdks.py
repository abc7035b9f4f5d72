"""The official SDKs, unmodified: recorded or not, their callers see the same; and every attempt is one event."""

from typing import Any

import pytest
from sdk_cases import Case
from sdk_results import MODULES, as_expected, cases_of, expected_events, results_of

CASES = [(module, case) for module in MODULES for case in cases_of(module).cases]
cases = pytest.mark.parametrize(
    ("module", "case"), CASES, ids=[f"{module.removesuffix('_cases')}-{case.name}" for module, case in CASES]
)


@cases
def test_the_caller_sees_the_same(module: str, case: Case) -> None:
    result = results_of(module)["cases"][case.name]
    recorded, bare = result["recorded"], result["bare"]

    assert (recorded["surprises"], bare["surprises"]) == ([], [])
    assert recorded["answer"] == bare["answer"]
    assert recorded["sent"] == bare["sent"]
    assert '"where": "/' not in recorded["answer"], "the case itself has failed"


@cases
def test_every_attempt_is_one_event(module: str, case: Case) -> None:
    events = results_of(module)["cases"][case.name]["events"]
    started = [event for event in events if event["kind"] == "CallStarted"]
    completed = [event for event in events if event["kind"] == "CallCompleted"]
    expected = expected_events(case)

    assert [as_expected(event, one) for event, one in zip(completed, expected, strict=True)] == expected
    assert [event["call_id"] for event in started] == [event["call_id"] for event in completed]
    assert len({event["logical_call_id"] for event in events}) == 1
    for event in completed:
        check_times(event)


def check_times(event: dict[str, Any]) -> None:
    assert event["latency_ms"] > 0
    first = event["time_to_first_token_ms"]
    if event["stream"] and event["status"] == "SUCCESS" and event["usage"]:
        assert 0 < first <= event["latency_ms"]
