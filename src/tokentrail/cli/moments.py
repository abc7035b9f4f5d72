"""Moments and durations as people type them: `90m`, `24h`, `7d`, or an ISO 8601 time."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import typer

FIRST_YEAR: Final = 1971
LAST_YEAR: Final = 2105
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO: Final = re.compile(r"^(\d{1,6})([smhdw])$")


def parse_moment(text: str, now: datetime | None = None) -> datetime:
    """Return the moment in UTC; a time without a zone is taken as UTC.

    Raises:
        typer.BadParameter: the text is neither.
    """
    ago = _AGO.match(text.strip())
    try:
        if ago:
            return (now or datetime.now(UTC)) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        moment = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"{text!r} is no time; write 90m, 24h, 7d or 2026-11-21T12:00.") from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_period(since: str, until: str | None) -> tuple[datetime, datetime | None]:
    """Return when a period begins and ends, in UTC; None: it goes on.

    Raises:
        typer.BadParameter: a text is no time, or the period ends before it begins.
    """
    now = datetime.now(UTC)
    begin, end = parse_moment(since, now), parse_moment(until, now) if until else None
    if end is not None and end <= begin:
        raise typer.BadParameter(f"--until {until} is not after --since {since}; 24h is further back than 1h.")
    return begin, end


def parse_as_of(text: str | None, now: datetime | None = None) -> datetime:
    """Return the moment as of which something is told; without a text, now.

    Raises:
        typer.BadParameter: the text is no time, or none of 1971 to 2105, which is what the engine's days reach.
    """
    if text is None:
        return now or datetime.now(UTC)
    moment = parse_moment(text, now)
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise typer.BadParameter(f"{text!r} is out of range; name a time of {FIRST_YEAR} to {LAST_YEAR}.")
    return moment


def none_found(what: str, since: str, until: str | None = None) -> str:
    """Say that a period, in the user's own words, has none of what was asked for, and which option asks for more."""
    period = f"since {since}" + (f" until {until}" if until else "")
    return f"No {what} {period}. Ask further back, for instance with --since {_wider(since)}."


def _wider(since: str) -> str:
    ago = _AGO.match(since.strip())
    if ago is None:
        return "30d"
    asked = timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    return next((text for text in ("24h", "7d", "30d", "365d") if parse_duration(text) > asked), "3650d")


def parse_duration(text: str) -> timedelta:
    """Return how long `90m`, `24h` or `7d` is.

    Raises:
        typer.BadParameter: the text is no duration, or one of no time.
    """
    found = _AGO.match(text.strip())
    if found is None or not int(found[1]):
        raise typer.BadParameter(f"{text!r} is no duration; write 90m, 24h or 7d.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
