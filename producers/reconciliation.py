"""What became of records whose sending was cut short: looked up in the topic, so that none is sent twice."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from tokentrail.producers.records import Record

_CLOCK_SLACK_S: Final = 3600.0
"""How far the broker's clock may be off this machine's."""
_READ_TIMEOUT_S: Final = 60.0
"""Without any progress."""
_STOP_TIMEOUT_S: Final = 5.0
_END: Final = -1
"""ListOffsets' timestamp for the end of a partition: https://kafka.apache.org/protocol#The_Messages_ListOffsets."""
_log = logging.getLogger("tokentrail")


class Standing:
    """Where the records of one process stand in the topic."""

    def __init__(
        self,
        offsets: Mapping[int, int] | None = None,
        *,
        uncertain: bool = False,
        since_s: float | None = None,
        until_s: float | None = None,
        save: Callable[[], None] = lambda: None,
    ) -> None:
        self.offsets = dict(offsets or {})
        """Partition → an offset that everything not acknowledged is behind. A partition not in it was never sent to."""
        self.uncertain = uncertain
        """Whether records that are still to be sent may be in the topic."""
        self.since_s = since_s
        """With `offsets` lost: nothing was sent before this moment."""
        self.until_s = until_s
        """Nothing was sent after this moment; None: it may have been."""
        self.save = save
        """Called before a partition is sent to for the first time, with its present end among `offsets`."""

    def move(self, offsets: Mapping[int, int]) -> None:
        """Note that everything up to these offsets is accounted for."""
        for partition, offset in offsets.items():
            self.offsets[partition] = max(offset, self.offsets.get(partition, -1))


async def list_ends(client: Any, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    """Return the offset that each partition's next record will have; one request a leader.

    Raises:
        aiokafka.errors.KafkaError: a leader cannot be asked.
    """
    from aiokafka.errors import LeaderNotAvailableError, for_code
    from aiokafka.protocol.offset import OffsetRequest
    from aiokafka.structs import TopicPartition

    by_leader: dict[int, list[tuple[int, int]]] = {}
    for partition in partitions:
        leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
        if leader is None or leader < 0:
            client.force_metadata_update()
            raise LeaderNotAvailableError(f"partition {partition} of {topic} has no leader")
        by_leader.setdefault(leader, []).append((partition, _END))
    ends: dict[int, int] = {}
    for leader, asked in by_leader.items():
        response = await client.send(leader, OffsetRequest(-1, 0, [(topic, asked)]))
        for _, answers in response.topics:
            for partition, code, *answer in answers:
                if code:
                    client.force_metadata_update()
                    raise for_code(code)
                ends[partition] = answer[-1] if response.API_VERSION else answer[0][0]
    return ends


async def without_landed(
    options: dict[str, Any], topic: str, lanes: Mapping[int, list[Record]], standing: Standing
) -> dict[int, list[Record]]:
    """Return each partition's records without those that are in it; moves `standing` to where it has read.

    A partition that was never sent to is not looked at. Others are read from where the process stood to the end; for a
    dead process, to where its last requests must have landed. A client that may write but not read gets all records
    back, with a warning in the log.

    Raises:
        aiokafka.errors.KafkaError, OSError, TimeoutError: the topic cannot be read now.
    """
    from aiokafka import AIOKafkaConsumer
    from aiokafka.errors import TopicAuthorizationFailedError

    looked_at = {
        partition: records
        for partition, records in lanes.items()
        if partition in standing.offsets or standing.since_s is not None
    }
    if not looked_at:
        return dict(lanes)
    consumer = AIOKafkaConsumer(**options, enable_auto_commit=False, fetch_max_wait_ms=100, client_id="tokentrail")
    try:
        await asyncio.wait_for(consumer.start(), _READ_TIMEOUT_S)
        return {**lanes, **await _look(consumer, topic, looked_at, standing)}
    except TopicAuthorizationFailedError:
        _log.warning(
            "This client may not read %s: events that were on their way when a process or a connection broke off are "
            "sent again, and some may stand there twice. Allow it to read the topic.", topic,
        )  # fmt: skip
        return dict(lanes)
    finally:
        await _stop(consumer)


async def _look(
    consumer: Any, topic: str, lanes: Mapping[int, list[Record]], standing: Standing
) -> dict[int, list[Record]]:
    from aiokafka.structs import TopicPartition

    places = {partition: TopicPartition(topic, partition) for partition in lanes}
    bounds = {partition: await _find_bounds(consumer, place, standing) for partition, place in places.items()}
    # Once for all: a consumer that is stopped soon after it was assigned something else may never end.
    consumer.assign(list(places.values()))
    for partition, (begin, _) in bounds.items():
        consumer.seek(places[partition], begin)  # at once: else it begins to wait at the end for what comes next
    rest: dict[int, list[Record]] = {}
    for partition, records in lanes.items():
        landed = await _read_landed(consumer, places[partition], bounds[partition][1], records)
        rest[partition] = _leave_out(records, landed)
        standing.move({partition: bounds[partition][1] - 1})
    return rest


async def _read_landed(consumer: Any, place: Any, end: int, records: list[Record]) -> Counter[tuple[bytes, bytes]]:
    """Read a partition up to `end`; return which of the records are in it, and how often."""
    wanted = Counter((record.key, record.value) for record in records)
    keys = {record.key for record in records}
    landed: Counter[tuple[bytes, bytes]] = Counter()
    async with asyncio.timeout(_READ_TIMEOUT_S) as patience:
        while await consumer.position(place) < end and landed != wanted:
            read = (await consumer.getmany(place, timeout_ms=1000)).get(place, ())
            if read:
                patience.reschedule(asyncio.get_running_loop().time() + _READ_TIMEOUT_S)
            for found in read:
                if found.key in keys and (found.key, found.value) in wanted:
                    landed[found.key, found.value] += 1
    return landed


def _leave_out(records: list[Record], landed: Counter[tuple[bytes, bytes]]) -> list[Record]:
    rest = []
    for record in records:
        if landed[record.key, record.value]:
            landed[record.key, record.value] -= 1
        else:
            rest.append(record)
    return rest


async def _stop(consumer: Any) -> None:
    try:
        await asyncio.wait_for(consumer.stop(), _STOP_TIMEOUT_S)
    except TimeoutError:
        await consumer._client.close()  # noqa: SLF001 - what stop() would have done last


async def _find_bounds(consumer: Any, place: Any, standing: Standing) -> tuple[int, int]:
    first, end = (await consumer.beginning_offsets([place]))[place], (await consumer.end_offsets([place]))[place]
    if place.partition in standing.offsets:
        begin = standing.offsets[place.partition] + 1
    else:
        begin = await _offset_at(consumer, place, (standing.since_s or 0) - _CLOCK_SLACK_S, end)
    if standing.until_s is not None:
        end = await _offset_at(consumer, place, standing.until_s + _CLOCK_SLACK_S, end)
    # A topic that was made anew has lower offsets than the one that is remembered.
    return (first if begin > end else max(begin, first)), end


async def _offset_at(consumer: Any, place: Any, moment_s: float, otherwise: int) -> int:
    found = (await consumer.offsets_for_times({place: max(0, int(moment_s * 1000))}))[place]
    return otherwise if found is None else int(found.offset)
