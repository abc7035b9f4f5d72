"""The state of a whole trail: Kafka, ClickHouse, and the one-machine stack if one runs here."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

import msgspec

from tokentrail.compose.broker_status import BrokerStatus, PartStatus, inspect_broker
from tokentrail.compose.embedded.stack_state import StackState, read_state
from tokentrail.compose.engine_status import count_rows
from tokentrail.errors import StackError, TokentrailError
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
    """The one-machine stack of this trail, if it runs on the data directory of the settings."""
    problems: list[str]


def settings_of_stack(data: Path, settings: Settings) -> Settings:
    """Return the settings with data directory, addresses, prefix and database of the stack that runs there.

    Raises:
        StackError: none runs on that directory.
    """
    data = data.expanduser()
    state = read_state(data)
    if state is None:
        raise StackError(f"No stack runs on {data}; start one with `tokentrail up --data {data}`.")
    place = _place(state)
    if place["clickhouse"] == settings.clickhouse_address:
        # The stack's file keeps no password; the settings may have one for the same address.
        place["clickhouse"] = settings.clickhouse
    return msgspec.structs.replace(settings, data=data, **place)


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
    stack = read_state(settings.data)
    ours = stack is not None and _place(stack) == _place(settings)
    if stack is not None and not ours and problems:
        problems.append(f"The stack on {settings.data} is another one: `tokentrail status --data {settings.data}`.")
    return TrailStatus(
        kafka=settings.kafka,
        clickhouse=settings.clickhouse_address,
        parts=broker.parts,
        records=broker.records,
        rows=rows or {},
        stack=stack if ours else None,
        problems=problems,
    )


def _place(trail: Settings | StackState) -> dict[str, str]:
    """Return what tells one trail from another."""
    return {
        "kafka": trail.kafka,
        "clickhouse": trail.clickhouse_address if isinstance(trail, Settings) else trail.clickhouse,
        "topic_prefix": trail.topic_prefix,
        "clickhouse_database": trail.clickhouse_database,
    }


async def _or_problem(asked: Awaitable[_Answer], problems: list[str]) -> _Answer | None:
    try:
        return await asked
    except TokentrailError as error:
        problems.append(str(error))
        return None
