"""Views: which calls are looked at together: those that pass a filter, grouped by some fields."""

import re
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Final
from zlib import crc32

import msgspec

from tokentrail.schemas.events import CallCompleted
from tokentrail.schemas.rules import FilterField, Rule

SEPARATOR: Final = "\x1f"
"""Between the values of a combined entity; no label contains it by accident."""
_SIGNS: Final = re.compile(r'[|&="\x1f]')
_Filters = tuple[tuple[str, tuple[str, ...]], ...]

KeyOf = Callable[[CallCompleted], str | None]


class View(msgspec.Struct, frozen=True, order=True):
    """A grouping of calls and its filter."""

    dimension: str
    """`user_id`, or `department+request_model` for a combined one."""
    where: _Filters = ()
    where_not: _Filters = ()

    @property
    def filter_text(self) -> str:
        """The filter as people write it: `service=checkout|pay&status!=SUCCESS`; empty without one."""
        kept = [f"{field}={_write(values)}" for field, values in self.where]
        left_out = [f"{field}!={_write(values)}" for field, values in self.where_not]
        return "&".join(kept + left_out)

    @property
    def name(self) -> str:
        """The view's name: two views are the same if their names are."""
        text = self.filter_text
        return f"{self.dimension}?{text}" if text else self.dimension


def views_of(rule: Rule) -> list[View]:
    """Return the views that a rule looks at: one for each element of its `by`."""
    where, where_not = _freeze(rule.where), _freeze(rule.where_not)
    return [View(fields if isinstance(fields, str) else "+".join(fields), where, where_not) for fields in rule.by]


def compile_key(view: View) -> KeyOf:
    """Return the function that gives a call's key in a view; None or empty where it is not looked at."""
    fields = view.dimension.split("+")
    if len(fields) == 1:
        key: KeyOf = attrgetter(fields[0])
    else:
        key = _combine(fields)
    if view.where or view.where_not:
        return _filter(key, view)
    return key


def route_entity(view: str, entity: str, partitions: int) -> int:
    """Return the partition of `llm.slices` that owns an entity; stable across processes and versions (CRC-32)."""
    return end_route(begin_route(view), entity, partitions)


def begin_route(view: str) -> int:
    """Return what the routes of all entities of a view have in common."""
    return crc32(f"{view}{SEPARATOR}".encode("utf-8", "surrogatepass"))


def end_route(begun: int, entity: str, partitions: int) -> int:
    """Return the partition of an entity; `begun` is of `begin_route`."""
    return crc32(entity.encode("utf-8", "surrogatepass"), begun) % partitions


def _combine(fields: Sequence[str]) -> KeyOf:
    values_of = attrgetter(*fields)

    def combined_key(call: CallCompleted) -> str | None:
        values = values_of(call)
        return SEPARATOR.join(values) if all(values) else None

    return combined_key


def _filter(key: KeyOf, view: View) -> KeyOf:
    kept = [(attrgetter(field), frozenset(values)) for field, values in view.where]
    left_out = [(attrgetter(field), frozenset(values)) for field, values in view.where_not]

    def filtered_key(call: CallCompleted) -> str | None:
        for value_of, values in kept:
            if (value_of(call) or "") not in values:
                return None
        for value_of, values in left_out:
            if (value_of(call) or "") in values:
                return None
        return key(call)

    return filtered_key


def _write(values: Sequence[str]) -> str:
    """Write the values of a filter; one that would read as several, or as more of the filter, is put into quotes."""
    return "|".join(msgspec.json.encode(value).decode() if _SIGNS.search(value) else value for value in values)


def _freeze(filters: Mapping[FilterField, str | list[str]]) -> _Filters:
    values = {field: (value,) if isinstance(value, str) else tuple(sorted(value)) for field, value in filters.items()}
    return tuple(sorted(values.items()))
