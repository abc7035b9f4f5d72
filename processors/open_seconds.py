"""Open seconds: the calls of a second that is not over yet, and the slices that become of them when it is. Pure.

Calls are kept as they come and grouped all at once: a second's calls by one view in a few passes of C cost a third of
what it takes to find the place of each call in each view as it comes.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from tokentrail.processors.call_cost import CostMeter
from tokentrail.processors.call_facts import NOTHING, add_rows, tally_call, tally_skew
from tokentrail.processors.extras import EXTRAS
from tokentrail.processors.sieve.admission import Survivors, admit_chains, admit_survivors
from tokentrail.processors.tally_plan import TallyPlan
from tokentrail.processors.views import KeyOf, compile_key
from tokentrail.schemas.events import CallCompleted, CallStarted
from tokentrail.schemas.slices import Row, Slice

if TYPE_CHECKING:
    from tokentrail.processors.producer_links import LinkTally

LINKS: Final = "links"

_MANY: Final = 4
"""With so many rows a key, hardly any has only one."""
_Members = dict[str, int | list[int]]
"""Entity → the number of its only row, or those of all its rows."""


class Tallying:
    """A tally plan made ready; with `survivors` only entities for which a rule may fire get slices."""

    def __init__(self, plan: TallyPlan, cost: CostMeter | None, survivors: Survivors | None = None) -> None:
        self.views = plan.views
        self.all_keys = [compile_key(view) for view in plan.views]
        self.keys = self.all_keys
        self.idle = [False] * len(plan.views)
        """Views none of whose entities get slices."""
        self.admits_chain: Callable[[str], bool] | None = None
        """Whether a producer's chain is to be noted; None: all are."""
        self.admitting: list[KeyOf] | None = None
        """The keys of which a call must have one, to be kept; None: every call is."""
        if survivors is not None:
            left = [survivors[view.name] for view in plan.views]
            self.keys = [admit_survivors(key, view) for key, view in zip(self.all_keys, left, strict=True)]
            self.idle = [not view.every and not view.some for view in left]
            linked = [view for view, extras in zip(left, plan.extras, strict=True) if LINKS in extras]
            self.admits_chain = admit_chains(linked)
            self.admitting = [key for key, idle in zip(self.keys, self.idle, strict=True) if not idle]
        self.filtered = [bool(view.where or view.where_not) for view in plan.views]
        self.skewed = plan.skewed
        self.extras = plan.extras
        self.wants_skewed = any(plan.skewed)
        self.wants_links = any(LINKS in extras for extras in plan.extras)
        self.meter = cost if plan.priced else None

    def numbers_of(self, earlier: "Tallying") -> Sequence[int | None]:
        """Return the number here of each view of another tallying, None where there is none."""
        if earlier is self:  # as in nearly every second: views are slow to look up
            return range(len(self.views))
        numbers = {view: number for number, view in enumerate(self.views)}
        return [numbers.get(view) for view in earlier.views]


