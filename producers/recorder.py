"""The recorder: turns descriptions of calls into one producer's numbered, chained, encoded events."""

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from tokentrail.producers.calls import Call, Outcome, new_id
from tokentrail.producers.mending import MAX_EVENT_BYTES, clean, mend, shrink
from tokentrail.producers.records import EventHeaders, Outlet, Record
from tokentrail.producers.scrubbing import scrub_part
from tokentrail.producers.stats import ShimStats
from tokentrail.producers.vetting import Vetting
from tokentrail.schemas.decoding import Rejected, decode_event
from tokentrail.schemas.events import COMPLETED, GENESIS_HASH, SCHEMA_VERSION, STARTED, STATS

DROPPED_ATTRIBUTE: Final = "tokentrail.dropped_events"
"""Attribute of a completed event: how many earlier events of this producer its outlet had no room for."""


class RecorderStats(msgspec.Struct, frozen=True, kw_only=True):
    """What a recorder has done since it was made."""

    recorded: int
    """Events built, numbered and handed to the outlet."""
    dropped: int
    """Of these, refused by the outlet; each is a gap in the sequence."""
    mended: int
    """Of these, had a field outside the schema that was cut or left out."""
    truncated: int
    """Of these, were too large and lost text."""


def utc_now() -> datetime:
    """Return the time now, UTC, with microseconds."""
    return datetime.now(UTC)


