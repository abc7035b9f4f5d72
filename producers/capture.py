"""Between the caller's thread and the scribe's: takes what is seen of a call, and has it described and recorded."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tokentrail.producers.exchange import Exchange
from tokentrail.producers.guard import guarded
from tokentrail.producers.strictness import put_surely

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokentrail.producers.answering import AnswerReading
    from tokentrail.producers.describing import Describer, Description
    from tokentrail.producers.recorder import Recorder
    from tokentrail.producers.scribe import Scribe

_DESCRIBING: Final = guarded("describing an answer")
_rehearsed = False


class Capture:
    """Records attempts. One per client; thread-safe.

    `begin`, and everything that is done with the exchange it returns, takes microseconds of the caller's thread: bodies
    are read, texts redacted and events built by the scribe.
    """

    def __init__(
        self,
        recorder: Callable[[], Recorder],
        describer: Callable[[], Describer],
        scribe: Callable[[], Scribe],
        *,
        strict: bool = False,
    ) -> None:
        self._find_recorder = recorder
        self._make_describer = describer
        self._find_scribe = scribe
        self.strict = strict
        """True: a call whose start cannot be recorded is not to be made; see `strictness`."""
        self._describer: Describer | None = None

    def warm_up(self) -> None:
        """Have the scribe import what the first call needs, so that it is recorded as soon as any other."""
        self._find_scribe().put(self._warm_up)

    def begin(self, method: str, host: str, port: int | None, target: bytes, headers: Any, body: Any) -> Exchange:  # noqa: PLR0913, PLR0917 - as a request line has them
        """Record that a request is about to leave, and return its exchange."""
        exchange = Exchange(self, method, host, port, target, headers, body)
        if self.strict:
            exchange.recorded = put_surely(self._find_scribe(), partial(self._write_start, exchange))
            return exchange
        self._put(self._write_start, exchange, exchange.let_go)
        return exchange

    def read_on(self, exchange: Exchange, pieces: list[bytes], marks: list[float], piece_bytes: int) -> bool:
        """Have the scribe read so much of an answer that goes on. False: it has too much to do already."""
        return self._find_scribe().put(partial(self._read_on, exchange, pieces, marks), piece_bytes)

    def finish(self, exchange: Exchange) -> None:
        """Record how the exchange has ended."""
        self._put(self._write_end, exchange, exchange.lose_pieces)  # the request may still wait to be described

    def _put(self, write: Callable[[Exchange], object], exchange: Exchange, lighten: Callable[[], None]) -> None:
        scribe, held_bytes = self._find_scribe(), exchange.held_bytes()
        if scribe.put(partial(write, exchange), held_bytes):
            return
        lighten()
        if held_bytes:  # there may be room for the event without what was said
            scribe.put(partial(write, exchange))

    def _warm_up(self) -> None:
        global _rehearsed  # noqa: PLW0603 - what is imported is a fact about the process
        describer = self._prepare()
        if not _rehearsed:
            from tokentrail.producers.rehearsal import rehearse

            _rehearsed = True
            rehearse(describer)

    def _prepare(self) -> Describer:
        if self._describer is None:  # in the scribe's thread, where no call waits: this brings the wire formats with it
            self._describer = self._make_describer()
        return self._describer

    def _write_start(self, exchange: Exchange) -> bool:
        describer = self._prepare()
        try:
            description = describer.describe(exchange)
        finally:
            exchange.previous = None  # or every exchange of a thread would hang on the one before it
        recorder = self._find_recorder()
        description.recorder, description.producer_id = recorder, recorder.producer_id
        exchange.description = description
        return recorder.started(description.call, occurred_at_ns=exchange.began_ns, secrets=description.secrets)

    def _read_on(self, exchange: Exchange, pieces: list[bytes], marks: list[float]) -> None:
        reading = self._reading(exchange)
        if reading is not None:
            reading.take(pieces, marks)

    def _write_end(self, exchange: Exchange) -> None:
        description: Description | None = exchange.description
        if description is None or description.producer_id != description.recorder.producer_id:
            exchange.let_go()  # the start was not described, was dropped, or is the parent's whose fork we are
            return
        outcome = description.outcome
        with _DESCRIBING:
            reading = self._reading(exchange)
            if reading is not None:
                reading.take(exchange.pieces, exchange.marks)
                reading.conclude(exchange)
        exchange.let_go()
        description.answer = None
        latency_ns = int((exchange.ended - exchange.began) * 1e9)
        description.recorder.completed(
            description.call, outcome, occurred_at_ns=exchange.began_ns + latency_ns, secrets=description.secrets
        )

    def _reading(self, exchange: Exchange) -> AnswerReading | None:
        description: Description | None = exchange.description
        if description is None or self._describer is None:
            return None
        if description.answer is None:
            description.answer = self._describer.begin_reading(exchange, description)
        reading: AnswerReading = description.answer
        return reading
