"""The state of a whole trail: Kafka, ClickHouse, and the one-machine stack if one runs here."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import msgspec

from tokentrail.compose.broker_status import BrokerStatus, PartStatus, inspect_broker
from tokentrail.compose.embedded.stack_state import StackState, read_state
from tokentrail.compose.engine_status import count_rows
from tokentrail.errors import TokentrailError
from tokentrail.settings import Settings

_Answer = TypeVar("_Answer")


class TrailStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Everything `tokentrail status` tells. What could not be asked is absent, and named in `problems`."""

    kafka: str
    clickhouse: str
    parts: dict[str, PartStatus]
    records: dict[str, int | None]
    """By topic, without prefix; None if there is no such topic."""
    rows: dict[str, int]
    stack: StackState | None
    """The one-machine stack that runs on the data directory of the settings."""
    problems: list[str]


async def inspect_trail(settings: Settings) -> TrailStatus:
    """Ask every service at once, in seconds. One that is away is a problem to be told, never an exception."""
    problems: list[str] = []
    broker, rows = await asyncio.gather(
        _or_problem(inspect_broker(settings), problems), _or_problem(count_rows(settings), problems)
    )
    broker = broker or BrokerStatus(parts={}, records={})
    problems += [
        f"Topic {settings.topic(name)} does not exist; create the topics with `tokentrail topics`."
        for name, count in broker.records.items()
        if count is None
    ]
    return TrailStatus(
        kafka=settings.kafka,
        clickhouse=settings.clickhouse,
        parts=broker.parts,
        records=broker.records,
        rows=rows or {},
        stack=read_state(settings.data),
        problems=problems,
    )


async def _or_problem(asked: Awaitable[_Answer], problems: list[str]) -> _Answer | None:
    try:
        return await asked
    except TokentrailError as error:
        problems.append(str(error))
        return None
