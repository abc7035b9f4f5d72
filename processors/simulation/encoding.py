"""Simulated batches as the records that Kafka would hold: JSON, chained by their true SHA-256."""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import cast

import msgspec
from msgspec.structs import replace

from tokentrail.processors.simulation.events import CallEvent
from tokentrail.processors.slicing import EventBatch, RecordBatch
from tokentrail.schemas.events import GENESIS_HASH


def encode_records(batches: Iterable[EventBatch]) -> Iterator[RecordBatch]:
    """Yield a record batch for each batch, in order. Pass a simulation's batches from its first one on.

    Each event's `prev_hash` becomes the SHA-256 of its producer's previous bytes where the simulation meant that; where
    an event was lost or a chain broken, it stays what no bytes hash to. About 10 µs an event.
    """
    encode = msgspec.json.Encoder().encode
    heads: dict[str, tuple[str, str]] = {}
    for batch in batches:
        payloads: list[bytes | None] = []
        for event, stand_in in zip(cast("list[CallEvent]", batch.events), batch.hashes, strict=True):
            payload = encode(_relink(event, heads))
            heads[event.producer_id] = (stand_in, sha256(payload).hexdigest())
            payloads.append(payload)
        yield RecordBatch(batch.partition, batch.offsets, batch.timestamps_ms, payloads)


def _relink(event: CallEvent, heads: dict[str, tuple[str, str]]) -> CallEvent:
    stand_in, digest = heads.get(event.producer_id, (GENESIS_HASH, GENESIS_HASH))
    return replace(event, prev_hash=digest) if event.prev_hash == stand_in else event
