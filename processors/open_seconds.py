"""Open seconds: the calls of a second that is not over yet, and the slices that become of them when it is. Pure.

Calls are kept as they come and grouped all at once: a second's calls by one view in a few passes of C cost a third of
what it takes to find the place of each call in each view as it comes.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from tokentrail.processors.call_cost import CostMeter
from tokentrail.processors.call_facts import NOTHING, add_rows, tally_call, tally_skew
from tokentrail.processors.extras import EXTRAS
from tokentrail.processors.tally_plan import TallyPlan
from tokentrail.processors.views import compile_key
from tokentrail.schemas.events import CallCompleted, CallStarted
from tokentrail.schemas.slices import Row, Slice

if TYPE_CHECKING:
    from tokentrail.processors.producer_links import LinkTally

LINKS: Final = "links"

_Members = dict[str, int | list[int]]
"""Entity → the number of its only row, or those of all its rows."""


class Tallying:
    """A tally plan made ready."""

    def __init__(self, plan: TallyPlan, cost: CostMeter | None) -> None:
        self.views = plan.views
        self.keys = [compile_key(view) for view in plan.views]
        self.filtered = [bool(view.where or view.where_not) for view in plan.views]
        self.skewed = plan.skewed
        self.extras = plan.extras
        self.wants_skewed = any(plan.skewed)
        self.wants_links = any(LINKS in extras for extras in plan.extras)
        self.meter = cost if plan.priced else None


class OpenSecond:
    """What is known of a second that is still open; `tallying` is what it was opened with."""

    __slots__ = ("_tallying", "calls", "links", "skewed")

    def __init__(self, tallying: Tallying) -> None:
        self._tallying = tallying
        self.calls: list[CallCompleted] = []
        self.skewed: list[CallCompleted | CallStarted] = []
        """Events that arrived in it, with a time that is far off."""
        self.links: dict[str, LinkTally] = {}
        """Producer → its chain, as far as it arrived in it."""

    def freeze(self, second: int, now: Tallying, rows: list[Row], slices: list[Slice]) -> None:
        """Append what the second has become: the rows of its calls, then those of entities with several calls.

        Views are those of its opening that `now` has as well, under the numbers and with the extras that they have now.
        """
        first = len(rows)
        own = [tally_call(call, self._tallying.meter) for call in self.calls]
        own += map(tally_skew, self.skewed)
        rows += own
        values = _Values(self.calls)
        numbers = {view: number for number, view in enumerate(now.views)}
        for index, view in enumerate(self._tallying.views):
            number = numbers.get(view)
            if number is None:
                continue
            extras = now.extras[number]
            values.shared = not now.filtered[number]
            for entity, found in self._group(index, extras).items():
                if type(found) is int:
                    row = first + found
                else:
                    row = len(rows)
                    rows.append(add_rows([own[number] for number in found]) if found else NOTHING)  # type: ignore[union-attr] # a type's identity is 3 times faster to ask
                carried = tuple([self._carry(name, entity, found, values) for name in extras]) if extras else None
                slices.append(Slice(second, number, entity, row, carried))

    def _group(self, index: int, extras: Sequence[str]) -> _Members:
        key_of = self._tallying.keys[index]
        members = group_rows(list(map(key_of, self.calls)))
        if self._tallying.skewed[index] and self.skewed:
            for number, event in enumerate(self.skewed, len(self.calls)):
                key = key_of(event)  # type: ignore[arg-type] # the rule check allows only fields that both kinds have
                if key:
                    found = members.get(key, [])
                    members[key] = [found, number] if isinstance(found, int) else [*found, number]
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

    def __init__(self, calls: list[CallCompleted]) -> None:
        self.shared = True
        """Whether all calls are asked for: each is then looked at once, for all views."""
        self._calls = calls
        self._columns: dict[str, list[Any]] = {}

    def of(self, name: str, found: int | list[int]) -> Any:
        """Return an extra of a row, or of several, merged; None if no call among them has it."""
        if self.shared:
            column = self._columns.get(name)
            if column is None:
                column = self._columns[name] = list(map(EXTRAS[name].of_call, self._calls))
            if type(found) is int:
                return column[found] if found < len(column) else None
            values = [column[number] for number in found if number < len(column)]  # type: ignore[union-attr] # a type's identity is 3 times faster to ask
        else:
            asked = [found] if isinstance(found, int) else found
            values = [EXTRAS[name].of_call(self._calls[number]) for number in asked if number < len(self._calls)]
        values = [value for value in values if value is not None]
        return EXTRAS[name].merge(values) if values else None


def group_rows(keys: list[str | None]) -> _Members:
    """Return which keys stand where, in the order in which they first do; without those that are empty or None."""
    members: dict[Any, Any] = dict(zip(keys, range(len(keys)), strict=True))  # each where it stands last
    if len(members) < len(keys):
        several: dict[Any, list[int]] = {}
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
