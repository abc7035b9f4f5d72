"""From rows of calls to the events that shims would have sent: numbered and chained per producer.

All is prepared in columns, and each event is a template of its route and its end with what is its own put in: to
name all of its fields would cost three times as much.
"""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from tokentrail.processors.simulation.calls import Calls, Loss, Outcome, draw_ids, format_ids, to_objects
from tokentrail.processors.simulation.catalogue import MODELS, VENDORS
from tokentrail.processors.simulation.company import Company, Route
from tokentrail.processors.simulation.names import form_of, name_contents, name_sessions
from tokentrail.processors.simulation.pods import Pods
from tokentrail.schemas.events import (
    GENESIS_HASH,
    SCHEMA_VERSION,
    CallCompleted,
    CallStarted,
    Status,
    Usage,
    UsageSource,
)

CallEvent = CallStarted | CallCompleted
Column = NDArray[Any]
_ENVIRONMENT: Final = "production"
_HEX: Final = 64
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HTTP: Final = {
    Outcome.SUCCESS: 200,
    Outcome.RATE_LIMITED: 429,
    Outcome.AUTH_FAILED: 401,
    Outcome.SERVER_ERROR: 500,
    Outcome.CLIENT_ERROR: 400,
}
_ERROR_TYPES: Final = {
    Outcome.AUTH_FAILED: "authentication_error",
    Outcome.TIMEOUT: "ReadTimeout",
    Outcome.CONNECTION_ERROR: "ConnectError",
    Outcome.SERVER_ERROR: "server_error",
    Outcome.CLIENT_ERROR: "invalid_request_error",
    Outcome.ABORTED: "GeneratorExit",
}
_ENDS: Final = tuple(Outcome)[1:]


class Moments(msgspec.Struct, frozen=True):
    """Events to build, in order of true time; columns of equal length."""

    time_s: NDArray[np.float64]
    row: Column
    """Of the calls that are passed along."""
    completed: NDArray[np.bool_]
    clock_s: NDArray[np.float64]
    """What the producer's own clock says, since the simulation began."""

    def take(self, chosen: Column) -> "Moments":
        """Return some of them."""
        return Moments(self.time_s[chosen], self.row[chosen], self.completed[chosen], self.clock_s[chosen])


class Built(msgspec.Struct, frozen=True):
    """Events in the order of their moments; lost ones are numbered and missing. Columns of equal length."""

    events: Column
    hashes: Column
    producers: Column
    times_s: NDArray[np.float64]


