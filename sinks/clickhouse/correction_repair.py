"""Makes the rows of the rollups that come of corrections equal to `cost_corrections`. Blocking.

Only a re-pricing writes them, one at a time, and it begins and ends with this: whatever was killed before is mended.
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

from clickhouse_connect.driver.client import Client

from tokentrail.sinks.clickhouse.rollups import ROLLUPS, Rollup, select_from_part

_SUMS_OF_CORRECTIONS: Final = (
    "count(), sum(toDecimal128(ifNull(new_cost_usd, 0), 9) - toDecimal128(ifNull(old_cost_usd, 0), 9)), "
    "sum(toInt64(new_cost_usd IS NOT NULL) - toInt64(old_cost_usd IS NOT NULL))"
)
_SUMS_OF_ROLLUP: Final = "sum(corrections), sum(cost_usd), sum(priced_calls)"
_DayKey = tuple[str, str]


def repair_corrections(client: Client, database: str, settings: Mapping[str, str | int], kept_since: date) -> int:
    """Rebuild the days of rollups that are not what the corrections say; return how many. May be killed and repeated.

    Months before `kept_since` are left: their corrections may have been dropped, and their rollups stay.

    Raises:
        LedgerError: a view was changed by hand.
    """
    months = "toStartOfMonth(toDate(appended_at))"
    corrected = _sums(
        client, f"`{database}`.cost_corrections", months, "toDate(time)", _SUMS_OF_CORRECTIONS, kept_since
    )
    rebuilt = 0
    for rollup in ROLLUPS:
        rows = f"(SELECT * FROM `{database}`.{rollup.table} WHERE of_correction)"  # noqa: S608  # names of ours
        rolled = _sums(client, rows, "appended_month", f"toDate({rollup.column})", _SUMS_OF_ROLLUP, kept_since)
        days = sorted(day for day in {*corrected, *rolled} if corrected.get(day) != rolled.get(day))
        if days:
            _rebuild(client, database, rollup, days, settings)
        rebuilt += len(days)
    return rebuilt


def _sums(  # noqa: PLR0913, PLR0917  # the parts of one statement
    client: Client, source: str, month: str, day: str, sums: str, kept_since: date
) -> dict[_DayKey, tuple[object, ...]]:
    rows = client.query(
        f"SELECT toString({month}) AS its_month, toString({day}) AS its_day, {sums} FROM {source} "  # noqa: S608  # names of ours
        f"WHERE {month} >= {{kept:Date}} GROUP BY its_month, its_day",
        {"kept": kept_since},
    ).result_rows
    return {(month, day): tuple(found) for month, day, *found in rows}


def _rebuild(
    client: Client, database: str, rollup: Rollup, days: list[_DayKey], settings: Mapping[str, str | int]
) -> None:
    in_rollup = ", ".join(f"('{month}', '{day}')" for month, day in days)
    client.command(
        f"DELETE FROM `{database}`.{rollup.table} WHERE of_correction "  # noqa: S608  # names of ours, dates of the engine
        f"AND (toString(appended_month), toString(toDate({rollup.column}))) IN ({in_rollup})",
        settings={**settings, "lightweight_deletes_sync": 2},
    )
    select = client.query(
        "SELECT as_select FROM system.tables WHERE database = {database:String} AND name = {name:String}",
        {"database": database, "name": f"{rollup.table}_from_corrections"},
    ).result_rows[0][0]
    columns = ", ".join(row[0] for row in client.query(f"DESCRIBE TABLE ({select})").result_rows)
    condition = f"(toString(toStartOfMonth(toDate(appended_at))), toString(toDate(time))) IN ({in_rollup})"
    part = select_from_part(select, "cost_corrections", condition)
    client.command(
        f"INSERT INTO `{database}`.{rollup.table} ({columns}) SELECT {columns} FROM ({part})",  # noqa: S608  # the view's own
        settings=dict(settings),
    )
