"""Producer links: what is missing from a producer's chain of events, or was changed in it. Pure.

Each event of a producer carries its number and the hash of the event before it. The slicer notes which stretches it saw
(`LinkTally`); `watch` puts them together (`ProducerState`). Records that come twice change nothing, and neither does
where the log is cut into seconds: a missing number is a gap once, a hash that does not fit is a break once, and a call
that was begun and never ended is lost once.
"""

from typing import Any, Final, NamedTuple

import msgspec

from tokentrail.schemas.events import CallCompleted, CallStarted, ProducerStats

GAP_SETTLES_S: Final = 60
"""A hole may be filled for so long after what came behind it: a producer's retries overtake each other."""
LOST_AFTER_S: Final = 900
"""A call that has not ended so long after it began never will: providers and clients give up sooner."""
MAX_OPEN_CALLS: Final = 10_000
"""Calls begun beyond these are not waited for."""
MAX_STRETCHES: Final = 200
"""With more holes than that, the oldest numbers missing are gaps at once."""

_DIGITS: Final = 16
"""64 bits of a hash: two have them in common by chance once in 10 ** 19 pairs."""


class Run(msgspec.Struct, array_like=True):
    """Events of one producer whose numbers follow each other."""

    first: int
    before: str
    """Hash before the first event, as that event has it; 16 digits, like the other."""
    last: int
    last_hash: str


class Links(msgspec.Struct, array_like=True, frozen=True):
    """What one second of one source partition holds of one producer."""

    runs: list[Run]
    breaks: list[int]
    """Numbers inside the runs at which the hash before does not fit."""
    opened: dict[str, int]
    """Calls that were begun and not ended, with the number of their event; negative: its successors came first."""
    closed: list[str]
    """Calls that were ended, and begun earlier."""


class LinkFindings(NamedTuple):
    """What has become certain."""

    lost_calls: int
    sequence_gaps: int
    """Events that are missing."""
    chain_breaks: int
    lost_call_ids: list[str]


class LinkTally:
    """What one second of one source partition holds of one producer; events are added in the order of the log.

    A begun call is waited for only if nothing of its producer came behind it before it did.
    """

    __slots__ = ("_breaks", "_closed", "_last_hash", "_next", "_opened", "_runs", "_top")

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self._top = Run(0, "", 0, "")
        """The run with the highest numbers; its end is kept up to date in `_next` and `_last_hash` alone."""
        self._next = 0
        self._last_hash = ""
        self._breaks: list[int] = []
        self._opened: dict[str, int] = {}
        self._closed: list[str] = []

    def add(self, event: CallStarted | CallCompleted | ProducerStats, sha256_hex: str) -> None:
        """Take in an event; `sha256_hex` is the hash of its bytes, which its successor must carry."""
        seq = event.producer_seq
        if seq == self._next:
            if event.prev_hash != self._last_hash:
                self._breaks.append(seq)
        elif seq > self._next:
            self._begin_run(event)
        else:
            self._add_behind(event, sha256_hex)
            return
        self._next = seq + 1
        self._last_hash = sha256_hex
        kind = type(event)
        if kind is CallStarted:
            self._opened[event.call_id] = seq  # type: ignore[union-attr] # a type's identity is 3 times faster to ask
        elif kind is CallCompleted:
            self._close(event.call_id)  # type: ignore[union-attr] # as above

    def freeze(self) -> Links:
        """Return what was added so far."""
        self._end_run()
        runs = [Run(run.first, run.before[:_DIGITS], run.last, run.last_hash[:_DIGITS]) for run in self._runs]
        return Links(sorted(runs, key=_first), sorted(self._breaks), dict(self._opened), list(self._closed))

    def _begin_run(self, event: CallStarted | CallCompleted | ProducerStats) -> None:
        self._end_run()
        seq = event.producer_seq
        self._top = Run(seq, event.prev_hash, seq, "")
        self._runs.append(self._top)

    def _end_run(self) -> None:
        self._top.last = self._next - 1
        self._top.last_hash = self._last_hash

    def _add_behind(self, event: CallStarted | CallCompleted | ProducerStats, sha256_hex: str) -> None:
        self._end_run()
        seq = event.producer_seq
        if any(run.first <= seq <= run.last for run in self._runs):
            return
        run = next((run for run in self._runs if seq == run.last + 1), None)
        if run is None:
            self._runs.append(Run(seq, event.prev_hash, seq, sha256_hex))
        else:
            if event.prev_hash != run.last_hash:
                self._breaks.append(seq)
            run.last = seq
            run.last_hash = sha256_hex
        if isinstance(event, CallCompleted):
            self._close(event.call_id)
        elif isinstance(event, CallStarted):
            self._opened[event.call_id] = -seq

    def _close(self, call_id: str) -> None:
        if self._opened.pop(call_id, None) is None:
            self._closed.append(call_id)


def merge_links(parts: list[Links] | list[Any]) -> Links:
    """Return the links of one producer and second from several source partitions: the same for any order.

    Each may be plain data, as msgpack gives it back.
    """
    several = [read_links(part) for part in parts]
    if len(several) == 1:
        return several[0]
    opened = sorted((seq, call_id) for links in several for call_id, seq in links.opened.items())
    return Links(
        sorted((run for links in several for run in links.runs), key=msgspec.structs.astuple),
        sorted(number for links in several for number in links.breaks),
        {call_id: seq for seq, call_id in opened},
        sorted(call_id for links in several for call_id in links.closed),
    )


def read_links(plain: Any) -> Links:
    """Return links as they were before msgpack wrote them; links themselves are returned as they are."""
    return plain if isinstance(plain, Links) else msgspec.convert(plain, Links)


