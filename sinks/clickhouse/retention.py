"""How long each table keeps its rows, and where old ones go. Whole months go at once."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final

from clickhouse_connect.driver.client import Client

from tokentrail.errors import SettingsError
from tokentrail.settings import Settings

MONTHS: Final = {
    "event_log": "appended_at",
    "calls": "appended_at",
    "cost_corrections": "appended_at",
    "calls_minute": "appended_month",
    "calls_hour": "appended_month",
    "calls_day": "appended_month",
    "usage_hour": "appended_month",
    "usage_day": "appended_month",
    "alerts": "detected_at",
    "alert_controls": "appended_at",
}
"""Tables in monthly partitions, and the column that says a row's month."""
FOLLOWS: Final = {"cost_corrections": "calls"}
"""Tables that are kept as long as another, without which they mean nothing."""
FOREVER: Final = date(1970, 1, 1)
_MARGIN: Final = timedelta(days=1)


def retention_days(settings: Settings, table: str) -> int:
    """Return for how many days after the end of its month a row is kept; 0: forever."""
    return settings.retention_days.get(FOLLOWS.get(table, table), 0)


def kept_since(settings: Settings, now: datetime, *tables: str) -> date:
    """Return the first day of the first month that all of these tables hold whole; `FOREVER` if none is dropped."""
    found = FOREVER
    for table in tables:
        if days := retention_days(settings, table):
            # A day more: the month may go while it is being looked at.
            found = max(found, (now.astimezone(UTC) + _MARGIN - timedelta(days=days)).date().replace(day=1))
    return found


def ttl_of(settings: Settings, table: str) -> str:
    """Return the TTL that a table is to have, as ClickHouse writes it; empty where rows stay."""
    month = f"toStartOfMonth(toDate({MONTHS[table]})) + toIntervalMonth(1)"
    terms = []
    if settings.cold_volume and settings.cold_after_days:
        terms.append(f"{month} + toIntervalDay({settings.cold_after_days}) TO VOLUME '{settings.cold_volume}'")
    if days := retention_days(settings, table):
        terms.append(f"{month} + toIntervalDay({days})")
    return ", ".join(terms)


def apply_retention(client: Client, settings: Settings) -> list[str]:
    """Bring TTLs and the storage policy to the settings; return the tables changed. Blocking; may be repeated.

    Raises:
        ClickHouseError: the server has no such policy or volume.
        SettingsError: a table is not one of `MONTHS`, or a volume is named without a policy.
    """
    _check(settings)
    database = settings.clickhouse_database
    rows = client.query(
        "SELECT name, engine_full, storage_policy FROM system.tables WHERE database = {database:String}",
        {"database": database},
    ).result_rows
    there = {name: (engine, policy) for name, engine, policy in rows}
    changed = []
    for table in sorted(MONTHS.keys() & there.keys()):
        statements = list(_changes(settings, table, *there[table]))
        for change in statements:
            client.command(f"ALTER TABLE `{database}`.{table} {change}")
        changed += [table] if statements else []
    return changed


def _check(settings: Settings) -> None:
    if unknown := sorted(settings.retention_days.keys() - (MONTHS.keys() - FOLLOWS.keys())):
        known = ", ".join(sorted(MONTHS.keys() - FOLLOWS.keys()))
        raise SettingsError(f"retention_days names {', '.join(unknown)}; the tables with a retention are {known}.")
    if settings.cold_volume and not settings.storage_policy:
        raise SettingsError("cold_volume is a volume of a storage policy: name that too, as storage_policy.")


def _changes(settings: Settings, table: str, engine_full: str, policy: str) -> Iterable[str]:
    if settings.storage_policy and settings.storage_policy != policy:
        yield f"MODIFY SETTING storage_policy = '{settings.storage_policy}'"
    wanted = ttl_of(settings, table)
    has_ttl = " TTL " in engine_full
    if wanted and wanted not in engine_full:
        # Whole parts or nothing: a part holds one month.
        yield "MODIFY SETTING ttl_only_drop_parts = 1"
        yield f"MODIFY TTL {wanted}"
    elif has_ttl and not wanted:
        yield "REMOVE TTL"
