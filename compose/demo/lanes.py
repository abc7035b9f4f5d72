"""The demo's producers: several recorders for each service, over one publisher; and the hour, put through them."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from tokentrail.compose.demo.history import LANES_PER_SERVICE, HistoricEvent
from tokentrail.compose.demo.tenants import TEAMS
from tokentrail.errors import BrokerError
from tokentrail.producers.publisher import Publisher
from tokentrail.producers.recorder import Recorder

_MAX_PENDING: Final = 20_000
"""Events that may wait for the broker before recording pauses: far below what a publisher holds; none is dropped."""
_LOOK_EVERY: Final = 500
_PAUSE_S: Final = 0.01
_FLUSH_S: Final = 30.0


class Lanes:
    """Recorders by service and lane. One publisher carries all, so that partitions advance together."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._recorders = {
            (team.service, lane): Recorder(publisher, service=team.service, environment="demo")
            for team in TEAMS
            for lane in range(LANES_PER_SERVICE)
        }

    def recorder(self, service: str, lane: int = 0) -> Recorder:
        """Return the recorder of a lane."""
        return self._recorders[service, lane]

    def publish(self, events: Iterable[HistoricEvent], stop: threading.Event, tell: Callable[[int], None]) -> int:
        """Record events in their order; blocks until Kafka has all. Returns how many calls were completed.

        `stop` ends it early; `tell` gets the number of events recorded so far, now and then.

        Raises:
            BrokerError: Kafka does not take them.
        """
        completed = 0
        for number, event in enumerate(events):
            recorder = self._recorders[event.service, event.lane]
            if event.outcome is None:
                recorder.started(event.call, occurred_at=event.occurred_at)
            else:
                recorder.completed(event.call, event.outcome, occurred_at=event.occurred_at)
                completed += 1
            if number % _LOOK_EVERY == 0:
                tell(number)
                while self._publisher.stats().pending > _MAX_PENDING and not stop.is_set():
                    time.sleep(_PAUSE_S)
                if stop.is_set():
                    return completed
        self.flush()
        return completed

    def flush(self) -> None:
        """Block until Kafka has every event recorded so far.

        Raises:
            BrokerError: it has not taken them in half a minute, or some were dropped.
        """
        flushed = self._publisher.flush(_FLUSH_S)
        stats = self._publisher.stats()
        if not flushed or stats.dropped:
            raise BrokerError(
                f"The demo's events do not all reach Kafka: {stats.pending} wait, dropped {stats.dropped or 'none'}"
                f"{f' ({stats.last_error})' if stats.last_error else ''}. See logs/kafka.log in the data directory."
            )
