"""The alert feed: `tokentrail.alerts()` and `tokentrail.watch_alerts()`."""

import asyncio
import inspect
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec

from tokentrail.processors.alert_group import join_group
from tokentrail.processors.alert_marks import AlertMarks, DeliveredAlert
from tokentrail.processors.alert_order import LogRecord, OrderedLog, open_ordered_log
from tokentrail.processors.maintenance_file import MaintenanceFile
from tokentrail.schemas.alerts import Alert, Severity, decode_alert
from tokentrail.settings import Settings, current_settings

REMEMBERED: Final = 10_000
"""State changes that this process has delivered and does not deliver again after a rebalance."""
VANISHED_MS: Final = 10_000
"""A record that was read before but does not come up in the log for so long has been deleted since, for its age."""


class _Wanted(msgspec.Struct, frozen=True):
    rules: tuple[str, ...]
    severities: frozenset[Severity]
    include_silenced: bool

    def fits(self, delivered: DeliveredAlert) -> bool:
        alert = delivered.alert
        return (
            (not self.severities or alert.severity in self.severities)
            and (not self.rules or any(fnmatchcase(alert.rule, glob) for glob in self.rules))
            and (self.include_silenced or not delivered.silenced_by)
        )


def alerts(  # noqa: PLR0913 - each is an option of its own
    *,
    group: str | None = None,
    rules: Iterable[str] = (),
    severities: Iterable[str] = (),
    since: datetime | timedelta | None = None,
    include_silenced: bool = False,
    settings: Settings | None = None,
) -> AsyncGenerator[DeliveredAlert, None]:
    """Yield state changes of alerts as they come, for ever: `async for delivered in tokentrail.alerts(group="pager")`.

    With `group`, the processes that name the same one share the alerts among them, all changes of one alert with the
    same process, and go on where they stopped. Delivery is at least once: a change is committed after the body of the
    loop has come back for the next one, so one that the body fails at, or at which the loop is left, comes again.
    Without `group`, every process gets all, and nothing is remembered.

    `since` is a moment, or how long ago: where a reader without group, or a group that has never committed, begins;
    without it, with what comes from now on. It is compared with the time of detection; a time without zone is UTC.
    `rules` are globs, `severities` names; empty lets all pass. What a silence or a maintenance window of the setting
    `rules` fits is left out unless `include_silenced`. A record that repeats an earlier one is not delivered.

    Nothing is opened before the first alert is asked for. Cancelling, and `aclose()`, commit what is done and close the
    connections; after a `break`, the event loop does it as soon as the iterator is let go of
    (`contextlib.aclosing` makes it wait). A body that takes longer than 5 minutes for one alert loses its place in the
    group, and gets the alert again; one that blocks the event loop does so after 10 seconds.

    Raises:
        ValueError: a severity is none.
        BrokerError: while iterating: Kafka does not answer or refuses, or the topics are not there.
        RuleError: while iterating: the setting `rules` names a file whose maintenance windows cannot be used.
    """
    wanted = _Wanted(_listed(rules), frozenset(map(_severity, _listed(severities))), include_silenced)
    settings = settings or current_settings()
    if group is None:
        return _follow(settings, wanted, since)
    return _share(settings, wanted, since, group)


async def watch_alerts(callback: Callable[[DeliveredAlert], Any], **options: Any) -> None:
    """Call back with each state change, one after the other, until cancelled; `options` are those of `alerts`.

    A coroutine function is awaited; any other function runs in a thread, so that it may block. When the callback
    raises, this raises the same exception, with a note that says which alert it was; with a `group`, that alert was not
    committed and comes again. There are no retries here: catch in the callback what shall not stop the watching.

    Raises:
        ValueError, BrokerError, RuleError: as `alerts`.
    """
    call = callback if _is_async(callback) else _in_thread(callback)
    async with aclosing(alerts(**options)) as feed:
        async for delivered in feed:
            try:
                await call(delivered)
            except Exception as error:
                again = "It was not committed and comes again." if options.get("group") else "It does not come again."
                error.add_note(
                    f"The callback of watch_alerts failed at alert {delivered.alert.alert_id}, "
                    f"revision {delivered.alert.revision}. {again}"
                )
                raise


