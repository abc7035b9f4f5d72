"""Rule reading: a table of a rule file becomes a rule, or everything that is wrong with it. Pure."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Final, TypeVar

import msgspec

from tokentrail.processors.rule_mistakes import explain_invalid, find_condition
from tokentrail.schemas.rules import Maintenance, Rule

_Table = TypeVar("_Table", Rule, Maintenance)
_MISSING: Final = "Object missing required field"
_CONDITION: Final = "condition"


def read_table(table: Any, kind: type[_Table]) -> tuple[_Table | None, list[tuple[str, str]]]:
    """Return what a table says; or None, and each of its mistakes: the field (a dotted path), and what is wrong."""
    try:
        return msgspec.convert(table, kind), []
    except msgspec.ValidationError as error:
        first = explain_invalid(error, table, kind)
    found = list(_find_mistakes(table, kind)) if isinstance(table, dict) else []
    return None, found or [first]


def _find_mistakes(table: dict[str, Any], kind: type[Rule | Maintenance]) -> Iterator[tuple[str, str]]:
    """Yield the mistakes of each field by itself: a conversion ends at the first."""
    for name, value in table.items():
        parts = _split_condition(value) if name == _CONDITION and kind is Rule else [value]
        for part in parts:
            found = _try({name: part}, kind)
            if found is not None:
                yield found
    yield from _find_missing("", table, kind)


def _split_condition(condition: Any) -> list[Any]:
    """Return a condition's fields, each in a condition of its own; as it is, if it is of no known type."""
    chosen = find_condition(condition)
    if chosen is None:
        return [condition]
    tag = {"type": condition["type"]}
    return [{**tag, name: value} for name, value in condition.items() if name != "type"]


def _try(part: dict[str, Any], kind: type[Rule | Maintenance]) -> tuple[str, str] | None:
    try:
        msgspec.convert(part, kind)
    except msgspec.ValidationError as error:
        if not str(error).startswith(_MISSING) or _is_untyped(part):
            return explain_invalid(error, part, kind)
    return None


def _is_untyped(part: dict[str, Any]) -> bool:
    """Whether it is a condition that does not say what it is."""
    condition = part.get(_CONDITION)
    return isinstance(condition, dict) and "type" not in condition


def _find_missing(path: str, table: dict[str, Any], kind: type[msgspec.Struct]) -> Iterator[tuple[str, str]]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    misspelt = [name for name in table if name not in fields]
    for name, field in fields.items():
        if field.required and name not in table and not get_close_matches(name, misspelt):
            yield path, f"the field `{name}` is missing"
    chosen = find_condition(table.get(_CONDITION))
    if kind is Rule and chosen is not None:
        yield from _find_missing(_CONDITION, table[_CONDITION], chosen)
