"""The events of a batch, producer by producer. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from operator import attrgetter
from typing import Final, NamedTuple

from tokentrail.sinks.integrity.log_rows import Link

_PRODUCER_OF: Final = attrgetter("producer_id")
_NUMBER_OF: Final = attrgetter("producer_seq")


class ProducerEvents(NamedTuple):
    """What one producer has in a batch, in the order of the batch."""

    producer_id: str
    places: list[int]
    numbers: list[int]
    """`producer_seq` of each."""


def by_producer(links: Sequence[Link | None]) -> list[ProducerEvents]:
    """Sort the links of a batch by producer; a place without a link is left out."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    if all(links):
        for at, name in enumerate(map(_PRODUCER_OF, links)):
            places[name].append(at)
    else:
        for at, link in enumerate(links):
            if link is not None:
                places[link.producer_id].append(at)
    return [ProducerEvents(name, own, [_NUMBER_OF(links[at]) for at in own]) for name, own in places.items()]
