"""Calls with the rates that priced them and the corrections since, for whoever asks how a cost came about."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
from clickhouse_connect.driver.client import Client

from tokentrail.processors.pricing import Rates
from tokentrail.schemas.events import Usage
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect, engine_errors
from tokentrail.sinks.clickhouse.rate_rows import RATE_COLUMNS, rates_of_row

_NAMES: Final = (
    "call_id", "kafka_partition", "kafka_offset", "time", "department", "service", "provider", "model", "service_tier",
    "status", "usage_source",
)  # fmt: skip
_MONEY: Final = ("input_cost", "output_cost", "cost_usd", "rate_id")
_CLOCK_ERROR: Final = timedelta(hours=1)
_UUID_TIME: Final = 7
"""The version of UUID that begins with milliseconds since 1970."""


class CostCorrection(msgspec.Struct, frozen=True, kw_only=True):
    """One re-pricing of a call; `rates` are the new ones."""

    revision: int
    corrected_at: datetime
    run_id: str
    reason: str
    old_cost_usd: Decimal | None
    new_cost_usd: Decimal | None
    rates: Rates | None


class PricedCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call as `calls` has it, with what it was priced by first; `corrections` are in order, the last one holds."""

    call_id: str
    kafka_partition: int
    kafka_offset: int
    time: datetime
    department: str
    service: str
    provider: str
    model: str
    service_tier: str
    status: str
    usage_source: str
    usage: Usage
    first_cost_usd: Decimal | None
    first_rates: Rates | None
    input_cost: Decimal | None
    output_cost: Decimal | None
    cost_usd: Decimal | None
    """These three and `rates` hold now: after the last correction."""
    rates: Rates | None
    corrections: tuple[CostCorrection, ...] = ()


def read_priced_calls(settings: Settings, call_id: str) -> list[PricedCall]:
    """Return the calls of this id, one row each, mostly one; blocking. None where the ledger has none.

    Raises:
        EngineError: the engine cannot be reached or refuses.
    """
    client = connect(settings)
    try:
        with engine_errors(settings):
            client.database = settings.clickhouse_database
            rows = _call_rows(client, call_id)
            changes = [_change_rows(client, row) for row in rows]
            wanted = {row["rate_id"] for row in rows} | {row["new_rate_id"] for own in changes for row in own}
            rates = _read_rates(client, wanted)
    finally:
        client.close()
    return [_priced_call(row, own, rates) for row, own in zip(rows, changes, strict=True)]


def _call_rows(client: Client, call_id: str) -> list[Mapping[str, Any]]:
    columns = ", ".join((*_NAMES, *_MONEY, *Usage.__struct_fields__))
    select = f"SELECT {columns} FROM calls WHERE call_id = {{call_id:String}}"  # noqa: S608  # columns of our own
    order = " ORDER BY kafka_partition, kafka_offset LIMIT 100"
    began = _began_at(call_id)
    if began is not None:
        # An id with its time in it: months before are not read, unless a clock was wrong.
        recent = f"{select} AND appended_at >= {{since:DateTime64(3, 'UTC')}}{order}"
        found = client.query(recent, {"call_id": call_id, "since": began - _CLOCK_ERROR})
        if found.row_count:
            return list(found.named_results())
    return list(client.query(select + order, {"call_id": call_id}).named_results())


def _change_rows(client: Client, row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    sql = """
        SELECT revision, corrected_at, run_id, reason, old_cost_usd, new_input_cost, new_output_cost, new_cost_usd,
            new_rate_id
        FROM cost_corrections
        WHERE kafka_partition = {partition:UInt32} AND kafka_offset = {offset:UInt64} ORDER BY revision
    """
    place = {"partition": row["kafka_partition"], "offset": row["kafka_offset"]}
    return list(client.query(sql, place).named_results())


def _read_rates(client: Client, wanted: set[int]) -> dict[int, Rates]:
    sql = f"SELECT {', '.join(RATE_COLUMNS)} FROM model_rates WHERE rate_id IN {{ids:Array(UInt64)}}"  # noqa: S608  # columns of our own
    rows = client.query(sql, {"ids": sorted(wanted)}).named_results()
    return {row["rate_id"]: rates_of_row(row) for row in rows}


def _priced_call(row: Mapping[str, Any], changes: list[Mapping[str, Any]], rates: dict[int, Rates]) -> PricedCall:
    last = changes[-1] if changes else None
    now = {name: last[f"new_{name}"] for name in _MONEY} if last else row
    corrections = tuple(
        CostCorrection(
            revision=one["revision"],
            corrected_at=one["corrected_at"].replace(tzinfo=UTC),
            run_id=one["run_id"],
            reason=one["reason"],
            old_cost_usd=one["old_cost_usd"],
            new_cost_usd=one["new_cost_usd"],
            rates=rates.get(one["new_rate_id"]),
        )
        for one in changes
    )
    return PricedCall(
        # The client gives moments in UTC without saying so.
        **{**{name: row[name] for name in _NAMES}, "time": row["time"].replace(tzinfo=UTC)},
        usage=Usage(**{name: row[name] for name in Usage.__struct_fields__}),
        first_cost_usd=row["cost_usd"],
        first_rates=rates.get(row["rate_id"]),
        input_cost=now["input_cost"],
        output_cost=now["output_cost"],
        cost_usd=now["cost_usd"],
        rates=rates.get(now["rate_id"]),
        corrections=corrections,
    )


def _began_at(call_id: str) -> datetime | None:
    try:
        parsed = UUID(call_id)
    except ValueError:
        return None
    if parsed.version != _UUID_TIME:
        return None
    return datetime.fromtimestamp(min(parsed.int >> 80, 4_000_000_000_000) / 1000, UTC)
