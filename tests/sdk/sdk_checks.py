"""What is to be true of every case: its caller sees the same, and each attempt is one event, as the exchange says."""

from typing import Any, Final

from provider_server import Answer
from recorded_exchanges import load_exchange
from sdk_cases import Case

_MEANT: Final = (
    "operation", "request_model", "response_model", "stream", "status", "usage_source", "temperature", "max_tokens",
    "user_id", "session_id", "finish_reasons", "service_tier",
)  # fmt: skip
_UNANSWERED: Final = {"left": "ABORTED", "timeout": "TIMEOUT"}
_REQUEST_IDS: Final = ("x-request-id", "request-id", "x-amzn-requestid", "apim-request-id")


def check_answer(result: dict[str, Any]) -> None:
    """Check that what the caller got, and what the provider was sent, is the same with and without recording."""
    recorded, bare = result["recorded"], result["bare"]
    assert (recorded["surprises"], bare["surprises"]) == ([], [])
    assert recorded["answer"] == bare["answer"]
    assert recorded["sent"] == bare["sent"]
    assert '"where": "/' not in recorded["answer"], "the case itself has failed"


def check_events(case: Case, result: dict[str, Any]) -> None:
    """Check that every attempt is one started and one completed event, with the fields that its exchange expects."""
    events = result["events"]
    started = [event for event in events if event["kind"] == "CallStarted"]
    completed = [event for event in events if event["kind"] == "CallCompleted"]
    expected = expected_events(case)
    assert [as_expected(event, one) for event, one in zip(completed, expected, strict=True)] == expected
    assert [event["call_id"] for event in started] == [event["call_id"] for event in completed]
    assert len({event["logical_call_id"] for event in events}) == 1
    for event in completed:
        _check_times(event)


def _check_times(event: dict[str, Any]) -> None:
    assert event["latency_ms"] > 0
    if event["stream"] and event["status"] == "SUCCESS" and event["usage"]:
        assert 0 < event["time_to_first_token_ms"] <= event["latency_ms"]


def expected_events(case: Case) -> list[dict[str, Any]]:
    """Return what is to be in the completed event of each attempt."""
    last = len(case.answers) - 1
    return [_expected(answer, case, retry_count=n, is_last=n == last) for n, answer in enumerate(case.answers)]


def _expected(answer: Answer, case: Case, *, retry_count: int, is_last: bool) -> dict[str, Any]:
    exchange = load_exchange(answer.exchange)
    meant = exchange["expected"]
    fields = {"provider": exchange["provider"], "retry_count": retry_count} | {
        name: meant[name] for name in _MEANT if name in meant
    }
    fields["usage"] = meant["usage"]
    if answer.asked_as:
        fields["request_model"] = load_exchange(answer.asked_as)["expected"]["request_model"]
    headers = exchange["response"]["headers"]
    ids = [headers[name] for name in _REQUEST_IDS if name in headers] + [meant.get("provider_request_id")]
    if ids[0] is not None:
        fields["provider_request_id"] = ids[0]
    if not is_last:  # what was recorded of the refusal had been asked otherwise
        return {name: fields[name] for name in ("provider", "operation", "retry_count", "status", "usage")}
    if case.ending in _UNANSWERED:
        fields = {name: fields[name] for name in ("provider", "operation", "request_model", "retry_count")}
        fields["status"] = _UNANSWERED[case.ending]
    return {name: value for name, value in (fields | case.differing).items() if value is not ...}


def as_expected(event: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an event that are expected to be something, to be compared with that."""
    seen = {name: event.get(name) for name in expected}
    seen["retry_count"] = seen["retry_count"] or 0  # an SDK that does not count its retries has none before the first
    if "stream" in expected:
        seen["stream"] = seen["stream"] or expected["stream"]  # some say that they want none, some say nothing
    usage = event["usage"]
    if "usage" in expected and usage is not None:
        seen["usage"] = {name: count for name, count in usage.items() if count is not None}
    return seen