class OpenSecond:
    """What is known of a second that is still open; `tallying` is what it was opened with."""

    __slots__ = ("_tallying", "calls", "links", "seen", "skewed")

    def __init__(self, tallying: Tallying) -> None:
        self._tallying = tallying
        self.calls: list[CallCompleted] = []
        self.skewed: list[CallCompleted | CallStarted] = []
        """Events that arrived in it, with a time that is far off."""
        self.links: dict[str, LinkTally] = {}
        """Producer → its chain, as far as it arrived in it."""
        self.seen = False
        """Whether there was anything in it that is not kept here, but would be without survivors."""

    @property
    def is_looked_at(self) -> bool:
        """Whether anything in it is of a view, survivors or not."""
        tallying = self._tallying
        return (
            bool(self.links)
            or self.seen
            or any(
                key_of(event)
                for key_of, skewed in zip(tallying.all_keys, tallying.skewed, strict=True)
                for event in (*self.calls, *(self.skewed if skewed else ()))
            )
        )

    def pass_over(self, call: CallCompleted) -> None:
        """Note that there was a call for which no rule can fire."""
        if not self.seen:
            self.seen = any(key_of(call) for key_of in self._tallying.all_keys)

    def freeze(self, second: int, now: Tallying, rows: list[Row], slices: list[Slice]) -> None:
        """Append what the second has become: the rows of its calls, then those of entities with several calls.

        Views are those of its opening that `now` has as well, under the numbers and with the extras that they have now.
        """
        first = len(rows)
        own = [tally_call(call, self._tallying.meter) for call in self.calls]
        own += map(tally_skew, self.skewed)
        rows += own
        values = _Values(self.calls, len(self.skewed))
        idle = self._tallying.idle
        for index, number in enumerate(now.numbers_of(self._tallying)):
            if number is None or idle[index]:
                continue
            extras = now.extras[number]
            shared = None if now.filtered[number] or LINKS in extras else [values.column(name) for name in extras]
            for entity, found in self._group(index, extras).items():
                carried = None
                if type(found) is int:
                    row = first + found
                    if extras and shared is not None:
                        carried = tuple([column[found] for column in shared])
                else:
                    row = len(rows)
                    rows.append(add_rows([own[number] for number in found]) if found else NOTHING)  # type: ignore[union-attr] # a type's identity is 3 times faster to ask
                if extras and carried is None:
                    carried = tuple([self._carry(name, entity, found, values) for name in extras])
                slices.append(Slice(second, number, entity, row, carried))

    def _group(self, index: int, extras: Sequence[str]) -> _Members:
        key_of = self._tallying.keys[index]
        calls = self.calls
        if len(calls) == 1:  # as in most seconds of little traffic
            only = key_of(calls[0])
            members: _Members = {only: 0} if only else {}
        else:
            members = group_rows(list(map(key_of, calls)))
        if self._tallying.skewed[index] and self.skewed:
            for number, event in enumerate(self.skewed, len(self.calls)):
                key = key_of(event)  # type: ignore[arg-type] # the rule check allows only fields that both kinds have
                if not key:
                    continue
                found = members.setdefault(key, [])
                if isinstance(found, int):
                    members[key] = [found, number]
                else:
                    found.append(number)
        if LINKS in extras:
            for producer in self.links:
                members.setdefault(producer, [])
        return members

    def _carry(self, name: str, entity: str, found: int | list[int], values: "_Values") -> Any:
        if name == LINKS:
            tally = self.links.get(entity)
            return None if tally is None else tally.freeze()
        return values.of(name, found)


class _Values:
    """The extras of the calls of a second."""

    def __init__(self, calls: list[CallCompleted], skewed: int) -> None:
        self._calls = calls
        self._none = [None] * skewed
        self._columns: dict[str, list[Any]] = {}

    def column(self, name: str) -> list[Any]:
        """Return an extra of every row, None where there is none; worked out once for all views."""
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = [*map(EXTRAS[name].of_call, self._calls), *self._none]
        return column

    def of(self, name: str, found: int | list[int]) -> Any:
        """Return an extra of a row, or of several, merged; None if no call among them has it."""
        numbers = [found] if isinstance(found, int) else found
        if name in self._columns:
            column = self._columns[name]
            values = [column[number] for number in numbers if column[number] is not None]
        else:
            calls = [self._calls[number] for number in numbers if number < len(self._calls)]
            values = [value for value in map(EXTRAS[name].of_call, calls) if value is not None]
        return EXTRAS[name].merge(values) if values else None


def group_rows(keys: list[str | None]) -> _Members:
    """Return which keys stand where, in the order in which they first do; without those that are empty or None."""
    members: dict[Any, Any] = dict(zip(keys, range(len(keys)), strict=True))  # each where it stands last
    several: dict[Any, list[int]] = {}
    if len(members) * _MANY < len(keys):
        several = {key: [] for key in members}
        for number, key in enumerate(keys):
            several[key].append(number)
        members.update({key: found for key, found in several.items() if len(found) > 1})
    elif len(members) < len(keys):
        for number, key in enumerate(keys):
            found = several.get(key)
            if found is not None:
                found.append(number)
            elif members[key] != number:
                several[key] = [number]
        members.update(several)
    members.pop(None, None)
    members.pop("", None)
    return members
