"""Adds up what the log gained since the last checkpoint, and makes the next one of it. Pure; the clock is given."""

from collections.abc import Iterable
from datetime import datetime

from tokentrail.sinks.integrity.checkpoint import GENESIS, Checkpoint, SignedCheckpoint, sign_checkpoint
from tokentrail.sinks.integrity.log_rows import LogRows, read_link
from tokentrail.sinks.integrity.producer_events import by_producer
from tokentrail.sinks.integrity.range_tally import RangeTally, RateContents
from tokentrail.sinks.integrity.signing_keys import SigningKey


class CheckpointMaker:
    """Begins where the last checkpoint ended. `contents` may grow while rows come, before those that need it."""

    def __init__(self, topic: str, last: SignedCheckpoint | None, contents: RateContents) -> None:
        self._topic = topic
        self._contents = contents
        content = last.read() if last is not None else None
        self.number = content.number if content else 0
        """Of the last checkpoint."""
        self._previous = last.sha256 if last is not None else GENESIS
        self._tallies = {
            one.partition: RangeTally(one.partition, one.next_offset, contents)
            for one in (content.ranges if content else ())
        }

    @property
    def records(self) -> int:
        """How many the next checkpoint would sign."""
        return sum(tally.records for tally in self._tallies.values())

    def next_offset(self, partition: int) -> int:
        """Return which offset of a partition is wanted next."""
        tally = self._tallies.get(partition)
        return tally.next_offset if tally is not None else 0

    def add(self, rows: LogRows) -> None:
        """Take in rows of one partition in order of offset, each once; `next_offset` and above."""
        tally = self._tallies.get(rows.partition)
        if tally is None:
            tally = self._tallies[rows.partition] = RangeTally(rows.partition, 0, self._contents)
        tally.add(rows, by_producer([read_link(payload) for payload in rows.payloads]))

    def make(self, key: SigningKey, made_at: datetime, partitions: Iterable[int] = ()) -> SignedCheckpoint:
        """Sign what came, and begin anew behind it; `partitions` are named even if they never had a record."""
        for partition in partitions:
            self._tallies.setdefault(partition, RangeTally(partition, 0, self._contents))
        ranges = [tally.to_range() for _, tally in sorted(self._tallies.items())]
        signed = sign_checkpoint(
            Checkpoint(
                topic=self._topic,
                number=self.number + 1,
                previous_sha256=self._previous,
                made_at=made_at,
                key_id=key.public.key_id,
                ranges=ranges,
            ),
            key,
        )
        self.number += 1
        self._previous = signed.sha256
        self._tallies = {one.partition: RangeTally(one.partition, one.next_offset, self._contents) for one in ranges}
        return signed