class EventBuilder:
    """Remembers each producer's number and last hash; give it moments in order of time."""

    def __init__(self, company: Company, pods: Pods, start: datetime) -> None:
        form = form_of(company.keys[0])
        self._form = form
        self._start_us = round(start.timestamp() * 1e6)
        self._users = to_objects([*company.users, None])  # the last one is NOBODY's
        self._addresses = to_objects(company.addresses)
        self._ids = to_objects(pods.ids)
        self._sequence = np.zeros(len(pods.ids), np.int64)
        self._chain = to_objects([GENESIS_HASH] * len(pods.ids))
        common = [_describe(company, form, route) for route in company.routes]
        self._begun = to_objects([CallStarted(**_UNSET, **fields) for fields in common])
        """By route."""
        self._done = to_objects([
            CallCompleted(**_UNSET, **fields, **end)
            for fields, route in zip(common, company.routes, strict=True)
            for end in _describe_ends(route)
        ])  # fmt: skip
        """By route and end, side by side."""

    def build(self, calls: Calls, moments: Moments, rng: np.random.Generator) -> Built:
        """Build the events of all moments; about 10 µs each call."""
        moments = moments.take(~(moments.completed & (calls["loss"][moments.row] & Loss.NEVER_COMPLETED > 0)))
        loss, count = calls["loss"][moments.row], len(moments.row)
        noise = rng.bytes(count * _HEX // 2).hex()
        hashes = to_objects([noise[begin : begin + _HEX] for begin in range(0, len(noise), _HEX)])
        producers = calls["producer"][moments.row]
        numbers, previous = self._link(producers, hashes)
        for broken in np.flatnonzero(moments.completed & (loss & Loss.CHAIN_BROKEN > 0)).tolist():
            previous[broken] = hashes[broken][::-1]
        lost = np.where(moments.completed, loss & Loss.COMPLETED_LOST, loss & Loss.STARTED_LOST) > 0
        ids = to_objects(format_ids(draw_ids(count, rng)))
        envelope = [ids, self._ids[producers], numbers, previous, self._clocks(moments.clock_s), hashes]
        called = self._call_columns(calls)
        events = np.empty(count, object)
        for completed in (False, True):
            chosen = np.flatnonzero((moments.completed == completed) & ~lost)
            rows = moments.row[chosen]
            columns = [column[chosen].tolist() for column in envelope] + [column[rows].tolist() for column in called]
            events[chosen] = to_objects((self._complete if completed else self._begin)(columns, calls[rows]))
        kept = np.flatnonzero(~lost)
        return Built(events[kept], hashes[kept], producers[kept], moments.time_s[kept])

    def _clocks(self, clock_s: NDArray[np.float64]) -> Column:
        since = np.round(clock_s * 1e6).astype(np.int64) + self._start_us
        return to_objects([_EPOCH + delta for delta in since.astype("m8[us]").tolist()])

    def _link(self, producers: Column, hashes: Column) -> tuple[Column, Column]:
        """Number each producer's events, and give each the hash of the one before."""
        order = np.argsort(producers, kind="stable")
        own = producers[order]
        firsts = np.flatnonzero(np.diff(own, prepend=-1))
        counts = np.diff(np.append(firsts, len(own)))
        place = np.arange(len(own)) - np.repeat(firsts, counts)
        digests = hashes[order]
        before = np.empty(len(own), object)
        before[1:] = digests[:-1]
        before[firsts] = self._chain[own[firsts]]
        numbers, previous = np.empty(len(own), np.int64), np.empty(len(own), object)
        numbers[order] = self._sequence[own] + place + 1
        previous[order] = before
        self._sequence[own[firsts]] += counts
        self._chain[own[firsts]] = digests[firsts + counts - 1]
        return numbers, previous

    def _call_columns(self, calls: Calls) -> list[Column]:
        """Return what both events of a call carry and its route does not decide, as the expressions below take it."""
        return [
            to_objects(format_ids(calls["call_id"])),
            to_objects(format_ids(calls["logical_id"])),
            to_objects(name_sessions(calls["session"])),
            self._users[calls["user"]],
            self._addresses[calls["address"]],
            _MODELS[calls["model"]],
            calls["stream"],
        ]

    def _begin(self, columns: list[list[Any]], calls: Calls) -> list[CallEvent]:
        return [
            replace(
                template,
                event_id=event_id,
                producer_id=producer_id,
                producer_seq=sequence,
                prev_hash=previous,
                occurred_at=clock,
                call_id=call_id,
                logical_call_id=logical_id,
                session_id=session,
                user_id=user,
                ip_address=address,
                request_model=model,
                stream=stream,
            )
            for (
                event_id, producer_id, sequence, previous, clock, _digest,
                call_id, logical_id, session, user, address, model, stream, template,
            ) in zip(*columns, self._begun[calls["route"]].tolist(), strict=True)
        ]  # fmt: skip

    def _complete(self, columns: list[list[Any]], calls: Calls) -> list[CallEvent]:
        results = [
            self._done[calls["route"] * len(_ENDS) + calls["status"]].tolist(),
            (calls["status"] == Outcome.SUCCESS).tolist(),
            name_contents(self._form, calls["content"]),
            calls["retry"].tolist(),
            calls["input_tokens"].tolist(),
            calls["output_tokens"].tolist(),
            calls["cached_tokens"].tolist(),
            np.round(calls["latency_ms"], 3).tolist(),
            np.round(calls["first_token_ms"], 3).tolist(),
        ]
        form = self._form
        return [
            replace(
                template,
                event_id=event_id,
                producer_id=producer_id,
                producer_seq=sequence,
                prev_hash=previous,
                occurred_at=clock,
                call_id=call_id,
                logical_call_id=logical_id,
                session_id=session,
                user_id=user,
                ip_address=address,
                request_model=model,
                stream=stream,
                retry_count=retry,
                response_model=model if well else None,
                usage=Usage(input_tokens=inputs, output_tokens=outputs, cache_read_tokens=cached or None)
                if well
                else None,
                latency_ms=latency_ms,
                time_to_first_token_ms=first_token_ms if stream and well else None,
                request_hash=request_hash,
                response_hash=form + digest[:32] if well else None,
            )
            for (
                event_id, producer_id, sequence, previous, clock, digest,
                call_id, logical_id, session, user, address, model, stream,
                template, well, request_hash, retry, inputs, outputs, cached, latency_ms, first_token_ms,
            ) in zip(*columns, *results, strict=True)
        ]  # fmt: skip


_MODELS: Final = to_objects([model.name for model in MODELS])
_UNSET: Final[dict[str, Any]] = {
    "schema_version": SCHEMA_VERSION,
    "event_id": "",
    "producer_id": "",
    "producer_seq": 0,
    "prev_hash": GENESIS_HASH,
    "occurred_at": _EPOCH,
    "call_id": "",
}
"""What every event must have and no template knows."""


def _describe(company: Company, form: str, route: Route) -> dict[str, Any]:
    """Return the fields that a route decides."""
    vendor = VENDORS[route.vendor]
    key = company.keys[route.key]
    return {
        "service": company.services[route.service].name,
        "environment": _ENVIRONMENT,
        "department": route.department,
        "feature": route.feature,
        "request_source": route.request_source,
        "user_agent": route.user_agent,
        "api_key_id": form + key,
        "api_key_hint": vendor.key_hint + key[-4:],
        "provider": vendor.provider,
        "server_address": vendor.server_address,
        "endpoint": vendor.endpoint,
        "operation": "chat",
    }


def _describe_ends(route: Route) -> list[dict[str, Any]]:
    """Return, by outcome, the fields that it decides."""
    vendor = VENDORS[route.vendor]
    rows = []
    for outcome in _ENDS:
        well = outcome is Outcome.SUCCESS
        http_status, error_type = _HTTP.get(outcome), _ERROR_TYPES.get(outcome)
        if outcome is Outcome.RATE_LIMITED:
            error_type = vendor.rate_limited
        if outcome is Outcome.SERVER_ERROR:
            http_status = vendor.overloaded_status
        rows.append(
            {
                "status": Status[outcome.name].value,
                "http_status_code": http_status,
                "error_type": error_type,
                "auth_method": "bearer",
                "auth_result": "failed" if outcome is Outcome.AUTH_FAILED else None,
                "http_method": "POST",
                "finish_reasons": ["stop"] if well else None,
                "usage_source": UsageSource.PROVIDER if well else UsageSource.MISSING,
            }
        )
    return rows
