"""What became of records whose sending was cut short: looked up in the topic, so that none is sent twice."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from tokentrail.producers.records import Record

_CLOCK_SLACK_S: Final = 3600.0
"""How far the broker's clock may be off this machine's."""
_READ_TIMEOUT_S: Final = 60.0
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

    consumer = AIOKafkaConsumer(**options, enable_auto_commit=False, fetch_max_wait_ms=100, client_id="tokentrail")
    try:
        await asyncio.wait_for(consumer.start(), _READ_TIMEOUT_S)
        return {
            partition: await _leave_out(consumer, topic, partition, records, standing)
            if partition in standing.offsets or standing.since_s is not None
            else records
            for partition, records in lanes.items()
        }
    except TopicAuthorizationFailedError:
        _log.warning(
            "This client may not read %s: events that were on their way when a process or a connection broke off are "
            "sent again, and some may stand there twice. Allow it to read the topic.", topic,
        )  # fmt: skip
        return dict(lanes)
    finally:
        await consumer.stop()


async def _leave_out(
    consumer: Any, topic: str, partition: int, records: list[Record], standing: Standing
) -> list[Record]:
    from aiokafka.structs import TopicPartition

    place = TopicPartition(topic, partition)
    begin, end = await _find_bounds(consumer, place, standing)
    wanted = Counter((record.key, record.value) for record in records)
    keys = {record.key for record in records}
    landed: Counter[tuple[bytes, bytes]] = Counter()
    consumer.assign([place])
    consumer.seek(place, begin)  # at once: else it begins to wait at the end for what comes next
    deadline_s = time.monotonic() + _READ_TIMEOUT_S
    while await consumer.position(place) < end and landed != wanted:
        for found in (await consumer.getmany(place, timeout_ms=1000)).get(place, ()):
            deadline_s = time.monotonic() + _READ_TIMEOUT_S
            if found.key in keys and (found.key, found.value) in wanted:
                landed[found.key, found.value] += 1
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"partition {partition} of {topic} cannot be read up to {end}")
    standing.move({partition: end - 1})
    rest = []
    for record in records:
        if landed[record.key, record.value]:
            landed[record.key, record.value] -= 1
        else:
            rest.append(record)
    return rest


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
