"""The frames of `llm.slices` (msgpack): one-second tallies of one source partition, on their way to `watch`."""

from typing import Final

import msgspec

FRAME_VERSION: Final = 1
METRICS: Final = ("calls", "errors", "input_tokens", "output_tokens")
"""What is tallied, in the order of `Slice.tally`."""


class Slice(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One second of one entity in one source partition. Closed: it never changes again."""

    second: int
    """Event time, seconds since the epoch; covers [second, second + 1)."""
    grouping: int
    """Index into the frame's `groupings`."""
    entity: str
    tally: tuple[int, int, int, int]
    largest_call_id: str
    """The call with the most tokens in this second: evidence for token alerts."""
    largest_call_tokens: int
    failed_call_id: str
    """The first failed call of this second, or empty: evidence for error alerts."""


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
    groupings: tuple[str, ...]
    """Names of the groupings used, e.g. `user_id` or `department+request_model`."""
    slices: tuple[Slice, ...]


encode_frame = msgspec.msgpack.Encoder().encode
decode_frame = msgspec.msgpack.Decoder(SliceFrame).decode
