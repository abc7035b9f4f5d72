"""A period of any length from few rows: its whole days from the rollup by day, what is left of it from finer ones.

The parts are told apart by the bound parameters alone, and each row of `calls` is in one of them: sums over the parts
are the sums over the finest rollup. Pure text; `{since:DateTime('UTC')}` and `{until:DateTime('UTC')}` are the period.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

_SINCE: Final = "{since:DateTime('UTC')}"
_UNTIL: Final = "{until:DateTime('UTC')}"


class _Span(NamedTuple):
    """From `begin` to before `end`, both SQL; none where `end` is not behind `begin`."""

    begin: str
    end: str


def _inner(span: _Span, unit: str, seconds: int) -> _Span:
    """Return the whole hours or days of a span."""
    return _Span(f"toStartOf{unit}({span.begin} + {seconds - 1})", f"toStartOf{unit}({span.end})")


def _outer(unit: str, seconds: int) -> _Span:
    """Return the period, widened to whole minutes or hours."""
    return _Span(f"toStartOf{unit}({_SINCE})", f"toStartOf{unit}({_UNTIL} + {seconds - 1})")


def _around(column: str, span: _Span, within: _Span) -> str:
    """Return the condition for what is in one span and not in the one within it."""
    return (
        f"{column} >= {span.begin} AND {column} < {span.end}\n"
        f"        AND NOT ({column} >= {within.begin} AND {column} < {within.end})"
    )


def _all_of(column: str, span: _Span) -> str:
    return f"{column} >= {span.begin} AND {column} < {span.end}"


_OF_HOURS: Final = _outer("Hour", 3600)
_OF_MINUTES: Final = _outer("Minute", 60)


def of_hours(rollup: str) -> tuple[tuple[str, str], ...]:
    """Return the tables that a period of full hours is read from, and the condition for each: `usage` or `calls`."""
    days = _inner(_OF_HOURS, "Day", 86_400)
    return (
        (f"{rollup}_day", _all_of("call.day", days)),
        (f"{rollup}_hour", _around("call.hour", _OF_HOURS, days)),
    )


def of_minutes() -> tuple[tuple[str, str], ...]:
    """Return the same for a period of full minutes, of the dimensions of `calls_minute`."""
    hours = _inner(_OF_MINUTES, "Hour", 3600)
    days = _inner(hours, "Day", 86_400)
    return (
        ("usage_day", _all_of("call.day", days)),
        ("usage_hour", _around("call.hour", hours, days)),
        ("calls_minute", _around("call.minute", _OF_MINUTES, hours)),
    )


def union_of(parts: Sequence[tuple[str, str]], columns: Sequence[str], by: Sequence[str] = ()) -> str:
    """Return the parts as one table; with `by`, each is summed up first, which a projection of it may have done."""
    selected = ",\n        ".join([*(f"call.{name} AS {name}" for name in by), *columns])
    grouped = f"\n    GROUP BY {', '.join(by)}" if by else ""
    union = "\n    UNION ALL\n".join(
        f"    SELECT\n        {selected}\n    FROM {table} AS call\n    WHERE {condition}{grouped}"
        for table, condition in parts
    )
    return f"(\n{union}\n)"
