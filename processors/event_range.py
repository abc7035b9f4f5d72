"""Event ranges: which records of a log lie in a stretch of event time. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from tokentrail.processors.slicing import MAX_AHEAD_S, MAX_BEHIND_S, RecordBatch

_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class _Times(msgspec.Struct, gc=False):
    occurred_at: datetime | None = None
    watermark: datetime | None = None


_decode_times = msgspec.json.Decoder(_Times).decode


class EventRange(msgspec.Struct, frozen=True):
    """`since` <= event time < `until`; a watermark record's time is its watermark."""

    since: datetime
    until: datetime

    @property
    def appended_since_ms(self) -> int:
        """What the broker got before this is left out: its clock is suspect."""
        return to_microseconds(self.since) // 1000 - MAX_AHEAD_S * 1000

    @property
    def appended_until_ms(self) -> int:
        """What the broker got after this is left out: its clock is suspect."""
        return to_microseconds(self.until) // 1000 + MAX_BEHIND_S * 1000

    def holds(self, moment: datetime | None) -> bool:
        """Whether a moment lies in the range; a record without one never does."""
        return moment is not None and self.since <= moment < self.until

    def holds_record(self, payload: bytes | None) -> bool:
        """Whether a record's event lies in the range."""
        return self.holds(read_time(payload))

    def select(self, batch: RecordBatch) -> RecordBatch:
        """Return the records of a batch that lie in the range; unreadable ones do not."""
        kept = [
            index
            for index, (appended_ms, payload) in enumerate(zip(batch.timestamps_ms, batch.payloads, strict=True))
            if self.appended_since_ms <= appended_ms <= self.appended_until_ms and self.holds_record(payload)
        ]
        if len(kept) == len(batch.offsets):
            return batch
        columns = (batch.offsets, batch.timestamps_ms, batch.payloads)
        return RecordBatch(batch.partition, *([column[index] for index in kept] for column in columns))  # type: ignore[arg-type]  # mypy does not see three lists


def read_time(payload: bytes | None) -> datetime | None:
    """Return when an event occurred, or what a watermark record promises; None if neither can be read."""
    if not payload:
        return None
    try:
        times = _decode_times(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    moment = times.occurred_at or times.watermark
    return moment if moment is None or moment.tzinfo else None


def to_microseconds(moment: datetime) -> int:
    """Return microseconds since the epoch; a time without a zone is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MICROSECOND
