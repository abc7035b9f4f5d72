"""The sifter: takes in the records of some partitions once, and says what a sieve must know of them. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256

import msgspec

from tokentrail.processors.call_cost import CostMeter
from tokentrail.processors.open_seconds import OpenSecond
from tokentrail.processors.replay_parts import join_spans
from tokentrail.processors.sieve.admission import code_of
from tokentrail.processors.sieve.bounds import ViewSieve
from tokentrail.processors.sieve.chains import ChainCheck, find_broken
from tokentrail.processors.sieve.finding import LogFacts
from tokentrail.processors.sieve.tally import SieveTally, Write
from tokentrail.processors.slicing import EventBatch, PartitionSlicer, RecordBatch
from tokentrail.processors.tally_plan import plan_tallies
from tokentrail.processors.views import compile_key
from tokentrail.schemas.decoding import Rejected, decode_event
from tokentrail.schemas.events import Event


class ShareFacts(msgspec.Struct, array_like=True):
    """What is known of some partitions."""

    last_offsets: dict[int, int]
    span_s: tuple[int, int]
    """The first and the last second of any call; -1: there is none."""
    end_s: int
    """The newest second in which a record arrived; -1: there is none."""
    skewed: dict[str, dict[int, int]]
    """View → code of an entity → how many of its calls were far off the time of their arrival."""
    open_since: dict[str, int]
    """As `tokentrail.processors.sieve.chains.ChainCheck` says it."""


class Sifter:
    """Adds up the calls that slicing would count, and checks the chains of producers."""

    def __init__(
        self,
        sieves: Sequence[ViewSieve],
        partitions: Iterable[int],
        allowed_lateness_ms: int,
        cost: CostMeter | None,
        write: Write,
    ) -> None:
        plan = msgspec.structs.replace(plan_tallies(()), skewed=(any(sieve.skewed for sieve in sieves),))
        self._slicers = {p: PartitionSlicer(p, plan, allowed_lateness_ms) for p in partitions}
        self._keys = {view.name: compile_key(view) for view in (sieve.plan.view for sieve in sieves if sieve.skewed)}
        self._skewed: dict[str, Counter[int]] = {name: Counter() for name in self._keys}
        self._tally = SieveTally(sieves, cost, write)
        self._chains = ChainCheck() if any(sieve.chained for sieve in sieves) else None
        self._last_offsets: dict[int, int] = {}
        self._newest_ms = -1

    def add(self, batch: RecordBatch) -> None:
        """Take in a batch; those of one partition in their order."""
        events = [decode_event(payload) for payload in batch.payloads]
        if self._chains is not None:
            hashes = [sha256(payload or b"").hexdigest() for payload in batch.payloads]
            self._chains.add(batch.partition, batch.timestamps_ms, events, hashes)
        self._slice(_leave_out_rejected(batch, events))
        self._note_end(batch)

    def add_events(self, batch: EventBatch) -> None:
        """Take in a batch of decoded events in the same way."""
        if not batch.events:
            return
        if self._chains is not None:
            self._chains.add(batch.partition, batch.timestamps_ms, batch.events, batch.hashes)
        self._slice(batch)
        self._note_end(batch)

    def finish(self) -> ShareFacts:
        """Hand on what is left, and return what is known."""
        for slicer in self._slicers.values():
            self._release(slicer.release(everything=True))
        self._tally.flush()
        return ShareFacts(
            self._last_offsets,
            self._tally.span_s or (-1, -1),
            self._newest_ms // 1000 if self._newest_ms >= 0 else -1,
            {name: dict(counts) for name, counts in self._skewed.items()},
            self._chains.open_since() if self._chains is not None else {},
        )

    def _note_end(self, batch: RecordBatch | EventBatch) -> None:
        # Several files may have the same partition, each with offsets of its own.
        self._last_offsets[batch.partition] = max([self._last_offsets.get(batch.partition, -1), *batch.offsets])
        self._newest_ms = max([self._newest_ms, *batch.timestamps_ms])

    def _slice(self, batch: EventBatch) -> None:
        slicer = self._slicers[batch.partition]
        slicer.add_events(batch)
        self._release(slicer.release())

    def _release(self, seconds: Iterable[OpenSecond]) -> None:
        for second in seconds:
            self._tally.add(second.calls)
            for name, key_of in self._keys.items() if second.skewed else ():
                keys = [key_of(event) for event in second.skewed]  # type: ignore[arg-type] # the rule check allows only fields that both kinds have
                self._skewed[name].update(code_of(key) for key in keys if key)


def _leave_out_rejected(batch: RecordBatch, events: list[Event | Rejected]) -> EventBatch:
    kept = [event for event in events if not isinstance(event, Rejected)]
    offsets, timestamps_ms = batch.offsets, batch.timestamps_ms
    if len(kept) < len(events):
        read = [number for number, event in enumerate(events) if not isinstance(event, Rejected)]
        offsets = [offsets[number] for number in read]
        timestamps_ms = [timestamps_ms[number] for number in read]
    return EventBatch(batch.partition, offsets, timestamps_ms, kept, ())


def join_facts(shares: Sequence[ShareFacts], through: int) -> LogFacts:
    """Return what is known of a whole log, which is replayed up to a second, or to its own end if that is later."""
    span_s = join_spans([share.span_s for share in shares]) or (0, 0)
    end_s = max([through, span_s[1], *(share.end_s for share in shares)])
    broken = find_broken((share.open_since for share in shares), end_s)
    skewed: dict[str, Counter[int]] = {}
    for share in shares:
        for name, counts in share.skewed.items():
            skewed.setdefault(name, Counter()).update(counts)
    producers = len({producer for share in shares for producer in share.open_since})
    return LogFacts(span_s, end_s, skewed, producers, frozenset(map(code_of, broken)))