class Stretch(Run):
    """A run that was put together; what is missing between it and the one before it is a hole."""

    since: int = 0
    """When something behind that hole first came."""


class OpenCall(msgspec.Struct, array_like=True):
    """A call that has begun."""

    second: int
    seq: int


class ProducerState(msgspec.Struct, array_like=True):
    """What is known of one producer's chain; seconds are given in ascending order."""

    stretches: list[Stretch] = []
    """In ascending order, never adjacent. The log may begin anywhere: nothing is missing before the first."""
    open_calls: dict[str, OpenCall] = {}
    """By call id, in the order of the seconds in which they began."""

    def apply(self, second: int, links: list[Links] | list[Any]) -> LinkFindings:
        """Take in what a second holds, and let time pass to its end; return what that made certain.

        `links`: of each source partition, in any order, also as plain data.
        """
        if not links:
            gaps, lost = self._let_pass(second)
            return LinkFindings(len(lost), gaps, 0, lost)
        gaps, lost = self._let_pass(second - 1)
        highest = self.stretches[-1].last if self.stretches else 0
        breaks = 0
        merged = merge_links(links)
        for run in merged.runs:
            breaks += self._join(second, run, merged.breaks)
        self._open_and_close(second, merged, highest)
        gaps_now, lost_now = self._let_pass(second)
        lost += lost_now
        return LinkFindings(len(lost), gaps + gaps_now, breaks, lost)

    def due(self) -> int | None:
        """Return the next second at which time alone changes something: `apply(second, [])` then. None: never."""
        moments = [stretch.since + GAP_SETTLES_S for stretch in self.stretches[1:]]
        for call in self.open_calls.values():
            moments.append(call.second + LOST_AFTER_S)
            break
        return min(moments, default=None)

    def _let_pass(self, second: int) -> tuple[int, list[str]]:
        """Let time pass to the end of `second`; return how many events are missing, and which calls are lost."""
        gaps = self._settle(second) if len(self.stretches) > 1 else 0
        return gaps, self._give_up(second) if self.open_calls else []

    def _open_and_close(self, second: int, links: Links, highest: int) -> None:
        calls = self.open_calls
        if links.runs and links.runs[0].first <= highest:
            self._close_again(links)
        for call_id, seq in links.opened.items():
            if seq > highest and len(calls) < MAX_OPEN_CALLS:
                calls[call_id] = OpenCall(second, seq)
        for call_id in links.closed:
            calls.pop(call_id, None)

    def _close_again(self, links: Links) -> None:
        """Close what was begun before, and in `links` once more, together with its end: nothing is said of it there."""
        for call_id, call in list(self.open_calls.items()):
            if call_id not in links.opened and any(run.first <= call.seq <= run.last for run in links.runs):
                del self.open_calls[call_id]

    def _give_up(self, second: int) -> list[str]:
        lost = []
        for call_id, call in self.open_calls.items():
            if call.second + LOST_AFTER_S > second:
                break
            lost.append(call_id)
        for call_id in lost:
            del self.open_calls[call_id]
        return lost

    def _join(self, second: int, run: Run, breaks: list[int]) -> int:
        """Take in a run; return how many of the places where it meets itself and others do not fit."""
        stretches = self.stretches
        if stretches and run.first == stretches[-1].last + 1:
            return self._extend(run, breaks)
        begin = len(stretches)
        while begin and stretches[begin - 1].last >= run.first - 1:
            begin -= 1
        end = begin
        while end < len(stretches) and stretches[end].first <= run.last + 1:
            end += 1
        met = stretches[begin:end]
        broken = sum(run.first < number <= run.last and not _knows(met, number) for number in breaks)
        for other in met:
            broken += other.last + 1 == run.first and other.last_hash != run.before
            broken += run.last + 1 == other.first and run.last_hash != other.before
        since = stretches[begin].since if begin < len(stretches) else second
        if begin == end == 0 and stretches:
            stretches[0].since = second  # until now, the log began there
        stretches[begin:end] = [_unite(since, [run, *met])]
        return broken

    def _extend(self, run: Run, breaks: list[int]) -> int:
        """Take in a run that begins where everything known ends: what `_join` does, for nearly all runs."""
        top = self.stretches[-1]
        broken = int(top.last_hash != run.before)
        if breaks:
            broken += sum(run.first < number <= run.last for number in breaks)
        top.last, top.last_hash = run.last, run.last_hash
        return broken

    def _settle(self, second: int) -> int:
        """Close the holes that nobody filled in time, and those too many; return how many events are missing."""
        missing = 0
        for index in range(len(self.stretches) - 1, 0, -1):
            if self.stretches[index].since + GAP_SETTLES_S <= second:
                missing += self._close_hole(index)
        while len(self.stretches) > MAX_STRETCHES:
            missing += self._close_hole(1)
        return missing

    def _close_hole(self, index: int) -> int:
        below, above = self.stretches[index - 1 : index + 1]
        missing = above.first - below.last - 1
        below.last, below.last_hash = above.last, above.last_hash
        del self.stretches[index]
        return missing


def _first(run: Run) -> int:
    return run.first


def _knows(stretches: list[Stretch], number: int) -> bool:
    """Whether it was seen already how this number meets the one before it."""
    return any(stretch.first < number <= stretch.last for stretch in stretches)


def _unite(since: int, runs: list[Run]) -> Stretch:
    lowest = min(runs, key=_first)
    highest = max(runs, key=lambda run: run.last)
    return Stretch(lowest.first, lowest.before, highest.last, highest.last_hash, since)
