"""The auditor's account on a server: reads the archive and what proves it, and of `calls` what is nobody's."""

from typing import Final

from clickhouse_connect.driver.client import Client

from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.reader_account import LIMITS, may_create_users, quoted

_WHOLE_TABLES: Final = (
    "event_log", "checkpoints", "ledger_findings", "erasures", "erased_rows", "model_rates",
    "schema_migrations", "calls_minute", "usage_hour", "usage_day",
)  # fmt: skip
"""Payloads are sealed where the writers have subject keys; where they have none, an auditor reads them in clear."""
_PERSONAL: Final = (
    "user_id", "session_id", "ip_address", "user_agent", "error_message", "request_hash", "response_hash", "attributes",
)  # fmt: skip
_WITHOUT_PERSONS: Final = ("calls", "cost_corrections", "calls_hour", "calls_day")


def create_auditor_account(client: Client, settings: Settings) -> bool:
    """Bring the auditor's account to the settings where we may make accounts; return whether it is there.

    Without a `clickhouse_auditor_password` there is none. The embedded engine keeps no accounts, and has no auditor.
    """
    if not settings.clickhouse_auditor_password or not may_create_users(client):
        return False
    user, database = quoted(settings.clickhouse_auditor_user), f"`{settings.clickhouse_database}`"
    account = f"{user} IDENTIFIED WITH sha256_password BY {{password:String}} SETTINGS {LIMITS}"
    secret = {"password": settings.clickhouse_auditor_password}
    client.command(f"CREATE USER IF NOT EXISTS {account}", secret)
    client.command(f"ALTER USER {account}", secret)
    # Earlier grants may name a column that is personal by now.
    client.command(f"REVOKE ALL ON *.* FROM {user}")
    for table in _WHOLE_TABLES:
        client.command(f"GRANT SELECT, SHOW ON {database}.{table} TO {user}")
    for table in _WITHOUT_PERSONS:
        columns = ", ".join(_open_columns(client, settings.clickhouse_database, table))
        client.command(f"GRANT SELECT({columns}), SHOW ON {database}.{table} TO {user}")
    return True


def _open_columns(client: Client, database: str, table: str) -> list[str]:
    rows = client.query(
        "SELECT name FROM system.columns WHERE database = {database:String} AND table = {table:String} "
        "AND name NOT IN {personal:Array(String)} ORDER BY position",
        {"database": database, "table": table, "personal": list(_PERSONAL)},
    ).result_rows
    return [quoted(str(name)) for (name,) in rows]
