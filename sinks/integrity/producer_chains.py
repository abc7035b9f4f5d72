"""Follows the chains of all producers through one partition of a log, in the order of the log. Pure."""

from collections.abc import Sequence
from itertools import islice
from operator import attrgetter
from typing import Final, NamedTuple

from tokentrail.schemas.events import GENESIS_HASH
from tokentrail.sinks.integrity.found import Found, What
from tokentrail.sinks.integrity.log_rows import Link
from tokentrail.sinks.integrity.producer_events import ProducerEvents

REMEMBERED: Final = 512
"""Of each producer, so many events are known by their hash when one comes again."""
_PREVIOUS_OF: Final = attrgetter("prev_hash")
_offset_of: Final = attrgetter("offset")


class Head(NamedTuple):
    """The last event of a producer so far."""

    seq: int
    sha256_hex: str
    offset: int


class Beginning(NamedTuple):
    """The first event of a producer here, where it is not the producer's first one."""

    partition: int
    offset: int
    producer_id: str
    seq: int
    prev_hash: str


class ProducerChains:
    """Says at each event whether it follows the one before it."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self.heads: dict[str, Head] = {}
        self.beginnings: list[Beginning] = []
        """Whether something is missing before them, only who knows the other partitions can say."""
        self._hashes: dict[str, dict[int, str]] = {}

    def add(self, offset: int, link: Link, sha256_hex: str) -> Found | None:
        """Take in an event; return what is wrong with its place."""
        producer, seq = link.producer_id, link.producer_seq
        head = self.heads.get(producer)
        hashes = self._hashes.setdefault(producer, {})
        if head is None:
            hashes[seq] = sha256_hex
            self.heads[producer] = Head(seq, sha256_hex, offset)
            if seq > 1:
                self.beginnings.append(Beginning(self._partition, offset, producer, seq, link.prev_hash))
            elif link.prev_hash != GENESIS_HASH:
                return self._say(What.CHAIN_BROKEN, offset, f"the first event of producer {producer} names one before")
            return None
        if seq <= head.seq:
            return self._come_again(offset, link, sha256_hex, head)
        hashes[seq] = sha256_hex
        if len(hashes) > REMEMBERED:
            del hashes[next(iter(hashes))]
        self.heads[producer] = Head(seq, sha256_hex, offset)
        if seq > head.seq + 1:
            missing = _numbers(head.seq + 1, seq - 1)
            return self._say(What.GAP, offset, f"{missing} of producer {producer} missing before it")
        if link.prev_hash != head.sha256_hex:
            detail = f"event {seq} of producer {producer} is not chained to the one at offset {head.offset}"
            return self._say(What.CHAIN_BROKEN, offset, detail)
        return None

    def extend(
        self,
        offsets: Sequence[int],
        links: Sequence[Link | None],
        digests: Sequence[bytes],
        batch: list[ProducerEvents],
    ) -> list[Found]:
        """Take in a batch, as `add` does event by event; return what is wrong, in order of offset."""
        hexes = [digest.hex() for digest in digests]
        found: list[Found] = []
        for one in batch:
            begin = 0
            if one.producer_id not in self.heads:
                begin = 1
                found += self._add_each(one.places[:1], offsets, links, hexes)
            if not self._follows(one, begin, offsets, links, hexes):
                found += self._add_each(one.places[begin:], offsets, links, hexes)
        return sorted(found, key=_offset_of) if len(batch) > 1 else found

    def _add_each(
        self, places: Sequence[int], offsets: Sequence[int], links: Sequence[Link | None], hexes: Sequence[str]
    ) -> list[Found]:
        events = ((offsets[at], link, hexes[at]) for at in places if (link := links[at]) is not None)
        return [wrong for event in events if (wrong := self.add(*event)) is not None]

    def _follows(
        self,
        one: ProducerEvents,
        begin: int,
        offsets: Sequence[int],
        links: Sequence[Link | None],
        hexes: Sequence[str],
    ) -> bool:
        """Take in a producer's events where nothing is wrong with them, which is cheaper together than one by one."""
        head, places, numbers = self.heads[one.producer_id], one.places[begin:], one.numbers[begin:]
        if numbers != list(range(head.seq + 1, head.seq + 1 + len(places))):
            return False
        own = [hexes[at] for at in places]
        if [head.sha256_hex, *own][: len(own)] != [_PREVIOUS_OF(links[at]) for at in places]:
            return False
        if places:
            hashes = self._hashes[one.producer_id]
            hashes.update(zip(numbers[-REMEMBERED:], own[-REMEMBERED:], strict=True))
            for number in list(islice(hashes, max(0, len(hashes) - REMEMBERED))):
                del hashes[number]
            self.heads[one.producer_id] = Head(numbers[-1], own[-1], offsets[places[-1]])
        return True

    def _come_again(self, offset: int, link: Link, sha256_hex: str, head: Head) -> Found:
        event = f"event {link.producer_seq} of producer {link.producer_id}"
        known = self._hashes[link.producer_id].get(link.producer_seq)
        if known == sha256_hex:
            return self._say(What.REPEATED, offset, f"{event} comes again, the same", note=True)
        if known is not None:
            return self._say(What.ADDED, offset, f"{event} comes again, with other content")
        return self._say(What.REORDERED, offset, f"{event} comes behind event {head.seq}, at offset {head.offset}")

    def _say(self, what: What, offset: int, detail: str, *, note: bool = False) -> Found:
        return Found(what=what, where="event_log", partition=self._partition, offset=offset, detail=detail, note=note)


def check_beginnings(beginnings: list[Beginning], heads: dict[int, dict[str, Head]]) -> list[Found]:
    """Say which producers' first events here follow no event of theirs in another partition.

    `heads`: by partition. A topic that was given more partitions sends a producer's events elsewhere from then on.
    """
    ends = {(producer, head.seq, head.sha256_hex) for by_id in heads.values() for producer, head in by_id.items()}
    return [
        Found(
            what=What.GAP,
            where="event_log",
            partition=one.partition,
            offset=one.offset,
            detail=f"{_numbers(1, one.seq - 1)} of producer {one.producer_id} missing before it",
        )
        for one in beginnings
        if (one.producer_id, one.seq - 1, one.prev_hash) not in ends
    ]


def _numbers(first: int, last: int) -> str:
    return f"event {first}" if first == last else f"events {first}-{last}"
