"""Pulse: decides when a quiet partition gets a watermark record, so that it holds nobody back. Pure.

A record in the log, and not a clock in a reader, says that time has passed: whoever reads the log again, at whatever
speed, finds the same events late. One process pulses for the whole topic (the owner of partition 0), so that it can
tell its own records from calls by counting.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

INTERVAL_MS: Final = 1000
"""A quiet partition gets one watermark a second."""
LINGER_MS: Final = 20 * 60_000
"""Pulses go on for at least so long after the last call of the whole topic, and then stop: a system that nobody uses
writes nothing."""
RECONNECT_MS: Final = 8_000
"""After an outage no partition is taken for quiet before this: producers wait up to 5 s before they try again."""


class _Quiet(msgspec.Struct):
    end_offset: int
    since_ms: int
    pulsed_ms: int = -INTERVAL_MS


class Pulse:
    """Watches the end offsets of a topic. Feed it each observation, and tell it of each record written."""

    def __init__(self, idle_after_ms: int, linger_ms: int = LINGER_MS) -> None:
        self._idle_after_ms = idle_after_ms
        self._linger_ms = linger_ms
        self._wait_ms = 0
        self._partitions: dict[int, _Quiet] = {}
        self._last_call_ms: int | None = None

    def observe(self, now_ms: int, end_offsets: Mapping[int, int]) -> dict[int, int]:
        """Return {partition: watermark_ms} for the partitions that want a watermark record now.

        `now_ms` is the wall clock from before the offsets were asked for.
        """
        if self._note_calls(now_ms, end_offsets):
            if self._last_call_ms is None or now_ms - self._last_call_ms >= self._idle_after_ms:
                # Where one partition wakes, the others may be about to: they get their time from here on.
                for quiet in self._partitions.values():
                    quiet.since_ms = max(quiet.since_ms, now_ms)
            self._last_call_ms = now_ms
        if self._last_call_ms is None or now_ms - self._last_call_ms > self._linger_ms:
            return {}
        return {
            partition: now_ms - self._idle_after_ms
            for partition, quiet in sorted(self._partitions.items())
            if now_ms - quiet.since_ms >= self._idle_after_ms and now_ms - quiet.pulsed_ms >= INTERVAL_MS
        }

    def _note_calls(self, now_ms: int, end_offsets: Mapping[int, int]) -> bool:
        """Take in the end offsets; returns whether any partition got calls, or has some from before."""
        called = False
        for partition, end_offset in end_offsets.items():
            known = self._partitions.get(partition)
            if known is None:
                self._partitions[partition] = _Quiet(end_offset, now_ms + self._wait_ms)
                called = called or (end_offset > 0 and self._last_call_ms is None)
            elif end_offset != known.end_offset:
                known.end_offset = end_offset
                known.since_ms = now_ms
                called = True
        return called

    def wrote(self, partition: int, now_ms: int) -> None:
        """A watermark record has been written: it moves the end offset and is no call."""
        quiet = self._partitions[partition]
        quiet.end_offset += 1
        quiet.pulsed_ms = now_ms

    def lose_contact(self) -> None:
        """The broker did not answer: nothing is known to be quiet any more.

        Calls may have come meanwhile, and producers need time to bring what they have kept.
        """
        if self._partitions:
            self._wait_ms = max(0, RECONNECT_MS - self._idle_after_ms)
        self._partitions.clear()
        self._last_call_ms = None
