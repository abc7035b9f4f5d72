"""Groupings: which fields of a call make up an entity, and the key it has there."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final
from zlib import crc32

from tokentrail.schemas.events import CallCompleted
from tokentrail.schemas.rules import Rule

SEPARATOR: Final = "\x1f"
"""Between the values of a combined entity; no label contains it by accident."""

KeyOf = Callable[[CallCompleted], str | None]


def name_grouping(fields: str | Sequence[str]) -> str:
    """Return a grouping's name: `user_id`, or `department+request_model` for a combined one."""
    return fields if isinstance(fields, str) else "+".join(fields)


def collect_groupings(rules: Sequence[Rule]) -> tuple[str, ...]:
    """Return the names of all groupings that enabled rules use, sorted: nothing else is tallied."""
    return tuple(sorted({name_grouping(fields) for rule in rules if rule.enabled for fields in rule.by}))


def compile_key(grouping: str) -> KeyOf:
    """Return the function that gives a call's key in a grouping; None or empty where a field is absent."""
    fields = grouping.split("+")
    if len(fields) == 1:
        key: KeyOf = attrgetter(fields[0])
        return key
    values_of = attrgetter(*fields)

    def combined_key(call: CallCompleted) -> str | None:
        values = values_of(call)
        return SEPARATOR.join(values) if all(values) else None

    return combined_key


def route_entity(grouping: str, entity: str, partitions: int) -> int:
    """Return the partition of `llm.slices` that owns an entity; stable across processes and versions (CRC-32)."""
    return crc32(f"{grouping}{SEPARATOR}{entity}".encode("utf-8", "surrogatepass")) % partitions
