"""Shipping: what the publisher's thread does for a spool. Its own directory first, then those of the dead."""

import time
from collections import Counter
from collections.abc import Callable, Iterator

from tokentrail.producers.delivery import Delivery
from tokentrail.producers.spool.adoption import Consignment, Orphan, Orphanage

_LOOK_AGAIN_S = 60.0
"""How often a process that lives looks for those that have died."""
_ENOUGH_RECORDS = 500


class Shipping:
    """Rounds of the process's own records and of an orphan's, in turn, over one connection."""

    def __init__(
        self, own: Consignment, orphanage: Orphanage, make_delivery: Callable[..., Delivery], notify: Callable[[], None]
    ) -> None:
        self._own = own
        self._orphanage = orphanage
        self._notify = notify
        self._orphan: Orphan | None = None
        self._waiting_orphans: Iterator[Orphan] = iter(())
        self._look_at_s = 0.0
        self._refused: Counter[str] = Counter()
        self.delivery = make_delivery(settle=self._on_settled, refuse=self._on_refused)
        self.published = 0
        """Own records, acknowledged."""
        self.adopted = 0
        """Orphans' records, acknowledged."""

    @property
    def dropped(self) -> Counter[str]:
        """Records that will not be published, by reason."""
        dropped = self._refused.copy()
        dropped.update({"unreadable": self._own.tail.missing, "too_old": self._orphanage.too_old})
        return dropped

    def waits(self) -> int:
        """As `Work.waits`: an orphan is worth no waiting for more."""
        if self._orphan is not None:
            return 2
        waiting = self._own.segments.committed - self._own.tail.through
        return 2 if waiting >= _ENOUGH_RECORDS else min(waiting, 1)

    async def work(self) -> float:
        """Ship a round of each; returns in how many seconds to look for the dead."""
        if not self._own.tail.is_empty:
            await self._own.ship_round(self.delivery)
            self._notify()
        if self._orphan is None and time.monotonic() >= self._look_at_s:
            self._look()
        if self._orphan is not None:
            await self._orphan.ship_round(self.delivery)
            if self._orphan.is_empty:
                self._leave_orphan()
                self._take_next_orphan()
        return max(0.0, self._look_at_s - time.monotonic())

    async def close(self) -> None:
        """Let go of connections and of the orphan that is not done."""
        self._leave_orphan()
        await self.delivery.close()

    def _look(self) -> None:
        self._waiting_orphans = self._orphanage.adopt()
        self._take_next_orphan()

    def _take_next_orphan(self) -> None:
        self._orphan = next(self._waiting_orphans, None)
        if self._orphan is None:  # only now is it known which of them are to rest a while
            pause_s = _LOOK_AGAIN_S if self._orphanage.rest_s is None else self._orphanage.rest_s
            self._look_at_s = time.monotonic() + pause_s

    def _leave_orphan(self) -> None:
        if self._orphan is not None:
            self._refused["unreadable"] += self._orphan.tail.missing
            self._orphan.leave()
            self._orphan = None

    def _on_settled(self, count: int) -> None:
        if self._orphan is None:
            self.published += count
        else:
            self.adopted += count

    def _on_refused(self, reason: str, count: int) -> None:
        self._refused[reason] += count
        self._on_settled(-count)  # it is settled as well, and not published
