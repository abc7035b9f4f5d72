"""Who wants not to be told of an alert: silences of people, and maintenance windows of the rule file. Pure."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from tokentrail.processors.views import SEPARATOR
from tokentrail.schemas.alert_controls import Silence
from tokentrail.schemas.alerts import Alert, AlertState
from tokentrail.schemas.rules import Maintenance

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME_OF_DAY: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


class Span(msgspec.Struct, frozen=True):
    """From `begin` on, up to but without `end`; UTC."""

    begin: datetime
    end: datetime


class MaintenanceWindow(msgspec.Struct, frozen=True):
    """A maintenance window whose times have been understood."""

    name: str
    rules: Sequence[str]
    entities: Sequence[str]
    days: frozenset[int]
    """Days of the week (Monday is 0) on which it begins; empty where it is there once."""
    begin: datetime
    """With `days`, only the time of day counts."""
    length: timedelta

    def span_at(self, moment: datetime) -> Span | None:
        """Return the stretch of time of this window that holds a moment."""
        if not self.days:
            span = Span(self.begin, self.begin + self.length)
            return span if span.begin <= moment < span.end else None
        moment = moment.astimezone(UTC)
        today = moment.replace(hour=self.begin.hour, minute=self.begin.minute, second=0, microsecond=0)
        # It is at most a day long: it began today or yesterday.
        for begin in (today, today - timedelta(days=1)):
            if begin.weekday() in self.days and begin <= moment < begin + self.length:
                return Span(begin, begin + self.length)
        return None


def understand_maintenance(maintenance: Maintenance) -> MaintenanceWindow:
    """Read the times of a window. One of days that ends at the time it begins lasts 24 hours.

    Raises:
        ValueError: says which field is wrong, and how it is written.
    """
    if maintenance.days:
        begin, end = _time_of_day(maintenance.begin, "from"), _time_of_day(maintenance.to, "to")
        length = end - begin if end > begin else end - begin + timedelta(days=1)
    else:
        begin, end = _moment(maintenance.begin, "from"), _moment(maintenance.to, "to")
        length = end - begin
        if end <= begin:
            raise ValueError(f"`to` is {maintenance.to}, which is not after `from`, {maintenance.begin}")
    days = frozenset(_DAYS.index(day) for day in maintenance.days)
    return MaintenanceWindow(maintenance.name, maintenance.rules, maintenance.entities, days, begin, length)


def find_silences(
    alert: Alert, detected_at: datetime, silences: Iterable[Silence], maintenance: Iterable[MaintenanceWindow] = ()
) -> tuple[str, ...]:
    """Return who silences a state change: ids of silences, and `maintenance:` with the names of windows; sorted.

    A silence counts by the moment of detection: for two hours from now nobody wants to be told, whatever time it is
    about. A maintenance window counts by event time: the calls made during it are strange. Neither holds back the end
    of an alert that began before it: whoever was told of the alert is told of its end.
    """
    found = [
        silence.control_id
        for silence in silences
        if silence.starts_at <= detected_at < silence.ends_at
        and not _ends_earlier_alert(alert, silence.starts_at)
        and _fits(silence.rules, alert.rule)
        and _fits(silence.severities, alert.severity.value)
        and _fits_entity(alert, silence.dimensions, silence.entities)
    ]
    for window in maintenance:
        span = window.span_at(alert.occurred_at)
        if span is None or _ends_earlier_alert(alert, span.begin):
            continue
        if _fits(window.rules, alert.rule) and _fits_entity(alert, (), window.entities):
            found.append(f"maintenance:{window.name}")
    return tuple(sorted(found))


def _ends_earlier_alert(alert: Alert, begin: datetime) -> bool:
    return alert.state is AlertState.RESOLVED and alert.started_at < begin


def _fits(globs: Sequence[str], value: str) -> bool:
    return not globs or any(fnmatchcase(value, glob) for glob in globs)


def _fits_entity(alert: Alert, dimensions: Sequence[str], entities: Sequence[str]) -> bool:
    """Whether the entity fits, or one part of a combined one; dimension and value must be those of the same part."""
    return any(
        _fits(dimensions, dimension) and _fits(entities, value)
        for dimension, value in [(alert.dimension, alert.entity.replace(SEPARATOR, " / ")), *entity_parts(alert)]
    )


def entity_parts(alert: Alert) -> list[tuple[str, str]]:
    """Return dimension and value of each part of an alert's entity; one for an entity that is not combined."""
    return list(zip(alert.dimension.split("+"), alert.entity.split(SEPARATOR), strict=False))


def _time_of_day(text: str, field: str) -> datetime:
    found = _TIME_OF_DAY.fullmatch(text)
    if found is None:
        raise ValueError(f"`{field}` is {text!r}; with `days` it is a time of day in UTC, such as 22:30")
    return datetime(2000, 1, 3, int(found[1]), int(found[2]), tzinfo=UTC)


def _moment(text: str, field: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.min  # noqa: DTZ901 - refused below, as is every moment without a zone
    if moment.tzinfo is None:
        raise ValueError(f"`{field}` is {text!r}; without `days` it is a moment such as 2026-11-21T22:30:00Z")
    return moment.astimezone(UTC)
