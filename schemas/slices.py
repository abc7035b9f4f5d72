"""The frames of `llm.slices` (msgpack): one-second tallies of one source partition, on their way to `watch`."""

from typing import Any, Final

import msgspec

FRAME_VERSION: Final = 2
SUMS: Final = (
    "calls", "retries", "errors", "rate_limited", "auth_failures", "timeouts", "connection_errors", "server_errors",
    "client_errors", "aborted", "input_tokens", "output_tokens", "cache_read_tokens", "first_attempts", "cost_nano_usd",
    "clock_skewed",
)  # fmt: skip
"""What every row adds up, in the order of `Row.sums`; whole numbers, so that any order of adding gives the same."""

Sums = tuple[int, ...]


class Row(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What some calls add up to. Slices of one call in several views share one row."""

    sums: Sums
    largest_call_tokens: int
    largest_call_id: str
    """The call with the most tokens: evidence for most alerts."""
    failed_call_id: str
    """The first failed call, or empty: evidence for error alerts."""


class Slice(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One second of one entity of one view in one source partition. Closed: it never changes again."""

    second: int
    """Event time, seconds since the epoch; covers [second, second + 1). Arrival time for what has no event time."""
    view: int
    """Index into the frame's `views`."""
    entity: str
    row: int
    """Index into the frame's `rows`."""
    extras: tuple[Any, ...] | None = None
    """What rows cannot say, one for each of the view's `extras`: `tokentrail.processors.extras`."""


class FrameView(msgspec.Struct, array_like=True, frozen=True):
    """A view as frames name it: what is grouped and filtered, and which extras its slices carry."""

    name: str
    extras: tuple[str, ...]


class SliceFrame(msgspec.Struct, array_like=True, frozen=True):
    """All slices that one source partition closed at once for one destination partition; empty ones carry time only.

    A frame may be sent twice: `watch` applies only seconds above the last `closed_through` it saw from that source.
    """

    version: int
    source_partition: int
    source_partitions: int
    """How many source partitions there are: `watch` waits for all of them."""
    closed_through: int
    """Every second up to and including this one is complete for this source partition."""
    views: tuple[FrameView, ...]
    rows: tuple[Row, ...]
    slices: tuple[Slice, ...]
    opened: int = -1
    """The first of these seconds in which the source had anything, for whichever destination; -1: it had nothing."""


encode_frame = msgspec.msgpack.Encoder().encode
decode_frame = msgspec.msgpack.Decoder(SliceFrame).decode
