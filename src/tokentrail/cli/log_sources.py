"""Which stretch of the log a command is to go over, from what was typed: of the archive, of a topic, of files."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import typer

from tokentrail.cli.moments import parse_moment
from tokentrail.settings import Settings

if TYPE_CHECKING:
    from tokentrail.processors.event_range import EventRange
    from tokentrail.processors.log_source import LogSource

_EVERY: Final = re.compile(r"^@(\d{1,18})$")
_NAMED: Final = re.compile(r"^@\d{1,5}:\d{1,18}(,\d{1,5}:\d{1,18})*$")
_END_OF_TIME: Final = datetime(9999, 1, 1, tzinfo=UTC)


class Asked(msgspec.Struct, frozen=True):
    """What was typed."""

    since: str | None
    until: str | None
    warm_up: str
    topic: str | None
    files: list[Path]


class Stretch(msgspec.Struct, frozen=True):
    """A stretch of the log. Nothing before `begin` is told of; time goes on to `until`, without it to the last call."""

    source: "LogSource"
    begin: datetime | None
    until: datetime | None


def open_stretch(settings: Settings, asked: Asked, *, warm: bool = True) -> Stretch:
    """Return what was asked for; opens nothing yet. With `warm`, the source begins as much earlier as baselines need.

    Raises:
        typer.BadParameter: the options do not go together, or a time cannot be read.
    """
    if asked.topic is not None and asked.files:
        raise typer.BadParameter("Give --topic or --file, not both.")
    if _is_offsets(asked.since) or _is_offsets(asked.until):
        return _by_offsets(settings, asked)
    begin, until, within = _by_time(asked, warm=warm)
    if asked.files:
        from tokentrail.processors.file_log import FileLog

        return Stretch(FileLog(asked.files, within), begin, until)
    if asked.topic is not None:
        from tokentrail.processors.topic_log import TopicLog

        return Stretch(TopicLog(settings, settings.topic(asked.topic), within), begin, until)
    if within is None or begin is None:
        raise typer.BadParameter("--from is needed to replay the archive: 90m, 24h, 7d ago, or an ISO time.")
    from tokentrail.sinks.clickhouse.event_log import ArchiveLog

    return Stretch(ArchiveLog(settings, within), begin, until)


def _is_offsets(text: str | None) -> bool:
    return text is not None and text.startswith("@")


def _by_time(asked: Asked, *, warm: bool) -> "tuple[datetime | None, datetime | None, EventRange | None]":
    from tokentrail.processors.event_range import EventRange

    if asked.since is None and asked.until is None:
        return None, None, None
    begin = parse_moment(asked.since) if asked.since else None
    until = parse_moment(asked.until) if asked.until else None if asked.files else datetime.now(UTC)
    if begin and until and begin >= until:
        raise typer.BadParameter("--from must be before --to.")
    first = (
        datetime.fromtimestamp(0, UTC) if begin is None else parse_moment(asked.warm_up, now=begin) if warm else begin
    )
    return begin, until, EventRange(first, until or _END_OF_TIME)


def _by_offsets(settings: Settings, asked: Asked) -> Stretch:
    from tokentrail.processors.topic_log import OffsetRange, TopicLog

    if asked.topic is None:
        raise typer.BadParameter("Offsets (@…) are for --topic; the archive and files go by time.")
    if any(text is not None and not _is_offsets(text) for text in (asked.since, asked.until)):
        raise typer.BadParameter("Give --from and --to both as times, or both as offsets.")
    begin, begin_of_every = _parse_offsets(asked.since)
    end, end_of_every = _parse_offsets(asked.until)
    offsets = OffsetRange(begin, end, begin_of_every, end_of_every)
    return Stretch(TopicLog(settings, settings.topic(asked.topic), offsets=offsets), None, None)


def _parse_offsets(text: str | None) -> tuple[dict[int, int], int | None]:
    if text is None:
        return {}, None
    if every := _EVERY.match(text):
        return {}, int(every[1])
    if not _NAMED.match(text):
        raise typer.BadParameter(
            f"{text!r} names no offsets; write @1200 for every partition, or @0:1200,1:900 for some of them."
        )
    return {int(partition): int(offset) for partition, _, offset in _pairs(text)}, None


def _pairs(text: str) -> list[tuple[str, str, str]]:
    return [pair.partition(":") for pair in text[1:].split(",")]