class Recorder:
    """One producer: one sequence, one hash chain, one Kafka partition.

    Thread-safe and re-entrant: a call recorded by a finalizer or a signal handler in the middle of another goes behind
    it. A forked child goes on as a new producer. Blocks only as long as the outlet does; raises nothing on account of a
    call's content.
    """

    def __init__(
        self,
        outlet: Outlet,
        *,
        service: str = "",
        environment: str = "",
        clock: Callable[[], datetime] = utc_now,
        producer_id: str | None = None,
    ) -> None:
        self._outlet = outlet
        self._service = clean(service, 500)
        self._environment = clean(environment, 500)
        self._clock = clock
        self._begin(clean(producer_id, 200) if producer_id else new_id())
        _recorders.add(self)

    @property
    def producer_id(self) -> str:
        """Identity of this producer; the key of its records."""
        return self._producer_id

    def started(
        self,
        call: Call,
        *,
        occurred_at: datetime | None = None,
        occurred_at_ns: int | None = None,
        secrets: tuple[str, ...] = (),
    ) -> bool:
        """Record that a request is about to leave. `occurred_at`, or nanoseconds since 1970, overrides the clock.

        False: the outlet has dropped the event.

        `secrets` are keys that must not be in the event; where one is, it is cut out of `call`.
        """
        return self._record(STARTED, call, None, self._moment(occurred_at, occurred_at_ns), secrets)

    def completed(
        self,
        call: Call,
        outcome: Outcome,
        *,
        occurred_at: datetime | None = None,
        occurred_at_ns: int | None = None,
        secrets: tuple[str, ...] = (),
    ) -> None:
        """Record how a call ended. `occurred_at` is the moment it ended; the keywords are as in `started`."""
        self._record(COMPLETED, call, outcome, self._moment(occurred_at, occurred_at_ns), secrets)

    def stats_event(self, stats: ShimStats, *, occurred_at: datetime | None = None) -> None:
        """Record what the shims of this process have done: a link in this producer's chain like any other."""
        self._record(STATS, stats, None, self._moment(occurred_at, None), ())

    def stats(self) -> RecorderStats:
        """Return the counts so far."""
        return RecorderStats(recorded=self._seq, dropped=self._dropped, mended=self._mended, truncated=self._truncated)

    def note_dropped(self, key: bytes, count: int) -> None:
        """Take note that an outlet has dropped records that it had taken; `key` tells whose. For the same thread."""
        if key == self._key:
            self._dropped += count
            self._dropped_unreported += count

    def _begin(self, producer_id: str) -> None:
        self._producer_id = producer_id
        self._key = producer_id.encode()
        self._headers = EventHeaders(self._service, producer_id)
        identity = {"producer_id": producer_id, "service": self._service, "environment": self._environment}
        self._identity = msgspec.json.encode(identity)[1:-1].decode()
        self._lock = threading.RLock()
        self._busy = False
        self._waiting: deque[tuple[Any, ...]] = deque()
        self._second = (-1, "")
        self._vetting = Vetting()
        self._seq = 0
        self._prev_hash = GENESIS_HASH
        self._dropped = self._dropped_unreported = self._mended = self._truncated = 0

    def _become_another(self) -> None:
        """In a forked child: the lock may be held by a thread that is gone, and the sequence is the parent's."""
        self._begin(new_id())

    def _record(self, *described: Any) -> bool:
        with self._lock:
            if self._busy:  # re-entered by a finalizer or a signal handler of this very thread
                self._waiting.append(described)
                return True
            self._busy = True
            try:
                taken = self._append(*described)
                while self._waiting:
                    self._append(*self._waiting.popleft())
            finally:
                self._busy = False
            return taken

    def _append(self, event_type: str, call: Call | ShimStats, outcome: Outcome | None, *rest: Any) -> bool:
        moment, secrets = rest
        event_id = new_id()
        value = self._encode(self._head(event_type, event_id, moment), call, outcome, secrets)
        record = Record(self._key, value, self._headers.of(event_type, event_id, moment))
        # Advanced before the outlet is asked: an event it has no room for is a gap that readers can prove.
        self._seq += 1
        self._prev_hash = sha256(value).hexdigest()
        if self._outlet(record) is False:
            self._dropped += 1
            self._dropped_unreported += 1
            return False
        if outcome is not None:
            self._dropped_unreported = 0
        return True

    def _moment(self, occurred_at: datetime | None, occurred_at_ns: int | None) -> str:
        """Return the event's time, RFC 3339."""
        if occurred_at_ns is None:
            return (occurred_at or self._clock()).astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
        second, microsecond = divmod(occurred_at_ns // 1000, 1_000_000)
        if second != self._second[0]:  # a second's events share what is expensive to format
            self._second = (second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S"))
        return f"{self._second[1]}.{microsecond:06d}Z"

    def _head(self, event_type: str, event_id: str, moment: str) -> bytes:
        return (
            f'{{"type":"{event_type}","schema_version":"{SCHEMA_VERSION}","event_id":"{event_id}",'
            f'{self._identity},"producer_seq":{self._seq + 1},"prev_hash":"{self._prev_hash}","occurred_at":"{moment}",'
        ).encode()

    def _encode(self, head: bytes, call: Call | ShimStats, outcome: Outcome | None, secrets: tuple[str, ...]) -> bytes:
        """Encode; nothing that a consumer would refuse is ever sent, and nothing that holds a secret."""
        if outcome is not None and self._dropped_unreported:
            attributes = {**(outcome.attributes or {}), DROPPED_ATTRIBUTE: str(self._dropped_unreported)}
            outcome = replace(outcome, attributes=attributes)
        try:
            described = _encode_json(call)
            ended = b"" if outcome is None else _encode_json(outcome)
            value = _join(head, described, ended)
            known = isinstance(call, Call) and len(value) <= MAX_EVENT_BYTES
            if known and self._vetting.passes(described, outcome, ended, secrets):
                return value
            value = _encode_without(secrets, head, call, outcome)
            if len(value) <= MAX_EVENT_BYTES and not isinstance(decode_event(value), Rejected):
                return value
        except (TypeError, ValueError):  # lone surrogates, objects that are no JSON
            pass
        self._mended += 1
        call, outcome = mend(call), None if outcome is None else mend(outcome)
        value = _encode_without(secrets, head, call, outcome)
        if outcome is not None and len(value) > MAX_EVENT_BYTES:
            self._truncated += 1
            described = _encode_json(call)
            for smaller in shrink(outcome):
                value = _join(head, described, _encode_json(smaller))
                if len(value) <= MAX_EVENT_BYTES:
                    break
        return value


def _encode_without(secrets: tuple[str, ...], head: bytes, call: Call | ShimStats, outcome: Outcome | None) -> bytes:
    scrub_part(call, secrets)
    if outcome is not None:
        scrub_part(outcome, secrets)
    return _join(head, _encode_json(call), b"" if outcome is None else _encode_json(outcome))


def _join(head: bytes, described: bytes, ended: bytes) -> bytes:
    # Building the event's own 50-field object first would cost three times as much as splicing its parts.
    return b"".join((head, described[1:-1], b",", ended[1:])) if ended else head + described[1:]


_encode_json = msgspec.json.Encoder().encode
_recorders: weakref.WeakSet[Recorder] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for recorder in list(_recorders):
        recorder._become_another()  # noqa: SLF001 - this module's own class


os.register_at_fork(after_in_child=_after_fork_in_child)
