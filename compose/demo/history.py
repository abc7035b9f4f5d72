"""The trace hour as events: shifted to end at a given moment, in order of event time, spread over lanes. Pure."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from tokentrail.compose.demo.tenants import TEAMS, HistoricCall
from tokentrail.producers.calls import Call, Outcome
from tokentrail.schemas.events import Status, Usage, UsageSource

LANES_PER_SERVICE: Final = 4
"""Producers of each service. Several, so that all partitions fill and advance together."""

_HTTP_OK: Final = 200
_STATUSES: Final = {_HTTP_OK: Status.SUCCESS, 429: Status.RATE_LIMITED}
_FIRST_TOKEN_MS: Final = 180.0
_READ_MS: Final = 0.05
_WRITE_MS: Final = 12.0
_ENDPOINTS: Final = {
    "openai": ("api.openai.com", "/v1/chat/completions"),
    "anthropic": ("api.anthropic.com", "/v1/messages"),
    "google": ("generativelanguage.googleapis.com", "/v1beta/openai/chat/completions"),
}


class KeyLabel(msgspec.Struct, frozen=True):
    """How an API key appears in events: never itself."""

    api_key_id: str
    api_key_hint: str


class HistoricEvent(msgspec.Struct, frozen=True, gc=False):
    """One event to record; `outcome` is None for a start."""

    occurred_at: datetime
    service: str
    lane: int
    call: Call
    outcome: Outcome | None


def estimate_latency_ms(call: HistoricCall) -> float:
    """Return how long a call of this size takes: the trace does not say. A refused call is over at once."""
    if call.http_status != _HTTP_OK:
        return _FIRST_TOKEN_MS
    return _first_token_ms(call) + _WRITE_MS * call.trace.output_tokens


def plan_history(
    calls: Sequence[HistoricCall], end: datetime, label_key: Callable[[str], KeyLabel]
) -> Iterator[HistoricEvent]:
    """Yield both events of every call in order of event time; the last one happens at `end`."""
    moments: list[tuple[float, int, bool]] = []
    for index, historic in enumerate(calls):
        moments.append((historic.trace.offset_s, index, False))
        moments.append((historic.trace.offset_s + estimate_latency_ms(historic) / 1000, index, True))
    moments.sort()
    start_s = end.timestamp() - moments[-1][0]
    labels = {team.api_key: label_key(team.api_key) for team in TEAMS}
    open_calls: dict[int, Call] = {}
    for offset_s, index, over in moments:
        historic = calls[index]
        if over:
            call = open_calls.pop(index)
        else:
            call = open_calls[index] = _describe(historic, labels[historic.attribution.team.api_key])
        yield HistoricEvent(
            occurred_at=datetime.fromtimestamp(start_s + offset_s, UTC),
            service=historic.attribution.team.service,
            lane=index % LANES_PER_SERVICE,
            call=call,
            outcome=_conclude(historic) if over else None,
        )


def _first_token_ms(call: HistoricCall) -> float:
    return _FIRST_TOKEN_MS + _READ_MS * call.trace.input_tokens


def _describe(historic: HistoricCall, key: KeyLabel) -> Call:
    who = historic.attribution
    team = who.team
    server_address, endpoint = _ENDPOINTS[team.provider]
    return Call(
        user_id=who.user_id,
        department=team.department,
        feature=who.feature,
        request_source="internal" if who.user_id is None else "web",
        api_key_id=key.api_key_id,
        api_key_hint=key.api_key_hint,
        provider=team.provider,
        server_address=server_address,
        endpoint=endpoint,
        operation="chat",
        request_model=who.model,
        stream=historic.trace.workload == "conv",
    )


def _conclude(historic: HistoricCall) -> Outcome:
    status = historic.http_status
    latency_ms = round(estimate_latency_ms(historic), 3)
    if status != _HTTP_OK:
        return Outcome(
            status=_STATUSES.get(status, Status.SERVER_ERROR).value,
            http_status_code=status,
            error_type="rate_limit_exceeded" if status in _STATUSES else "server_error",
            latency_ms=latency_ms,
            http_method="POST",
        )
    trace = historic.trace
    return Outcome(
        status=Status.SUCCESS.value,
        http_status_code=status,
        finish_reasons=["stop"],
        response_model=historic.attribution.model,
        usage=Usage(input_tokens=trace.input_tokens, output_tokens=trace.output_tokens),
        usage_source=UsageSource.PROVIDER,
        latency_ms=latency_ms,
        time_to_first_token_ms=round(_first_token_ms(historic), 3),
        http_method="POST",
    )
