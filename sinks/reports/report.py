"""A report as a value: figures, charts and tables, whatever it is shown in. No I/O."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

Kind = Literal["text", "count", "usd", "ratio", "ms", "moment"]
"""What a value is: `ratio` is a share of 1, `usd` money, `ms` milliseconds, `moment` a time in UTC."""
Number = int | float | Decimal


class Period(msgspec.Struct, frozen=True):
    """From `since` on and before `until`, UTC."""

    since: datetime
    until: datetime


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One number, and what it was in the period before; None where it is not known."""

    name: str
    kind: Kind
    value: Number | None
    before: Number | None = None
    more_is: Literal["worse", "neutral"] = "neutral"

    @property
    def change(self) -> float | None:
        """Return by which share of what it was it has grown; None where that says nothing."""
        if self.value is None or not self.before:
            return None
        return float(self.value) / float(self.before) - 1


class Column(msgspec.Struct, frozen=True):
    """One column of a table."""

    name: str
    kind: Kind = "text"


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of values, one for each column. `empty` is what to say where there is none."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    empty: str = "Nothing."


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """Bars: over time (`columns`, in order), or of names (`bars`, the longest first)."""

    title: str
    form: Literal["columns", "bars"]
    kind: Kind
    labels: tuple[str, ...]
    values: tuple[Number, ...]


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """What to do, and the rule or the finding that says so."""

    severity: str
    because: str
    text: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole report. The same rows, period and `made_at` make the same report."""

    name: str
    title: str
    period: Period
    before: Period
    made_at: datetime
    figures: tuple[Figure, ...]
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()
    notes: tuple[str, ...] = ()
