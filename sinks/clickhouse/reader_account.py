"""The account behind `tokentrail query`: reads the ledger within limits, and nothing else."""

from typing import Final

from clickhouse_connect.driver.client import Client

from tokentrail.settings import Settings

# What one question may cost. A reader cannot change them: readonly = 1 forbids every SET.
_LIMITS: Final = (
    "readonly = 1, max_execution_time = 30, max_rows_to_read = 1000000000, max_result_rows = 1000000, "
    "max_memory_usage = 2147483648, max_ast_elements = 50000"
)


def create_reader_account(client: Client, settings: Settings) -> bool:
    """Create the reader account where the engine keeps accounts and we may make them; return whether it is there.

    The embedded engine keeps none: the process in front of it holds the reader to its limits.
    """
    if not _may_create_users(client):
        return False
    user, database = _quoted(settings.clickhouse_reader_user), f"`{settings.clickhouse_database}`"
    password = settings.clickhouse_reader_password
    identified = "IDENTIFIED WITH sha256_password BY {password:String}" if password else "IDENTIFIED WITH no_password"
    client.command(f"CREATE USER IF NOT EXISTS {user} {identified} SETTINGS {_LIMITS}", {"password": password})
    client.command(f"GRANT SELECT, SHOW ON {database}.* TO {user}")
    return True


def _may_create_users(client: Client) -> bool:
    stores = client.query("SELECT count() FROM system.user_directories WHERE type IN ('local_directory', 'replicated')")
    if not stores.result_rows[0][0]:
        return False
    granted = client.command("CHECK GRANT CREATE USER, ROLE ADMIN ON *.*")
    return bool(int(str(granted)))


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"
