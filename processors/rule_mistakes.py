"""Rule mistakes: what is wrong with a rule file, where, and what would be right."""

import re
from difflib import get_close_matches
from typing import Any, Final, get_args

import msgspec

from tokentrail.schemas.alerts import Severity
from tokentrail.schemas.rules import Condition, Dimension, FilterField, Maintenance, Metric, Rule

_AT: Final = re.compile(r" - at (?:`key` in )?`\$\.?([^`]*)`$")
_FIELD: Final = re.compile(r"field `([^`]+)`")
_LITERALS: Final[dict[str, Any]] = {"metric": Metric, "by": Dimension, "where": FilterField, "where_not": FilterField}
_MANY: Final = 12
"""More names than this are not listed where a near one is found."""


class Mistake(msgspec.Struct, frozen=True):
    """One thing that is wrong. `line` counts from 1; `thing` is the rule or window it is in, `field` a dotted path."""

    source: str
    line: int
    thing: str
    field: str
    message: str

    def __str__(self) -> str:
        place = ", ".join(part for part in (self.thing, self.field) if part)
        return (
            f"{self.source}:{self.line}: {place}: {self.message}"
            if place
            else (f"{self.source}:{self.line}: {self.message}")
        )


def explain_invalid(error: msgspec.ValidationError, table: Any, kind: type[Rule | Maintenance]) -> tuple[str, str]:
    """Return the field (a dotted path, or empty) that a validation error is about, and what is wrong with it."""
    text = str(error)
    at = _AT.search(text)
    path = re.sub(r"\[.*?\]", "", at[1]) if at else ""
    message = text[: at.start()] if at else text
    named = _FIELD.search(message)
    if named and message.startswith("Object contains unknown field"):
        field = f"{path}.{named[1]}" if path else named[1]
        return field, f"there is no such field; {_suggest(named[1], _fields_at(path, table, kind))}"
    if named and message.startswith("Object missing required field"):
        return path, f"the field `{named[1]}` is missing{_required(named[1])}"
    if path == "name" and "regex" in message:
        return (
            path,
            "a name begins with a lower-case letter and has lower-case letters, digits and underscores, 2 to 80",
        )
    allowed = _allowed_at(path)
    if allowed and message.startswith("Invalid"):
        given = message.partition("value ")[2].strip("'\"") or "this"
        return path, f"{given!r} is not known; {_suggest(given, allowed)}"
    return path, message[:1].lower() + message[1:]


def _fields_at(path: str, table: Any, kind: type[Rule | Maintenance]) -> list[str]:
    if path != "condition":
        return [field.encode_name for field in msgspec.structs.fields(kind)]
    chosen = find_condition(table["condition"])
    return ["type", *(field.encode_name for field in msgspec.structs.fields(chosen))] if chosen else ["type"]


def find_condition(table: Any) -> type[msgspec.Struct] | None:
    """Return the kind of condition that a table says it is; None if it is no table, or of no known type."""
    tag = table.get("type") if isinstance(table, dict) else None
    return next((found for found in get_args(Condition) if found.__struct_config__.tag == tag), None)


def _allowed_at(path: str) -> list[str]:
    if path == "severity":
        return [severity.value for severity in Severity]
    if path == "condition.type":
        return [found.__struct_config__.tag for found in get_args(Condition)]
    if path == "days":
        return ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    return _literals(_LITERALS.get(path))


def _literals(found: Any) -> list[str]:
    if found is None:
        return []
    arguments = get_args(found)
    if all(isinstance(argument, str) for argument in arguments):
        return list(arguments)
    return [name for argument in arguments for name in _literals(argument)]


def _required(field: str) -> str:
    return f": one of {', '.join(_allowed_at('condition.type'))}" if field == "type" else ""


def _suggest(given: str, allowed: list[str]) -> str:
    near = get_close_matches(given, allowed, n=3, cutoff=0.6)
    if near and len(allowed) > _MANY:
        return f"did you mean {' or '.join(near)}? Known are {', '.join(allowed)}"
    return f"known are {', '.join(allowed)}"