async def _follow(
    settings: Settings, wanted: _Wanted, since: datetime | timedelta | None
) -> AsyncGenerator[DeliveredAlert, None]:
    since_ms = _milliseconds(since)
    maintenance = MaintenanceFile(settings.rules)
    async with open_ordered_log(settings) as log:
        marks = AlertMarks(maintenance.windows())
        records = await log.take_history()
        while True:
            marks.maintenance = maintenance.windows()
            async for record in _new_changes(marks, records):
                alert = record.content
                if since_ms is None:
                    in_time = record.offset >= log.ends_at_open[record.partition]
                else:
                    in_time = record.appended_ms >= since_ms
                if not in_time or not isinstance(alert, Alert):
                    continue
                delivered = marks.describe(alert, record.partition, record.offset, record.appended_ms)
                if wanted.fits(delivered):
                    yield delivered
            records = await log.take()


async def _new_changes(marks: AlertMarks, records: Iterable[LogRecord]) -> AsyncGenerator[LogRecord, None]:
    """Follow the log through these records; yield those that tell a state change for the first time."""
    for number, record in enumerate(records):
        if number % 200 == 0:
            # A long history must not hold up what else runs in this event loop.
            await asyncio.sleep(0)
        if marks.follow(record):
            yield record


async def _share(
    settings: Settings, wanted: _Wanted, since: datetime | timedelta | None, group: str
) -> AsyncGenerator[DeliveredAlert, None]:
    maintenance = MaintenanceFile(settings.rules)
    seen: OrderedDict[tuple[str, int], None] = OrderedDict()
    async with open_ordered_log(settings) as log, join_group(settings, group, _milliseconds(since)) as member:
        marks = AlertMarks()
        async for _ in _new_changes(marks, await log.take_history()):
            pass
        async for record in member.records():
            alert = _decode(record.value)
            if alert is None:
                continue
            await _catch_up(log, marks, record.partition, record.offset)
            change = (alert.alert_id, alert.revision)
            if change in seen or marks.repeats(record.partition, record.offset):
                continue
            marks.maintenance = maintenance.windows()
            delivered = marks.describe(alert, record.partition, record.offset, record.timestamp)
            if wanted.fits(delivered):
                yield delivered
            seen[change] = None
            if len(seen) > REMEMBERED:
                seen.popitem(last=False)


async def _catch_up(log: OrderedLog, marks: AlertMarks, partition: int, offset: int) -> None:
    """Follow the log until it has given out a record: its incident depends on all that came before."""
    while log.read_through.get(partition, -1) < offset:
        records = await log.take(VANISHED_MS)
        if not records:
            return
        async for _ in _new_changes(marks, records):
            pass


def _decode(payload: bytes | None) -> Alert | None:
    try:
        return decode_alert(payload or b"")
    except msgspec.MsgspecError:
        return None  # of a newer major version, or not ours


def _listed(values: Iterable[str]) -> tuple[str, ...]:
    return (values,) if isinstance(values, str) else tuple(values)


def _severity(name: str) -> Severity:
    try:
        return Severity(name)
    except ValueError:
        raise ValueError(f"{name!r} is no severity; they are {', '.join(Severity)}.") from None


def _milliseconds(since: datetime | timedelta | None) -> int | None:
    if since is None:
        return None
    if isinstance(since, timedelta):
        since = datetime.now(UTC) - since
    aware = since if since.tzinfo else since.replace(tzinfo=UTC)
    return max(0, int(aware.timestamp() * 1000))


def _is_async(callback: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(getattr(callback, "__call__", None))  # noqa: B004 - an object's method, not whether there is one


def _in_thread(callback: Callable[[DeliveredAlert], Any]) -> Callable[[DeliveredAlert], Any]:
    async def call(delivered: DeliveredAlert) -> None:
        result = await asyncio.to_thread(callback, delivered)
        if inspect.isawaitable(result):
            await result

    return call
