"""How values of a report read: money, shares and durations in words of people. No I/O."""

from decimal import Decimal
from typing import Any, Final

from tokentrail.sinks.reports.cells import readable_cell
from tokentrail.sinks.reports.report import Figure, Kind, Period

_SMALL_USD: Final = Decimal("0.01")
"""Less is told to the millionth."""
_LONG_NAME: Final = 120


def worded(value: Any, kind: Kind) -> str:
    """Return a value as people read it; an en dash where it is not known."""
    if value is None:
        return "–"  # noqa: RUF001 - it is meant
    if kind == "count":
        return f"{value:,}"
    if kind == "usd":
        return f"{value:,.2f}" if value == 0 or abs(value) >= _SMALL_USD else f"{value:,.6f}"
    if kind == "ratio":
        return f"{float(value):.1%}"
    if kind == "ms":
        return f"{value:,.0f} ms"
    text = readable_cell(value)
    return text if len(text) <= _LONG_NAME else f"{text[:_LONG_NAME]}…"


def change_of(figure: Figure) -> str:
    """Say how a figure has changed since the period before."""
    if figure.before is None:
        return ""
    if figure.change is None:
        return "as before" if figure.value == figure.before else f"was {worded(figure.before, figure.kind)}"
    if abs(figure.change) < 0.0005:  # noqa: PLR2004 - less than is shown
        return "as before"
    return f"{figure.change:+.1%}"


def period_of(period: Period) -> str:
    """Say from when to when, UTC."""
    since, until = period.since, period.until
    if since.time() == until.time() and not since.hour and not since.minute:
        return f"{since:%Y-%m-%d} to before {until:%Y-%m-%d}"
    return f"{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}"
